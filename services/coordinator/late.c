#include "coordinator/late.h"

#include "base/rng.h"

bool late_first(struct late *l, const Freeal__WorkName *name, uint32_t attempt)
{
	uint64_t key = hash_mix(hash_mix((uint64_t)name->kind, name->round), name->item);
	key = hash_mix(hash_mix(key, name->slot), attempt) | 1; /* 0 is an empty place */
	for (size_t i = 0; i < LATE_COUNT_MAX; i++) {
		if (l->keys[i] == key)
			return false;
	}
	l->keys[l->next] = key;
	l->next = (l->next + 1) % LATE_COUNT_MAX;
	return true;
}
