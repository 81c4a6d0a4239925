#include "mockllm/completion.h"

#include "mockllm/admission.h"

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
		   o->status, request->authorization ? "true" : "false");
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

/* The mock's own answer; returns the request's kind for the record. */
static const char *ordinary_write(struct api *api, const struct chat_request *r,
				  const struct fault *f, uint64_t number, struct outcome *o,
				  struct chat_usage *ret_usage)
{
	char id[64];
	struct err_msg msg = {""};
	struct buf content;
	buf_init(&content, CHAT_BODY_MAX);
	enum err e = ERR_OK;
	if (f && f->content)
		buf_add_str(&content, f->content);
	else
		e = mock_answer(api->options.mock, r, &content, &msg);
	(void)snprintf(id, sizeof id, "freeal-mockllm-%s", mock_mode(api->options.mock));
	if (e == ERR_NOT_FOUND) {
		outcome_error(o, 404, msg.text, "model_not_found", NULL);
	} else if (e) {
		outcome_error(o, 400, msg.text, "not_recorded", NULL);
	} else {
		struct chat_reply reply = {.id_prefix = id,
					   .number = number,
					   .content = {buf_str(&content), content.size},
					   .finish_reason = f ? f->finish_reason : NULL};
		*ret_usage = chat_usage(r, &reply);
		chat_reply_write(&o->body, r, &reply);
	}
	buf_done(&content);
	return e ? "refused" : r->examples_wanted ? "demonstrations" : "label";
}

static void counts_add(struct counts *c, const char *kind, const struct outcome *o,
		       const struct chat_usage *usage)
{
	c->faults += o->fault != NULL;
	if (strcmp(kind, "label") == 0)
		c->labels++;
	else if (strcmp(kind, "demonstrations") == 0)
		c->demonstrations++;
	else if (strcmp(kind, "limited") != 0)
		c->refused++;
	if (o->status == 200) {
		c->prompt_tokens += usage->prompt_tokens;
		c->completion_tokens += usage->completion_tokens;
	}
}

void completion_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	struct chat_request r = {0};
	struct chat_usage usage = {0};
	struct err_msg msg = {""};
	const char *kind = "invalid";
	const struct fault *fault = NULL;
	admission_begin(api, o);
	enum err e = chat_request_parse(&r, request->body.data, request->body.size, &msg);
	pthread_mutex_lock(&api->lock);
	uint64_t number = ++api->counts.requests;
	bool admitted = !e && admission_take(api, chat_cost(&r), o);
	if (admitted && api->options.script)
		fault = script_next(api->options.script, r.model, r.text);
	pthread_mutex_unlock(&api->lock);
	if (e)
		outcome_error(o, 400, msg.text, "invalid_body", NULL);
	else if (!admitted)
		kind = "limited";
	else
		kind = ordinary_write(api, &r, fault, number, o, &usage);
	if (fault)
		outcome_fault(o, fault);
	if (buf_error(&o->body))
		outcome_error(o, 500, "the reply is too long", "too_long", NULL);
	pthread_mutex_lock(&api->lock);
	counts_add(&api->counts, kind, o, &usage);
	if (api->options.record)
		record_write(api, request, o, &r, kind, number);
	pthread_mutex_unlock(&api->lock);
	chat_request_done(&r);
}
