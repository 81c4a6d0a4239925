/* What the mock was asked and what it answered, for /mock/stats. */
#ifndef FREEAL_MOCKLLM_COUNTS_H
#define FREEAL_MOCKLLM_COUNTS_H

#include "base/buf.h"

#include <stdint.h>

struct counts {
	uint64_t requests;	 /* whole ones to chat/completions, and lines of batches */
	uint64_t labels;	 /* of these, asked for labels */
	uint64_t texts;		 /* that these asked to label */
	uint64_t demonstrations; /* of these, asked for demonstrations */
	uint64_t refused;	 /* of these, bad or without a recorded answer */
	uint64_t embeddings;	 /* requests for these */
	uint64_t accepted;	 /* chats and embeddings that the limits let pass */
	uint64_t rate_limited;	 /* chats and embeddings that they refused (429) */
	uint64_t faults;	 /* scripted ones */
	uint64_t prompt_tokens;	 /* reported as used: chats, embeddings and batches */
	uint64_t cached_tokens;	 /* of the prompts' */
	uint64_t completion_tokens;
	uint64_t in_flight; /* chats and embeddings */
	uint64_t in_flight_max;
};

/* Appends a JSON object with a member of each name. */
void counts_write(struct buf *out, const struct counts *c);

#endif
