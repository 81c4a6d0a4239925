#include "coordinator/peer.h"

#include <stdlib.h>
#include <string.h>

struct peer_table {
	struct peer peers[PEER_COUNT_MAX]; /* role NONE: free */
	uint32_t end;
};

struct peer_table *peer_table_new(void)
{
	return calloc(1, sizeof(struct peer_table));
}

void peer_table_free(struct peer_table *t)
{
	free(t);
}

int peer_find(const struct peer_table *t, const struct peer_id *id)
{
	for (uint32_t i = 0; i < t->end; i++)
		if (t->peers[i].role && peer_id_equal(&t->peers[i].id, id))
			return (int)i;
	return -1;
}

static int peer_slot(const struct peer_table *t, const Freeal__Hello *hello)
{
	for (uint32_t i = 0; i < t->end; i++)
		if (t->peers[i].role &&
		    memcmp(t->peers[i].epoch, hello->epoch.data, PEER_EPOCH_BYTES) == 0)
			return (int)i;
	for (uint32_t i = 0; i < PEER_COUNT_MAX; i++)
		if (!t->peers[i].role)
			return (int)i;
	return -1;
}

int peer_add(struct peer_table *t, const struct peer_id *id, const Freeal__Hello *hello,
	     uint64_t now_ms)
{
	int slot = peer_slot(t, hello);
	if (slot < 0)
		return -1;
	struct peer *p = &t->peers[slot];
	*p = (struct peer){.id = *id, .role = hello->role, .heard_ms = now_ms};
	memcpy(p->epoch, hello->epoch.data, PEER_EPOCH_BYTES);
	if (t->end <= (uint32_t)slot)
		t->end = (uint32_t)slot + 1;
	return slot;
}

struct peer *peer_get(struct peer_table *t, uint32_t number)
{
	return number < t->end && t->peers[number].role ? &t->peers[number] : NULL;
}

void peer_remove(struct peer_table *t, uint32_t number)
{
	t->peers[number] = (struct peer){0};
}

uint32_t peer_end(const struct peer_table *t)
{
	return t->end;
}

uint32_t peer_count(const struct peer_table *t, Freeal__Role role)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < t->end; i++)
		count += t->peers[i].role == role;
	return count;
}
