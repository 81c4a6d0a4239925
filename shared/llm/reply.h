/*
 * Reads the body of a chat-completions response: the answer of a success, the error
 * code of a failure. Pure; whatever the bytes are, it ends with a named reason.
 */
#ifndef FREEAL_LLM_REPLY_H
#define FREEAL_LLM_REPLY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define REPLY_CODE_BYTES_MAX 64
#define REPLY_MESSAGE_BYTES_MAX 200

struct reply {
	struct json_t *root; /* owns `content`; NULL where the body is no JSON object */
	const char *content; /* NULL: see `reason` */
	size_t content_size;
	/* Why the answer is unusable whatever it says, or "": refused, length, tool_call,
	 * empty, malformed. With "length" there may be content all the same. */
	const char *reason;
	uint64_t tokens_in; /* as the server counts them; 0 where it doesn't say */
	uint64_t tokens_out;
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
