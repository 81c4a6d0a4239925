/*
 * Reads the body of a chat-completions response: the answers of a success, the error
 * code of a failure. Pure; whatever the bytes are, it ends with a named reason.
 */
#ifndef FREEAL_LLM_REPLY_H
#define FREEAL_LLM_REPLY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define REPLY_CODE_BYTES_MAX 64
#define REPLY_MESSAGE_BYTES_MAX 200
#define REPLY_CHOICES_MAX 64 /* more are of no account */

/* One of the answers that a request with `n` gets. */
struct reply_choice {
	const char *content; /* NULL: see `reason` */
	size_t content_size;
	const char *reasoning; /* of models that keep it apart: reasoning_content or reasoning */
	size_t reasoning_size;
	/* Why the answer is unusable whatever it says, or "": refused, length, tool_call,
	 * empty, malformed. With "length" there may be content all the same. */
	const char *reason;
	const struct json_t *logprobs; /* an array with an object per token; NULL: none */
};

struct reply {
	struct json_t *root; /* owns what is below; NULL where the body is no JSON object */
	struct reply_choice choices[REPLY_CHOICES_MAX];
	uint32_t choice_count;
	/* The first choice's; without one the reason is malformed or empty. */
	const char *content;
	size_t content_size;
	const char *reason;
	uint64_t tokens_in; /* as the server counts them; 0 where it doesn't say */
	uint64_t tokens_out;
	uint64_t tokens_cached;	   /* of tokens_in */
	uint64_t tokens_reasoning; /* of tokens_out */
};

struct reply_error {
	char code[REPLY_CODE_BYTES_MAX];       /* error.code, else error.type, else "" */
	char message[REPLY_MESSAGE_BYTES_MAX]; /* error.message, cut, control characters blanked */
};

/* Never fails; reply_done in any case. */
void reply_parse(const char *body, size_t size, struct reply *ret_reply);
void reply_done(struct reply *r);

void reply_error_parse(const char *body, size_t size, struct reply_error *ret_error);

#endif
