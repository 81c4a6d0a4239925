#include "mockllm/index.h"

#include "base/buf.h"
#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_SLOTS_START = 1024 };

struct index {
	struct buf pool;  /* the texts one after the other */
	size_t *ends;	  /* where each text ends in the pool */
	uint64_t *hashes; /* one per text */
	int32_t count;
	int32_t capacity;
	int32_t *slots; /* number + 1, 0 free; slot_count is a power of two, at most half full */
	size_t slot_count;
};

enum err index_new(struct index **ret_index)
{
	struct index *x = calloc(1, sizeof(*x));
	if (!x)
		return ERR_NO_MEMORY;
	buf_init(&x->pool, (size_t)16 << 30);
	x->slot_count = INDEX_SLOTS_START;
	x->slots = calloc(x->slot_count, sizeof(*x->slots));
	if (!x->slots) {
		index_free(x);
		return ERR_NO_MEMORY;
	}
	*ret_index = x;
	return ERR_OK;
}

void index_free(struct index *x)
{
	if (!x)
		return;
	buf_done(&x->pool);
	free(x->ends);
	free(x->hashes);
	free(x->slots);
	free(x);
}

struct chat_text index_text(const struct index *x, int32_t number)
{
	assert(number >= 0 && number < x->count);
	size_t start = number ? x->ends[number - 1] : 0;
	return (struct chat_text){buf_str(&x->pool) + start, x->ends[number] - start};
}

int32_t index_count(const struct index *x)
{
	return x->count;
}

/* The slot of the text, or the free one where it belongs. */
static size_t slot_find(const struct index *x, struct chat_text text, uint64_t hash)
{
	size_t slot = hash & (x->slot_count - 1);
	while (x->slots[slot]) {
		int32_t number = x->slots[slot] - 1;
		if (x->hashes[number] == hash && chat_text_equal(index_text(x, number), text))
			break;
		slot = (slot + 1) & (x->slot_count - 1);
	}
	return slot;
}

int32_t index_find(const struct index *x, struct chat_text text)
{
	return x->slots[slot_find(x, text, hash_bytes(0, text.data, text.size))] - 1;
}

static enum err index_grow(struct index *x)
{
	if (x->count == x->capacity) {
		int32_t capacity = x->capacity ? x->capacity * 2 : 256;
		size_t *ends = realloc(x->ends, (size_t)capacity * sizeof(*ends));
		if (!ends)
			return ERR_NO_MEMORY;
		x->ends = ends;
		uint64_t *hashes = realloc(x->hashes, (size_t)capacity * sizeof(*hashes));
		if (!hashes)
			return ERR_NO_MEMORY;
		x->hashes = hashes;
		x->capacity = capacity;
	}
	if ((size_t)x->count * 2 < x->slot_count)
		return ERR_OK;
	size_t slot_count = x->slot_count * 2;
	int32_t *slots = calloc(slot_count, sizeof(*slots));
	if (!slots)
		return ERR_NO_MEMORY;
	for (int32_t i = 0; i < x->count; i++) {
		size_t slot = x->hashes[i] & (slot_count - 1);
		while (slots[slot])
			slot = (slot + 1) & (slot_count - 1);
		slots[slot] = i + 1;
	}
	free(x->slots);
	x->slots = slots;
	x->slot_count = slot_count;
	return ERR_OK;
}

enum err index_add(struct index *x, struct chat_text text, int32_t *ret_number, bool *ret_new)
{
	uint64_t hash = hash_bytes(0, text.data, text.size);
	size_t slot = slot_find(x, text, hash);
	if (x->slots[slot]) {
		*ret_number = x->slots[slot] - 1;
		*ret_new = false;
		return ERR_OK;
	}
	if (x->count == INDEX_COUNT_MAX)
		return ERR_LIMIT;
	enum err e = index_grow(x);
	if (e)
		return e;
	buf_add(&x->pool, text.data, text.size);
	if (buf_error(&x->pool))
		return buf_error(&x->pool);
	x->ends[x->count] = x->pool.size;
	x->hashes[x->count] = hash;
	slot = slot_find(x, text, hash);
	*ret_number = x->count++;
	x->slots[slot] = x->count;
	*ret_new = true;
	return ERR_OK;
}
