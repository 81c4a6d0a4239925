#include "mockllm/completion.h"

#include "mockllm/admission.h"
#include "mockllm/params.h"
#include "mockllm/pieces.h"
#include "mockllm/prefixes.h"
#include "mockllm/reply.h"
#include "mockllm/wording.h"

#include <string.h>

static void record_write(struct api *api, const struct api_request *request,
			 const struct outcome *o, const struct chat_request *r, const char *kind,
			 uint64_t number)
{
	struct buf line;
	buf_init(&line, (size_t)4 * CHAT_BODY_MAX);
	buf_printf(&line,
		   "{\"n\":%llu,\"at_ms\":%llu,\"kind\":\"%s\",\"status\":%u,\"authorization\":%s",
		   (unsigned long long)number,
		   (unsigned long long)(clock_mono_ms(&api->clock) - api->start_ms), kind,
		   o->status, request->authorization || request->api_key ? "true" : "false");
	if (r->root) {
		buf_printf(&line, ",\"shots\":%zu,\"model\":", r->turn_count);
		chat_string_write(&line, r->model);
		buf_add_str(&line, ",\"text\":");
		chat_string_write(&line, r->text);
	}
	buf_add_str(&line, ",\"body\":");
	chat_string_write(&line, request->body);
	buf_add_str(&line, "}\n");
	if (!buf_error(&line)) {
		(void)fwrite(line.data, 1, line.size, api->options.record);
		(void)fflush(api->options.record);
	}
	buf_done(&line);
}

/* One request on its way. */
struct call {
	struct chat_request request;
	struct params params;
	struct prefix_steps steps;
	struct reply_usage usage;
	uint64_t number;
	const struct fault *fault;
	const char *kind; /* for the record and the counts */
};

/* False where the body is refused. */
static bool call_read(struct call *c, const struct api *api, const struct api_request *request,
		      struct outcome *o)
{
	char text[128];
	const char *name = NULL;
	struct err_msg msg = {""};
	c->kind = "invalid";
	if (chat_request_parse(&c->request, request->body.data, request->body.size,
			       request->deployment, &msg)) {
		outcome_error(o, 400, msg.text, "invalid_body", NULL);
		return false;
	}
	struct chat_text strict =
	    params_find(c->request.root, api->options.strict ? api->options.strict : "");
	if (strict.size > 0) {
		char param[64];
		(void)snprintf(param, sizeof param, "%.*s", (int)strict.size, strict.data);
		(void)snprintf(text, sizeof text,
			       "Unsupported parameter: '%s' is not supported with this model.",
			       param);
		outcome_error(o, 400, text, "unsupported_parameter", param);
		return false;
	}
	if (params_parse(&c->params, c->request.root, &name, &msg)) {
		outcome_error(o, 400, msg.text, "invalid_value", name);
		return false;
	}
	prefix_steps_find(&c->steps, &c->request);
	return true;
}

/* What limits on tokens count: the prompt and as many tokens as the choices may have. */
static uint64_t call_cost(const struct call *c)
{
	uint64_t each = c->params.tokens_max ? c->params.tokens_max : PARAMS_TOKENS_DEFAULT;
	return reply_prompt_tokens(c->request.prompt_bytes) + each * c->params.choices;
}

static enum err choice_write(struct call *c, const struct mock *mock, const struct reply_head *head,
			     uint32_t index, struct outcome *o, struct err_msg *msg)
{
	struct wording w;
	const struct fault *f = c->fault;
	enum err e = ERR_OK;
	wording_init(&w);
	if (f && f->content) {
		buf_add_str(&w.content, f->content);
	} else {
		e = wording_write(&w, mock, &c->request, &c->params, params_draw(&c->params, index),
				  msg);
		wording_cut(&w, &c->params);
	}
	if (f && f->finish_reason)
		w.finish_reason = f->finish_reason;
	struct chat_text content = {buf_str(&w.content), w.content.size};
	c->usage.reasoning_tokens += w.reasoning_tokens;
	c->usage.completion_tokens += w.reasoning_tokens + pieces_count(content);
	if (!e)
		reply_choice(&o->body, head, &c->params, index, &w);
	wording_done(&w);
	return e;
}

/* The mock's own answer. */
static void call_answer(struct call *c, const struct mock *mock, struct outcome *o)
{
	struct err_msg msg = {""};
	struct reply_head head = {mock_mode(mock), c->number, c->request.model};
	enum err e = ERR_OK;
	c->kind = c->request.examples_wanted  ? "demonstrations"
		  : c->request.asks_rewriting ? "rewriting"
					      : "label";
	c->usage.prompt_tokens = reply_prompt_tokens(c->request.prompt_bytes);
	reply_begin(&o->body, &head, &c->params);
	for (uint32_t i = 0; !e && i < c->params.choices; i++)
		e = choice_write(c, mock, &head, i, o, &msg);
	reply_end(&o->body, &head, &c->params, &c->usage);
	if (!e) {
		o->content_type = c->params.stream ? "text/event-stream" : "application/json";
		return;
	}
	c->kind = "refused";
	if (e == ERR_NOT_FOUND)
		outcome_error(o, 404, msg.text, "model_not_found", NULL);
	else
		outcome_error(o, 400, msg.text, "not_recorded", NULL);
}

static void counts_add(struct counts *counts, const struct call *c, const struct outcome *o)
{
	counts->faults += c->fault != NULL;
	if (strcmp(c->kind, "label") == 0) {
		counts->labels++;
		counts->texts += c->request.item_count ? c->request.item_count : 1;
	} else if (strcmp(c->kind, "demonstrations") == 0) {
		counts->demonstrations++;
	} else if (strcmp(c->kind, "limited") != 0) {
		counts->refused++;
	}
	if (o->status == 200) {
		counts->prompt_tokens += c->usage.prompt_tokens;
		counts->cached_tokens += c->usage.cached_tokens;
		counts->completion_tokens += c->usage.completion_tokens;
	}
}

/* Reads the body and answers it; `live` requests are subject to the limits. */
static void call_run(struct call *c, struct api *api, const struct api_request *request, bool live,
		     struct outcome *o)
{
	bool valid = call_read(c, api, request, o);
	struct script_request target = {request->path, c->request.model, c->request.text,
					c->request.root};
	pthread_mutex_lock(&api->lock);
	c->number = ++api->counts.requests;
	bool admitted = valid && (!live || admission_take(api, call_cost(c), o));
	if (admitted && api->options.script)
		c->fault = script_next(api->options.script, &target);
	if (admitted)
		c->usage.cached_tokens = prefixes_seen(&api->prefixes, &c->steps);
	pthread_mutex_unlock(&api->lock);
	if (admitted)
		call_answer(c, api->options.mock, o);
	else if (valid)
		c->kind = "limited";
	if (c->fault)
		outcome_fault(o, c->fault);
	if (buf_error(&o->body))
		outcome_error(o, 500, "the reply is too long", "too_long", NULL);
}

void completion_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	struct call c = {0};
	admission_begin(api, o);
	call_run(&c, api, request, true, o);
	pthread_mutex_lock(&api->lock);
	counts_add(&api->counts, &c, o);
	if (api->options.record)
		record_write(api, request, o, &c.request, c.kind, c.number);
	pthread_mutex_unlock(&api->lock);
	chat_request_done(&c.request);
}

void completion_line(struct api *api, const char *url, struct chat_text body, struct outcome *o)
{
	struct call c = {0};
	struct api_request request = {.method = "POST", .path = url, .body = body};
	call_run(&c, api, &request, false, o);
	pthread_mutex_lock(&api->lock);
	counts_add(&api->counts, &c, o);
	pthread_mutex_unlock(&api->lock);
	chat_request_done(&c.request);
}
