/*
 * Byte strings numbered from 0 in the order they were added, found by hash.
 * Never shrinks; not thread-safe while it grows.
 */
#ifndef FREEAL_MOCKLLM_INDEX_H
#define FREEAL_MOCKLLM_INDEX_H

#include "base/err.h"
#include "mockllm/chat.h"

#include <stdbool.h>
#include <stdint.h>

enum { INDEX_NONE = -1, INDEX_COUNT_MAX = 1 << 27 };

struct index;

WARN_UNUSED enum err index_new(struct index **ret_index);
void index_free(struct index *x);

/* Adds a copy of `text` unless it is there; its number goes to `ret_number`. */
WARN_UNUSED enum err index_add(struct index *x, struct chat_text text, int32_t *ret_number,
			       bool *ret_new);
/* INDEX_NONE where it is not there. */
int32_t index_find(const struct index *x, struct chat_text text);
/* Borrowed until the next index_add(). */
struct chat_text index_text(const struct index *x, int32_t number);
int32_t index_count(const struct index *x);

#endif
