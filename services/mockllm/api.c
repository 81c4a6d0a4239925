#include "mockllm/api.h"

#include "mockllm/completion.h"

#include <string.h>

void api_init(struct api *api, const struct api_options *options)
{
	memset(api, 0, sizeof *api);
	api->options = *options;
	api->clock = clock_system();
	api->start_ms = clock_mono_ms(&api->clock);
	pthread_mutex_init(&api->lock, NULL);
	rate_init(&api->rate, options->requests_per_minute, options->tokens_per_minute,
		  api->start_ms);
}

void api_done(struct api *api)
{
	pthread_mutex_destroy(&api->lock);
}

static void models_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	(void)request;
	buf_printf(&o->body,
		   "{\"object\":\"list\",\"data\":[{\"id\":\"freeal-mockllm-%s\","
		   "\"object\":\"model\",\"created\":0,\"owned_by\":\"freeal-mockllm (a mock, not "
		   "a language model)\"}]}",
		   mock_mode(api->options.mock));
}

static void health_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	(void)api;
	(void)request;
	buf_add_str(&o->body, "{\"status\":\"ok\",\"service\":\"freeal-mockllm\"}");
}

static void stats_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	(void)request;
	pthread_mutex_lock(&api->lock);
	struct counts counts = api->counts;
	pthread_mutex_unlock(&api->lock);
	counts_write(&o->body, &counts);
}

static const struct route {
	const char *method;
	const char *path;
	void (*handle)(struct api *api, const struct api_request *request, struct outcome *o);
} ROUTES[] = {
    {"POST", "/v1/chat/completions", completion_handle},
    {"GET", "/v1/models", models_handle},
    {"GET", "/healthz", health_handle},
    {"GET", "/mock/stats", stats_handle},
};

void api_handle(struct api *api, const struct api_request *request, struct outcome *ret_outcome)
{
	bool found = false;
	for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++) {
		const struct route *r = &ROUTES[i];
		if (strcmp(request->path, r->path) != 0)
			continue;
		found = true;
		if (strcmp(request->method, r->method) != 0)
			continue;
		if (request->too_long)
			outcome_error(ret_outcome, 413, "the body is too long", "too_long", NULL);
		else
			r->handle(api, request, ret_outcome);
		return;
	}
	if (found)
		outcome_error(ret_outcome, 405, "this path has other methods", "method_not_allowed",
			      NULL);
	else
		outcome_error(ret_outcome, 404, "no such path", "not_found", NULL);
}

void api_sent(struct api *api, const struct outcome *outcome)
{
	if (!outcome->counted)
		return;
	pthread_mutex_lock(&api->lock);
	api->counts.in_flight--;
	pthread_mutex_unlock(&api->lock);
}
