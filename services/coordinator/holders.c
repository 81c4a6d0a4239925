#include "coordinator/holders.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct holder {
	uint8_t epoch[PEER_EPOCH_BYTES];
	bool awaited;
	uint64_t until_ms; /* UINT64_MAX: it is there */
};

struct holders {
	struct holder list[PEER_COUNT_MAX];
	uint32_t count;
	uint32_t awaited;
	bool changed;
};

struct holders *holders_new(void)
{
	return calloc(1, sizeof(struct holders));
}

void holders_free(struct holders *h)
{
	free(h);
}

static struct holder *holder_find(const struct holders *h, const uint8_t *epoch)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (memcmp(h->list[i].epoch, epoch, PEER_EPOCH_BYTES) == 0)
			return (struct holder *)&h->list[i];
	return NULL;
}

static void holder_drop(struct holders *h, struct holder *one)
{
	h->awaited -= one->awaited;
	*one = h->list[--h->count];
	h->changed = true;
}

void holders_load(struct holders *h, const Freeal__HoldersRecord *record, uint64_t until_ms)
{
	for (size_t i = 0; i < record->n_epochs && h->count < PEER_COUNT_MAX; i++) {
		const ProtobufCBinaryData *epoch = &record->epochs[i];
		if (epoch->len != PEER_EPOCH_BYTES || holder_find(h, epoch->data))
			continue;
		struct holder *one = &h->list[h->count++];
		*one = (struct holder){.awaited = true, .until_ms = until_ms};
		memcpy(one->epoch, epoch->data, PEER_EPOCH_BYTES);
		h->awaited++;
	}
}

void holders_record(struct holders *h, ProtobufCBinaryData *ret_epochs,
		    Freeal__HoldersRecord *ret_record)
{
	freeal__holders_record__init(ret_record);
	for (uint32_t i = 0; i < h->count; i++)
		ret_epochs[i] = (ProtobufCBinaryData){PEER_EPOCH_BYTES, h->list[i].epoch};
	ret_record->epochs = ret_epochs;
	ret_record->n_epochs = h->count;
}

bool holders_changed(struct holders *h)
{
	bool changed = h->changed;
	h->changed = false;
	return changed;
}

enum err holders_add(struct holders *h, const uint8_t *epoch)
{
	struct holder *one = holder_find(h, epoch);
	if (one) {
		assert(!one->awaited);
		one->until_ms = UINT64_MAX;
		return ERR_OK;
	}
	if (h->count == PEER_COUNT_MAX)
		return ERR_LIMIT;
	one = &h->list[h->count++];
	*one = (struct holder){.until_ms = UINT64_MAX};
	memcpy(one->epoch, epoch, PEER_EPOCH_BYTES);
	h->changed = true;
	return ERR_OK;
}

void holders_tell(struct holders *h, const uint8_t *epoch)
{
	struct holder *one = holder_find(h, epoch);
	if (!one)
		return;
	h->awaited -= one->awaited;
	one->awaited = false;
	one->until_ms = UINT64_MAX;
}

void holders_remove(struct holders *h, const uint8_t *epoch)
{
	struct holder *one = holder_find(h, epoch);
	if (one)
		holder_drop(h, one);
}

void holders_lose(struct holders *h, const uint8_t *epoch, uint64_t until_ms)
{
	struct holder *one = holder_find(h, epoch);
	if (one && one->until_ms > until_ms)
		one->until_ms = until_ms;
}

void holders_expire(struct holders *h, uint64_t now_ms)
{
	for (uint32_t i = h->count; i-- > 0;)
		if (h->list[i].until_ms <= now_ms)
			holder_drop(h, &h->list[i]);
}

void holders_extend(struct holders *h, uint64_t ms)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (h->list[i].until_ms != UINT64_MAX)
			h->list[i].until_ms += ms;
}

bool holders_awaited(const struct holders *h)
{
	return h->awaited > 0;
}

uint32_t holders_count(const struct holders *h)
{
	return h->count;
}

uint64_t holders_next_ms(const struct holders *h)
{
	uint64_t next_ms = UINT64_MAX;
	for (uint32_t i = 0; i < h->count; i++)
		if (h->list[i].until_ms < next_ms)
			next_ms = h->list[i].until_ms;
	return next_ms;
}
