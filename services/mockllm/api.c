#include "mockllm/api.h"

#include "mockllm/batch_routes.h"
#include "mockllm/completion.h"
#include "mockllm/embeddings.h"
#include "mockllm/file_routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { API_PART_MAX = 128 };

void api_init(struct api *api, const struct api_options *options)
{
	memset(api, 0, sizeof *api);
	api->options = *options;
	api->clock = clock_system();
	api->start_ms = clock_mono_ms(&api->clock);
	pthread_mutex_init(&api->lock, NULL);
	pthread_mutex_init(&api->jobs_lock, NULL);
	files_init(&api->files);
	rate_init(&api->rate, options->requests_per_minute, options->tokens_per_minute,
		  api->start_ms);
}

void api_done(struct api *api)
{
	batches_done(&api->batches);
	files_done(&api->files);
	pthread_mutex_destroy(&api->jobs_lock);
	pthread_mutex_destroy(&api->lock);
}

static void model_write(struct buf *out, const char *mode)
{
	buf_printf(out,
		   "{\"id\":\"freeal-mockllm-%s\",\"object\":\"model\",\"created\":0,"
		   "\"owned_by\":\"freeal-mockllm (a mock, not a language model)\"}",
		   mode);
}

static void models_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	(void)request;
	buf_add_str(&o->body, "{\"object\":\"list\",\"data\":[");
	model_write(&o->body, mock_mode(api->options.mock));
	buf_add_str(&o->body, "]}");
}

static void model_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	static const char prefix[] = "freeal-mockllm-";
	const char *mode = mock_mode(api->options.mock);
	if (strncmp(request->id, prefix, sizeof prefix - 1) == 0 &&
	    strcmp(request->id + sizeof prefix - 1, mode) == 0)
		model_write(&o->body, mode);
	else
		outcome_error(o, 404, "no such model", "model_not_found", "model");
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

enum {
	ROUTE_FAULTS = 1, /* the handler asks the script itself */
	ROUTE_OPEN = 2,	  /* needs no key */
};

/* `*` stands for one part of the path: an id. */
static const struct route {
	const char *method;
	const char *path;
	void (*handle)(struct api *api, const struct api_request *request, struct outcome *o);
	unsigned flags;
} ROUTES[] = {
    {"POST", "/v1/chat/completions", completion_handle, ROUTE_FAULTS},
    {"POST", "/v1/embeddings", embeddings_handle, ROUTE_FAULTS},
    {"GET", "/v1/models", models_handle, 0},
    {"GET", "/v1/models/*", model_handle, 0},
    {"POST", "/v1/files", file_upload_handle, 0},
    {"GET", "/v1/files", file_list_handle, 0},
    {"GET", "/v1/files/*", file_get_handle, 0},
    {"DELETE", "/v1/files/*", file_delete_handle, 0},
    {"GET", "/v1/files/*/content", file_content_handle, 0},
    {"POST", "/v1/batches", batch_create_handle, 0},
    {"GET", "/v1/batches", batch_list_handle, 0},
    {"GET", "/v1/batches/*", batch_get_handle, 0},
    {"POST", "/v1/batches/*/cancel", batch_cancel_handle, 0},
    {"GET", "/healthz", health_handle, ROUTE_OPEN},
    {"GET", "/mock/stats", stats_handle, ROUTE_OPEN},
};

/* Whether the path is like the pattern; the id goes to `ret_id`. */
static bool path_matches(const char *pattern, const char *path, char ret_id[API_PART_MAX])
{
	size_t fixed = strcspn(pattern, "*");
	if (strncmp(pattern, path, fixed) != 0)
		return false;
	if (!pattern[fixed])
		return path[fixed] == '\0';
	size_t size = strcspn(path + fixed, "/");
	if (size == 0 || size >= API_PART_MAX ||
	    strcmp(pattern + fixed + 1, path + fixed + size) != 0)
		return false;
	memcpy(ret_id, path + fixed, size);
	ret_id[size] = '\0';
	return true;
}

/*
 * Azure's paths as the plain ones. False where the path is one of Azure's that lacks its
 * api-version or is too long.
 */
static bool path_translate(const struct api_request *request, char ret_path[2 * API_PART_MAX],
			   char ret_deployment[API_PART_MAX])
{
	static const char azure[] = "/openai/";
	static const char deployments[] = "deployments/";
	const char *rest = request->path;
	ret_deployment[0] = '\0';
	if (strncmp(rest, azure, sizeof azure - 1) != 0)
		return snprintf(ret_path, 2 * API_PART_MAX, "%s", rest) < 2 * API_PART_MAX;
	rest += sizeof azure - 1;
	if (strncmp(rest, "v1/", 3) == 0) /* needs no version */
		return snprintf(ret_path, 2 * API_PART_MAX, "/%s", rest) < 2 * API_PART_MAX;
	if (!request->api_version)
		return false;
	if (strncmp(rest, deployments, sizeof deployments - 1) == 0) {
		rest += sizeof deployments - 1;
		size_t size = strcspn(rest, "/");
		if (size == 0 || size >= API_PART_MAX || !rest[size])
			return false;
		memcpy(ret_deployment, rest, size);
		ret_deployment[size] = '\0';
		rest += size + 1;
	}
	return snprintf(ret_path, 2 * API_PART_MAX, "/v1/%s", rest) < 2 * API_PART_MAX;
}

static bool key_fits(const char *key, const struct api_request *request)
{
	static const char bearer[] = "Bearer ";
	const char *given = request->authorization;
	if (!key || (request->api_key && strcmp(request->api_key, key) == 0))
		return true;
	return given && strncasecmp(given, bearer, sizeof bearer - 1) == 0 &&
	       strcmp(given + sizeof bearer - 1, key) == 0;
}

static void route_run(struct api *api, const struct route *route, const struct api_request *request,
		      struct outcome *o)
{
	if (!(route->flags & ROUTE_OPEN) && !key_fits(api->options.key, request)) {
		outcome_error(o, 401, "Incorrect API key provided.", "invalid_api_key", NULL);
		return;
	}
	if (request->too_long) {
		outcome_error(o, 413, "the body is too long", "too_long", NULL);
		return;
	}
	const struct fault *fault = NULL;
	if (strcmp(route->method, "POST") == 0 && !(route->flags & ROUTE_FAULTS) &&
	    api->options.script) {
		struct script_request target = {.path = request->path};
		pthread_mutex_lock(&api->lock);
		fault = script_next(api->options.script, &target);
		api->counts.faults += fault != NULL;
		pthread_mutex_unlock(&api->lock);
	}
	o->fault = fault;
	/* What is refused must not be done. */
	if (!fault || fault->status == 200)
		route->handle(api, request, o);
	if (fault)
		outcome_fault(o, fault);
	if (buf_error(&o->body))
		outcome_error(o, 500, "the reply is too long", "too_long", NULL);
}

void api_handle(struct api *api, const struct api_request *request, struct outcome *ret_outcome)
{
	struct api_request r = *request;
	char path[2 * API_PART_MAX];
	char deployment[API_PART_MAX];
	char id[API_PART_MAX];
	bool found = false;
	bool known = path_translate(request, path, deployment);
	r.path = path;
	r.id = id;
	r.deployment = deployment[0] ? deployment : NULL;
	for (size_t i = 0; known && i < sizeof ROUTES / sizeof *ROUTES; i++) {
		if (!path_matches(ROUTES[i].path, path, id))
			continue;
		found = true;
		if (strcmp(request->method, ROUTES[i].method) != 0)
			continue;
		route_run(api, &ROUTES[i], &r, ret_outcome);
		return;
	}
	if (found)
		outcome_error(ret_outcome, 405, "this path has other methods", "method_not_allowed",
			      NULL);
	else
		outcome_error(ret_outcome, 404, "no such path, or no api-version", "not_found",
			      NULL);
}

size_t api_body_max(const char *path)
{
	return strstr(path, "/files") ? FILES_BYTES_MAX : CHAT_BODY_MAX;
}

void api_sent(struct api *api, const struct outcome *outcome)
{
	if (!outcome->counted)
		return;
	pthread_mutex_lock(&api->lock);
	api->counts.in_flight--;
	pthread_mutex_unlock(&api->lock);
}
