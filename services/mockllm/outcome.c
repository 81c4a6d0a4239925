#include "mockllm/outcome.h"

#include "mockllm/malform.h"
#include "mockllm/reply.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void outcome_init(struct outcome *o)
{
	memset(o, 0, sizeof *o);
	o->status = 200;
	o->content_type = "application/json";
	buf_init(&o->body, OUTCOME_BODY_MAX);
}

void outcome_done(struct outcome *o)
{
	buf_done(&o->body);
}

void outcome_header(struct outcome *o, const char *name, const char *fmt, ...)
{
	assert(o->header_count < OUTCOME_HEADERS_MAX);
	struct outcome_header *h = &o->headers[o->header_count++];
	va_list args;
	va_start(args, fmt);
	h->name = name;
	(void)vsnprintf(h->value, sizeof h->value, fmt, args);
	va_end(args);
}

static const char *type_of(unsigned status)
{
	switch (status) {
	case 401:
		return "authentication_error";
	case 429:
		return "rate_limit_error";
	default:
		return status < 500 ? "invalid_request_error" : "server_error";
	}
}

void outcome_error(struct outcome *o, unsigned status, const char *message, const char *code,
		   const char *param)
{
	o->status = status;
	o->content_type = "application/json";
	buf_reset(&o->body);
	reply_error(&o->body, message, type_of(status), code, param);
}

void outcome_fault(struct outcome *o, const struct fault *f)
{
	o->fault = f;
	if (f->status != 200 || f->error || f->body.data || f->malformed) {
		o->status = f->status;
		o->content_type = "application/json";
	}
	if (f->body.data) {
		buf_reset(&o->body);
		buf_add(&o->body, f->body.data, f->body.size);
	} else if (f->malformed) {
		struct buf whole = o->body;
		if (whole.size == 0 || whole.data[0] != '{') {
			buf_reset(&whole); /* a stream; no kind of broken body needs it */
			buf_add_str(&whole, "{}");
		}
		buf_init(&o->body, OUTCOME_BODY_MAX);
		malform_write(&o->body, &whole, f->malformed);
		buf_done(&whole);
	} else if (f->error || f->status != 200) {
		const char *code = f->error ? f->error : "mock_fault";
		buf_reset(&o->body);
		reply_error(&o->body, "scripted fault of freeal-mockllm", code, code, f->param);
	}
}
