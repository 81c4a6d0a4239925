#include "coordinator/kept.h"

#include "base/limits.h"
#include "llm/key.h"
#include "wire/frame.h"

#include <string.h>

static uint64_t reply_bytes(size_t body_bytes)
{
	return body_bytes + KEPT_ENTRY_BYTES;
}

static enum err totals_put(struct store_txn *t, const Freeal__KeptRecord *totals)
{
	return meta_put(t, "kept", &totals->base);
}

/* Takes a reply out of both tables. */
static enum err reply_remove(struct store_txn *t, Freeal__KeptRecord *totals, const void *key,
			     const Freeal__ReplyRecord *reply)
{
	struct store_key number = store_key_u64(reply->number);
	enum err e = store_delete(t, TABLE_AGES, number.bytes, number.size);
	if (!e)
		e = store_delete(t, TABLE_REPLIES, key, KEY_BYTES);
	if (e)
		return e;
	totals->count--;
	totals->bytes -= reply_bytes(reply->body.len);
	return ERR_OK;
}

static enum err oldest_find(struct store_txn *t, unsigned char *ret_key)
{
	struct store_cursor *cursor;
	struct store_value number, key;
	enum err e = store_cursor_open(t, TABLE_AGES, &cursor);
	if (e)
		return e;
	e = store_cursor_seek(cursor, NULL, 0, &number, &key);
	if (!e && key.size != KEY_BYTES)
		e = ERR_CORRUPT;
	if (!e)
		memcpy(ret_key, key.data, KEY_BYTES);
	store_cursor_close(cursor);
	return e;
}

static enum err oldest_remove(struct store_txn *t, Freeal__KeptRecord *totals)
{
	unsigned char key[KEY_BYTES];
	Freeal__ReplyRecord *reply = NULL;
	enum err e = oldest_find(t, key);
	if (!e)
		e = kept_get(t, key, sizeof key, &reply);
	if (!e)
		e = reply_remove(t, totals, key, reply);
	frame_message_free(reply);
	/* There is one, or the totals are wrong. */
	return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

/* Each reply that is put is at most so large, so that few others have to go for it. */
static enum err room_make(struct store_txn *t, Freeal__KeptRecord *totals, uint64_t bytes)
{
	enum err e = ERR_OK;
	while (!e && totals->count > 0 && totals->bytes + bytes > totals->bytes_max)
		e = oldest_remove(t, totals);
	return e;
}

enum err kept_load(struct store_txn *t, uint64_t bytes_max, Freeal__KeptRecord *ret_totals)
{
	Freeal__KeptRecord totals = FREEAL__KEPT_RECORD__INIT, *stored = NULL;
	enum err e = meta_get(t, "kept", &freeal__kept_record__descriptor, &stored);
	if (!e) {
		totals.count = stored->count;
		totals.bytes = stored->bytes;
		totals.bytes_max = stored->bytes_max;
		totals.next = stored->next;
	}
	frame_message_free(stored);
	if (bytes_max)
		totals.bytes_max = bytes_max;
	if (!e || e == ERR_NOT_FOUND)
		e = room_make(t, &totals, 0);
	if (!e)
		e = totals_put(t, &totals);
	if (!e)
		*ret_totals = totals;
	return e;
}

/* Whether the reply that is there stays; if not, it is gone. */
static enum err known_settle(struct store_txn *t, Freeal__KeptRecord *totals,
			     const Freeal__KeptReply *reply, bool replace, bool *ret_stays)
{
	Freeal__ReplyRecord *known = NULL;
	enum err e = kept_get(t, reply->key.data, reply->key.len, &known);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	/* One that was only sent again is the same. */
	*ret_stays = !replace || (known->body.len == reply->body.len &&
				  memcmp(known->body.data, reply->body.data, reply->body.len) == 0);
	if (!*ret_stays)
		e = reply_remove(t, totals, reply->key.data, known);
	frame_message_free(known);
	return e;
}

enum err kept_put(struct store_txn *t, Freeal__KeptRecord *totals, const Freeal__KeptReply *reply,
		  bool replace)
{
	uint64_t bytes = reply_bytes(reply->body.len);
	bool stays = false;
	if (reply->key.len != KEY_BYTES || reply->body.len == 0 ||
	    reply->body.len > KEPT_REPLY_BYTES_MAX || bytes > totals->bytes_max)
		return ERR_OK;
	enum err e = known_settle(t, totals, reply, replace, &stays);
	if (e || stays)
		return e;
	e = room_make(t, totals, bytes);
	Freeal__ReplyRecord record = FREEAL__REPLY_RECORD__INIT;
	record.number = totals->next;
	record.body = reply->body;
	struct store_key number = store_key_u64(record.number);
	if (!e)
		e = table_put_bytes(t, TABLE_REPLIES, reply->key.data, reply->key.len,
				    &record.base);
	if (!e)
		e = store_put(t, TABLE_AGES, number.bytes, number.size, reply->key.data,
			      reply->key.len);
	if (e)
		return e;
	totals->next++;
	totals->count++;
	totals->bytes += bytes;
	return totals_put(t, totals);
}

enum err kept_get(struct store_txn *t, const void *key, size_t size,
		  Freeal__ReplyRecord **ret_reply)
{
	if (size != KEY_BYTES)
		return ERR_NOT_FOUND;
	return table_get_bytes(t, TABLE_REPLIES, key, size, &freeal__reply_record__descriptor,
			       ret_reply);
}

enum err kept_clear(struct store_txn *t, Freeal__KeptRecord *totals)
{
	enum err e = store_clear(t, TABLE_REPLIES);
	if (!e)
		e = store_clear(t, TABLE_AGES);
	if (e)
		return e;
	totals->count = 0;
	totals->bytes = 0;
	return totals_put(t, totals);
}
