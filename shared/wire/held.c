#include "wire/held.h"

#include "base/rng.h"
#include "wire/work.h"

#include <assert.h>
#include <stdlib.h>

void held_init(struct held_table *t)
{
	*t = (struct held_table){0};
	t->list.list_next = t->list.list_prev = &t->list;
}

static size_t name_bucket(const Freeal__WorkName *n)
{
	uint64_t h = hash_mix(n->item, ((uint64_t)n->round << 32) | n->slot);
	return hash_mix(h, n->kind) % HELD_BUCKET_COUNT;
}

struct held **held_find(struct held_table *t, const Freeal__WorkName *name)
{
	struct held **at = &t->buckets[name_bucket(name)];
	while (*at && !work_name_equal(&(*at)->name, name))
		at = &(*at)->next;
	return at;
}

struct held *held_add(struct held_table *t, struct held **at, const Freeal__WorkName *name,
		      uint32_t attempt)
{
	assert(!*at);
	struct held *h = calloc(1, sizeof *h);
	if (!h)
		return NULL;
	freeal__work_name__init(&h->name);
	h->name.kind = name->kind;
	h->name.round = name->round;
	h->name.item = name->item;
	h->name.slot = name->slot;
	h->attempt = attempt;
	*at = h;
	h->list_next = &t->list;
	h->list_prev = t->list.list_prev;
	h->list_prev->list_next = h;
	t->list.list_prev = h;
	t->lease_count++;
	return h;
}

void held_result_set(struct held_table *t, struct held *h, Freeal__Result *result, size_t bytes)
{
	assert(!h->result);
	h->result = result;
	h->result_bytes = bytes;
	t->lease_count--;
	t->result_count++;
	t->unsent_count++;
}

void held_unsend(struct held_table *t, struct held *h)
{
	if (!h->result || !h->sent_ms)
		return;
	h->sent_ms = 0;
	t->unsent_count++;
}

void held_remove(struct held_table *t, struct held **at)
{
	struct held *h = *at;
	*at = h->next;
	h->list_prev->list_next = h->list_next;
	h->list_next->list_prev = h->list_prev;
	if (h->result) {
		t->result_count--;
		t->unsent_count -= !h->sent_ms;
		freeal__result__free_unpacked(h->result, NULL);
	} else {
		t->lease_count--;
	}
	free(h);
}
