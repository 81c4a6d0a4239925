#include "coordinator/lease.h"

#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_COUNT 8192

struct entry {
	struct lease lease;
	struct entry *bucket_next;
	struct entry *next, *prev; /* by expiry */
};

struct lease_table {
	uint64_t ttr_ms;
	uint64_t count;
	uint32_t count_of[LEASE_NOBODY + 1];
	uint32_t weight_of[LEASE_NOBODY + 1]; /* of the suspects among them */
	struct entry list;		      /* head: next is the first to end */
	struct entry *buckets[BUCKET_COUNT];
};

struct lease_table *lease_table_new(uint64_t ttr_ms)
{
	struct lease_table *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->ttr_ms = ttr_ms;
	t->list.next = t->list.prev = &t->list;
	return t;
}

void lease_table_clear(struct lease_table *t)
{
	while (t->list.next != &t->list)
		lease_remove(t, t->list.next->lease.index);
}

void lease_table_free(struct lease_table *t)
{
	if (!t)
		return;
	lease_table_clear(t);
	free(t);
}

static struct entry **entry_at(const struct lease_table *t, uint64_t index)
{
	size_t bucket = hash_mix(index, 0) % BUCKET_COUNT;
	struct entry **at = (struct entry **)&t->buckets[bucket];
	while (*at && (*at)->lease.index != index)
		at = &(*at)->bucket_next;
	return at;
}

static void list_append(struct lease_table *t, struct entry *e)
{
	e->next = &t->list;
	e->prev = t->list.prev;
	e->prev->next = e;
	t->list.prev = e;
}

static void list_remove(struct entry *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
}

/* One that has to be alone weighs as much as may be held. */
static uint32_t lease_weight(const struct lease *l)
{
	return l->losses > 1 ? LEASE_SUSPECTS_MAX : l->losses;
}

static void lease_move(struct lease_table *t, struct lease *l, uint32_t peer)
{
	t->count_of[l->peer]--;
	t->weight_of[l->peer] -= lease_weight(l);
	l->peer = peer;
	t->count_of[peer]++;
	t->weight_of[peer] += lease_weight(l);
}

enum err lease_add(struct lease_table *t, uint64_t index, uint32_t attempt, uint32_t losses,
		   uint32_t peer, uint64_t now_ms)
{
	assert(peer < LEASE_NOBODY);
	struct entry **at = entry_at(t, index);
	assert(!*at);
	struct entry *e = calloc(1, sizeof *e);
	if (!e)
		return ERR_NO_MEMORY;
	e->lease = (struct lease){.index = index,
				  .attempt = attempt,
				  .peer = peer,
				  .expires_ms = now_ms + t->ttr_ms,
				  .losses = losses};
	*at = e;
	list_append(t, e);
	t->count++;
	t->count_of[peer]++;
	t->weight_of[peer] += lease_weight(&e->lease);
	return ERR_OK;
}

const struct lease *lease_find(const struct lease_table *t, uint64_t index)
{
	struct entry *e = *entry_at(t, index);
	return e ? &e->lease : NULL;
}

void lease_renew(struct lease_table *t, uint64_t index, uint32_t peer, uint64_t now_ms)
{
	assert(peer <= LEASE_NOBODY);
	struct entry *e = *entry_at(t, index);
	if (!e)
		return;
	lease_move(t, &e->lease, peer);
	e->lease.expires_ms = now_ms + t->ttr_ms;
	list_remove(e);
	list_append(t, e);
}

void lease_remove(struct lease_table *t, uint64_t index)
{
	struct entry **at = entry_at(t, index);
	struct entry *e = *at;
	if (!e)
		return;
	*at = e->bucket_next;
	list_remove(e);
	t->count--;
	t->count_of[e->lease.peer]--;
	t->weight_of[e->lease.peer] -= lease_weight(&e->lease);
	free(e);
}

bool lease_expire(struct lease_table *t, uint64_t now_ms, struct lease *ret_lease)
{
	struct entry *e = t->list.next;
	if (e == &t->list || e->lease.expires_ms > now_ms)
		return false;
	*ret_lease = e->lease;
	lease_remove(t, e->lease.index);
	return true;
}

void lease_orphan(struct lease_table *t, uint32_t peer)
{
	assert(peer < LEASE_NOBODY);
	for (struct entry *e = t->list.next; e != &t->list && t->count_of[peer] > 0; e = e->next) {
		if (e->lease.peer != peer)
			continue;
		lease_move(t, &e->lease, LEASE_NOBODY);
	}
}

const struct lease *lease_of(const struct lease_table *t, uint32_t peer)
{
	assert(peer < LEASE_NOBODY);
	if (t->count_of[peer] == 0)
		return NULL;
	struct entry *e = t->list.next;
	while (e->lease.peer != peer)
		e = e->next;
	return &e->lease;
}

void lease_extend(struct lease_table *t, uint64_t ms)
{
	for (struct entry *e = t->list.next; e != &t->list; e = e->next)
		e->lease.expires_ms += ms;
}

uint64_t lease_count(const struct lease_table *t)
{
	return t->count;
}

uint32_t lease_count_of(const struct lease_table *t, uint32_t peer)
{
	assert(peer <= LEASE_NOBODY);
	return t->count_of[peer];
}

uint32_t lease_losses_max(const struct lease_table *t, uint32_t peer)
{
	assert(peer < LEASE_NOBODY);
	if (t->weight_of[peer] == 0)
		return UINT32_MAX;
	return t->weight_of[peer] < LEASE_SUSPECTS_MAX ? 1 : 0;
}

uint64_t lease_next_ms(const struct lease_table *t)
{
	return t->list.next == &t->list ? UINT64_MAX : t->list.next->lease.expires_ms;
}
