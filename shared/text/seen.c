#include "text/seen.h"

#include <stdlib.h>

#define SLOTS_MIN 1024

void seen_done(struct seen *s)
{
	free(s->slots);
	*s = (struct seen){0};
}

static struct seen_slot *seen_probe(struct seen_slot *slots, size_t capacity, uint64_t key)
{
	size_t at = key & (capacity - 1);
	while (slots[at].key && slots[at].key != key)
		at = (at + 1) & (capacity - 1);
	return &slots[at];
}

static enum err seen_grow(struct seen *s)
{
	size_t capacity = s->capacity ? s->capacity * 2 : SLOTS_MIN;
	struct seen_slot *slots = calloc(capacity, sizeof *slots);
	if (!slots)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < s->capacity; i++) {
		if (s->slots[i].key)
			*seen_probe(slots, capacity, s->slots[i].key) = s->slots[i];
	}
	free(s->slots);
	s->slots = slots;
	s->capacity = capacity;
	return ERR_OK;
}

enum err seen_slot(struct seen *s, uint64_t key, uint64_t **ret_value, bool *ret_new)
{
	if (s->count >= s->capacity / 4 * 3) {
		enum err err = seen_grow(s);
		if (err)
			return err;
	}
	key = key ? key : 1;
	struct seen_slot *slot = seen_probe(s->slots, s->capacity, key);
	*ret_new = slot->key == 0;
	if (*ret_new) {
		*slot = (struct seen_slot){.key = key};
		s->count++;
	}
	*ret_value = &slot->value;
	return ERR_OK;
}

const uint64_t *seen_find(const struct seen *s, uint64_t key)
{
	if (s->capacity == 0)
		return NULL;
	struct seen_slot *slot = seen_probe(s->slots, s->capacity, key ? key : 1);
	return slot->key ? &slot->value : NULL;
}
