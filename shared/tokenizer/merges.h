/*
 * The merges of a byte pair encoding: which two tokens become one, and which pair goes first.
 */
#ifndef FREEAL_TOKENIZER_MERGES_H
#define FREEAL_TOKENIZER_MERGES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define MERGES_MAX (1u << 20)

struct merge {
	uint32_t left, right; /* ids; left UINT32_MAX: a free slot */
	uint32_t rank;	      /* the lowest goes first */
	uint32_t id;	      /* of both together */
};

struct merges {
	struct merge *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

void merges_done(struct merges *m);

/* A pair that is there already takes the new rank. ERR_LIMIT, ERR_NO_MEMORY. */
enum err merges_add(struct merges *m, struct merge merge) WARN_UNUSED;

/*
 * Merges the `count` ids in place until no pair can be, lowest rank first and from the left
 * among equals; *ret_count are left. O(count · log count). ERR_NO_MEMORY.
 */
enum err merges_apply(const struct merges *m, uint32_t *ids, size_t count,
		      size_t *ret_count) WARN_UNUSED;

#endif
