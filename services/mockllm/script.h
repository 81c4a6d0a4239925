/*
 * Scripted misbehaviour, of any POST and of the lines of a batch (there without what it does to
 * a connection): which requests get what fault. Pure but for reading the
 * file and counting matches.
 *
 * File: JSON, {"rules": [RULE, ...]}; the first rule that fits a request is used,
 * the rest don't see it. A rule has conditions and effects, all optional.
 * Conditions:
 *	"text": "part"     the text to label contains it
 *	"model": "name"    the request's model is this
 *	"path": "/v1/files"     the request's path, or a batch line's url, contains it
 *	"has": "logprobs"  the body has this parameter
 *	"from": 3          the third request that meets the above, and later ones
 *	"count": 2         two of them (default 1; 0: without end)
 *	"every": 10        then every tenth (default 1)
 *	"share": 0.3       then this share of them, drawn by the seed and their number
 * Effects:
 *	"status": 429      (default 200)
 *	"headers": {"Retry-After": "2"}
 *	"error": "insufficient_quota"   an error object of this type and code
 *	"param": "logprobs"             the parameter that the error object names
 *	"content": "maybe" an ordinary reply with this content
 *	"finish_reason": "length"
 *	"body": "..."      this body as it is, or "body_file": "PATH"
 *	"malformed": "truncated", "trailing", "nested", "numbers", "surrogate", "bom",
 *	             "duplicate", "empty_choices", "null_content", "tool_call"
 *	"delay_ms": 500    before the first byte
 *	"hang": true       never answers
 *	"drip_bytes": 1, "drip_ms": 1000    so many bytes at a time, headers included
 *	"content_length": 10    what the header claims
 *	"pad_bytes": 104857600  spaces after the body
 *	"close_after": 20  closes the connection after so many bytes of the response
 *	"reset": true      by a TCP reset
 *	"expire": 0.5      this share of a new batch's lines is not answered in time
 * Without any of the five kinds of body a status of 200 has the ordinary answer and
 * another one an error object. Unknown keys are refused.
 */
#ifndef FREEAL_MOCKLLM_SCRIPT_H
#define FREEAL_MOCKLLM_SCRIPT_H

#include "base/err.h"
#include "mockllm/chat.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCRIPT_RULES_MAX = 1000, SCRIPT_HEADERS_MAX = 16 };

struct script;

struct fault_header {
	const char *name;
	const char *value;
};

/* The effects of one rule. Strings are NULL where not given. Borrowed from the script. */
struct fault {
	unsigned status;
	struct fault_header headers[SCRIPT_HEADERS_MAX];
	size_t header_count;
	const char *error;
	const char *param;
	const char *content;
	const char *finish_reason;
	const char *malformed;
	struct chat_text body; /* data NULL: none */
	uint64_t delay_ms;
	bool hang;
	uint64_t drip_bytes; /* 0: all at once */
	uint64_t drip_ms;
	int64_t content_length; /* -1: the true one */
	uint64_t pad_bytes;
	int64_t close_after; /* -1: at the end */
	bool reset;
	double expire;
};

WARN_UNUSED enum err script_new(const char *path, uint64_t seed, struct script **ret_script,
				struct err_msg *msg);
/* The same from memory. */
WARN_UNUSED enum err script_parse(const char *json, size_t size, uint64_t seed,
				  struct script **ret_script, struct err_msg *msg);
void script_free(struct script *s);

/* What conditions are about; empty where a request has no such thing. */
struct script_request {
	const char *path;
	struct chat_text model;
	struct chat_text text;
	const struct json_t *body; /* NULL: no JSON */
};

/* The fault for the next request, or NULL. Counts it; the caller sees to it that one
 * thread at a time calls. */
const struct fault *script_next(struct script *s, const struct script_request *request);

/* Whether the response has to be written byte by byte instead of by the HTTP library. */
bool fault_is_raw(const struct fault *f);
/* Whether it sets this header (ASCII case ignored). */
bool fault_has_header(const struct fault *f, const char *name);

#endif
