/*
 * A map from 64-bit hashes to 64-bit values, 16 bytes a slot: remembers what
 * has been seen without holding it.
 */
#ifndef FREEAL_TEXT_SEEN_H
#define FREEAL_TEXT_SEEN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen_slot {
	uint64_t key; /* 0: free */
	uint64_t value;
};

struct seen {
	struct seen_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

void seen_done(struct seen *s);
/*
 * The value of `key`, valid until the next call. A new key has the value 0.
 * Keys must be spread evenly. ERR_NO_MEMORY.
 */
WARN_UNUSED enum err seen_slot(struct seen *s, uint64_t key, uint64_t **ret_value, bool *ret_new);
/* NULL where the key is not there. */
const uint64_t *seen_find(const struct seen *s, uint64_t key);

#endif
