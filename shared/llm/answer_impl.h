/*
 * What the files that read answers share.
 */
#ifndef FREEAL_LLM_ANSWER_IMPL_H
#define FREEAL_LLM_ANSWER_IMPL_H

#include "llm/answer.h"

/* A label's name or alias, folded. */
struct answer_name {
	char *folded; /* NULL: a free slot */
	size_t size;
	uint32_t class_id;
};

/* All names in a hash table with open addressing; at most half full. */
struct answer_labels {
	struct answer_name *slots;
	size_t slot_count; /* a power of 2 */
	uint32_t class_count;
};

/* Whether folded words begin as a refusal does. */
bool answer_refuses(const char *folded, size_t size);
/* Narrows the text to what is inside a ``` fence; a fence that was cut off has no end. */
void answer_fence_strip(const char **text, size_t *size);
/* Narrows the text to what is behind `</think>`; what was before goes to `reasoning`, which may be
 * NULL. */
void answer_think_strip(const char **text, size_t *size, struct buf *reasoning);

#endif
