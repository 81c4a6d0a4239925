/* The JSON that the API answers with: completions, whole or as a stream, and errors. Pure. */
#ifndef FREEAL_MOCKLLM_REPLY_H
#define FREEAL_MOCKLLM_REPLY_H

#include "base/buf.h"
#include "mockllm/chat.h"
#include "mockllm/params.h"
#include "mockllm/wording.h"

#include <stdint.h>

/* Tokens: four bytes of a prompt, rounded up; a piece (pieces.h) of an answer. */
struct reply_usage {
	uint64_t prompt_tokens;
	uint64_t cached_tokens;	    /* of the prompt's */
	uint64_t completion_tokens; /* of all choices, those of reasoning among them */
	uint64_t reasoning_tokens;
};

struct reply_head {
	const char *mode; /* of the mock */
	unsigned long long number;
	struct chat_text model;
};

/*
 * A completion is written in three steps: begin, each choice, end. With params->stream it is
 * server-sent events: a chunk for each piece, a last one with the usage where that is wanted,
 * and [DONE].
 */
void reply_begin(struct buf *out, const struct reply_head *head, const struct params *params);
void reply_choice(struct buf *out, const struct reply_head *head, const struct params *params,
		  uint32_t index, const struct wording *wording);
void reply_end(struct buf *out, const struct reply_head *head, const struct params *params,
	       const struct reply_usage *usage);

uint64_t reply_prompt_tokens(size_t bytes);

/* {"error":{"message","type","param","code"}}; `param` may be NULL. */
void reply_error(struct buf *out, const char *message, const char *type, const char *code,
		 const char *param);

#endif
