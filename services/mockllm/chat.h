/*
 * The OpenAI chat-completions protocol as the mock speaks it: one request parsed,
 * one reply written. Pure functions.
 *
 * A labelling request is a system message, then demonstrations as pairs of a user
 * message (the text) and an assistant message (the label's name), then one user
 * message with the text to label. A request for demonstrations is one whose last
 * user message begins with the line `Write N examples of the label "NAME".`
 */
#ifndef FREEAL_MOCKLLM_CHAT_H
#define FREEAL_MOCKLLM_CHAT_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
	CHAT_TURNS_MAX = 256,	  /* demonstrations in one prompt */
	CHAT_EXAMPLES_MAX = 1000, /* examples that may be asked for at once */
	CHAT_BODY_MAX = 16 << 20,
	CHAT_TOKENS_DEFAULT = 16, /* counted against limits where a request names no maximum */
};

/* Bytes owned by somebody else. */
struct chat_text {
	const char *data;
	size_t size;
};

struct chat_turn {
	struct chat_text text;
	struct chat_text label;
};

struct chat_request {
	struct json_t *root; /* owns every text below */
	struct chat_text model;
	struct chat_turn turns[CHAT_TURNS_MAX];
	size_t turn_count; /* the number of examples in the prompt */
	struct chat_text text;
	size_t examples_wanted; /* 0: a labelling request */
	struct chat_text examples_label;
	size_t prompt_bytes; /* of all messages' content */
};

struct chat_reply {
	const char *id_prefix; /* such as "freeal-mockllm-replay" */
	unsigned long long number;
	struct chat_text content;
	const char *finish_reason; /* NULL: "stop" */
};

/* A token is counted as four bytes, rounded up. */
struct chat_usage {
	size_t prompt_tokens;
	size_t completion_tokens;
};

/* ERR_INVALID with a message for the client. chat_request_done() is safe after a failure. */
WARN_UNUSED enum err chat_request_parse(struct chat_request *ret_request, const char *body,
					size_t size, struct err_msg *msg);
void chat_request_done(struct chat_request *r);

struct chat_usage chat_usage(const struct chat_request *request, const struct chat_reply *reply);
/* What limits on tokens count: the prompt and as many tokens as the answer may have. */
uint64_t chat_cost(const struct chat_request *r);

void chat_reply_write(struct buf *out, const struct chat_request *request,
		      const struct chat_reply *reply);
/* Appends the JSON of an error: {"error":{"message","type","param","code"}}. */
void chat_error_write(struct buf *out, const char *message, const char *type, const char *code,
		      const char *param);
/* Appends `text` as a JSON string with its quotes. Invalid UTF-8 is replaced by U+FFFD. */
void chat_string_write(struct buf *out, struct chat_text text);

struct chat_text chat_text_of(const char *c_string);
int chat_text_equal(struct chat_text a, struct chat_text b);

#endif
