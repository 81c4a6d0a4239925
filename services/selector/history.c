#include "base/crash.h"
#include "selector/history_impl.h"
#include "selector/oof.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_GIB 256

const char *const history_table_names[TABLE_COUNT] = {
    "meta", "oof", "vectors", "pool_vectors", "pools", "selection", "nearest", "clean",
};

enum err history_open(const char *dir, struct history **ret_history, struct err_msg *msg)
{
	struct history *h = calloc(1, sizeof *h);
	if (!h)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the history");
	enum err e = store_open(dir, history_table_names, TABLE_COUNT, MAP_GIB, &h->store, msg);
	if (e) {
		free(h);
		return e;
	}
	*ret_history = h;
	return ERR_OK;
}

void history_close(struct history *h)
{
	if (!h)
		return;
	store_abort(h->txn);
	store_close(h->store);
	free(h);
}

enum err history_commit(struct history *h)
{
	if (!h->txn)
		return ERR_OK;
	struct store_txn *txn = h->txn;
	h->txn = NULL;
	crash_point("history_commit");
	return store_commit(txn);
}

enum err history_write_begin(struct history *h)
{
	return h->txn ? ERR_OK : store_begin(h->store, true, &h->txn);
}

struct store_key history_oof_key(uint32_t round, uint32_t fold, uint64_t seq)
{
	return store_key_u64_u32_u32((uint64_t)round << 32 | fold, (uint32_t)(seq >> 32),
				     (uint32_t)seq);
}

static void oof_name(char *name, size_t size, uint32_t round, uint32_t fold)
{
	(void)snprintf(name, size, "oof/%u/%u", round, fold);
}

static enum history_table rows_table(enum history_rows rows)
{
	static const enum history_table tables[] = {TABLE_SELECTION, TABLE_NEAREST, TABLE_CLEAN};
	return tables[rows];
}

static void rows_name(char *name, size_t size, enum history_rows rows, uint32_t part)
{
	(void)snprintf(name, size, "%s/%u", history_table_names[rows_table(rows)], part);
}

static enum err meta_put(struct history *h, const char *name, uint64_t count)
{
	return store_put(h->txn, TABLE_META, name, strlen(name), &count, sizeof count);
}

static enum err meta_get(struct store_txn *t, const char *name, uint64_t *ret_count)
{
	struct store_value value;
	enum err e = store_get(t, TABLE_META, name, strlen(name), &value);
	if (e)
		return e;
	if (value.size != sizeof *ret_count)
		return ERR_CORRUPT;
	memcpy(ret_count, value.data, sizeof *ret_count);
	return ERR_OK;
}

enum err history_project_set(struct history *h, const void *id, size_t id_bytes, bool *ret_wiped)
{
	struct store_value value;
	enum err e = history_write_begin(h);
	if (e)
		return e;
	e = store_get(h->txn, TABLE_META, "project", 7, &value);
	if (e && e != ERR_NOT_FOUND)
		return e;
	bool other = !e && (value.size != id_bytes || memcmp(value.data, id, id_bytes) != 0);
	e = ERR_OK;
	for (enum history_table table = 0; other && !e && table < TABLE_COUNT; table++)
		e = store_clear(h->txn, table);
	if (!e)
		e = store_put(h->txn, TABLE_META, "project", 7, id, id_bytes);
	if (!e)
		e = history_commit(h);
	*ret_wiped = other;
	return e;
}

/* Deletes the entries from `from` on up to, not with, the first key >= `to`. */
enum err history_range_delete(struct store_txn *t, enum history_table table, struct store_key from,
			      const struct store_key *to)
{
	for (;;) {
		struct store_cursor *cursor;
		struct store_value key, value;
		unsigned char found[sizeof from.bytes];
		size_t found_size = 0;
		enum err e = store_cursor_open(t, table, &cursor);
		if (e)
			return e;
		e = store_cursor_seek(cursor, from.bytes, from.size, &key, &value);
		if (!e && key.size == to->size && memcmp(key.data, to->bytes, to->size) < 0) {
			found_size = key.size;
			memcpy(found, key.data, found_size);
		}
		store_cursor_close(cursor);
		if (e == ERR_NOT_FOUND || (!e && !found_size))
			return ERR_OK;
		if (!e)
			e = store_delete(t, table, found, found_size);
		if (e)
			return e;
	}
}

enum err history_oof_begin(struct history *h, uint32_t round, uint32_t fold)
{
	char name[64];
	struct store_key to = history_oof_key(round, fold, UINT64_MAX);
	enum err e = history_write_begin(h);
	oof_name(name, sizeof name, round, fold);
	if (!e)
		e = store_delete(h->txn, TABLE_META, name, strlen(name));
	if (!e)
		e = history_range_delete(h->txn, TABLE_OOF, history_oof_key(round, fold, 0), &to);
	return e;
}

enum err history_oof_put(struct history *h, uint32_t round, uint32_t fold, uint64_t seq,
			 const Freeal__OofChunk *chunk)
{
	struct store_key key = history_oof_key(round, fold, seq);
	size_t size = oof_chunk_bytes(chunk);
	void *data = malloc(size);
	if (!data)
		return ERR_NO_MEMORY;
	oof_chunk_write(chunk, data);
	enum err e = history_write_begin(h);
	if (!e)
		e = store_put(h->txn, TABLE_OOF, key.bytes, key.size, data, size);
	free(data);
	return e;
}

enum err history_oof_end(struct history *h, uint32_t round, uint32_t fold)
{
	char name[64];
	oof_name(name, sizeof name, round, fold);
	enum err e = history_write_begin(h);
	return e ? e : meta_put(h, name, 1);
}

enum err history_oof_prune(struct history *h, uint32_t round)
{
	struct store_key to = history_oof_key(round, 0, 0);
	enum err e = history_write_begin(h);
	return e ? e : history_range_delete(h->txn, TABLE_OOF, history_oof_key(0, 0, 0), &to);
}

/* Without the texts, which are not needed here and may be long. */
enum err history_pool_put(struct history *h, const Freeal__Pool *pool)
{
	size_t n = pool->n_demonstrations;
	Freeal__Demonstration *items = calloc(n + 1, sizeof *items);
	Freeal__Demonstration **list = calloc(n + 1, sizeof *list);
	Freeal__Pool bare = FREEAL__POOL__INIT;
	enum err e = items && list ? history_write_begin(h) : ERR_NO_MEMORY;
	for (size_t i = 0; !e && i < n; i++) {
		freeal__demonstration__init(&items[i]);
		items[i].class_id = pool->demonstrations[i]->class_id;
		items[i].generated = pool->demonstrations[i]->generated;
		items[i].sample_no = pool->demonstrations[i]->sample_no;
		list[i] = &items[i];
	}
	bare.version = pool->version;
	bare.demonstrations = list;
	bare.n_demonstrations = n;
	size_t size = freeal__pool__get_packed_size(&bare);
	uint8_t *data = e ? NULL : malloc(size + 1);
	if (!e && !data)
		e = ERR_NO_MEMORY;
	if (!e) {
		struct store_key key = store_key_u64(pool->version);
		(void)freeal__pool__pack(&bare, data);
		e = store_put(h->txn, TABLE_POOLS, key.bytes, key.size, data, size);
	}
	free(data);
	free(items);
	free(list);
	return e;
}

enum err history_rows_begin(struct history *h, enum history_rows rows, uint32_t part)
{
	char name[64];
	struct store_key to = store_key_u32_u64(part, UINT64_MAX);
	enum err e = history_write_begin(h);
	rows_name(name, sizeof name, rows, part);
	if (!e)
		e = store_delete(h->txn, TABLE_META, name, strlen(name));
	if (!e)
		e = history_range_delete(h->txn, rows_table(rows),
					 store_key_u32_u64(rows == HISTORY_CLEAN ? 0 : part, 0),
					 &to);
	return e;
}

enum err history_rows_put(struct history *h, enum history_rows rows, uint32_t part, uint64_t seq,
			  const void *data, size_t size)
{
	struct store_key key = store_key_u32_u64(part, seq);
	enum err e = history_write_begin(h);
	return e ? e : store_put(h->txn, rows_table(rows), key.bytes, key.size, data, size);
}

enum err history_rows_end(struct history *h, enum history_rows rows, uint32_t part,
			  uint64_t chunk_count)
{
	char name[64];
	rows_name(name, sizeof name, rows, part);
	enum err e = history_write_begin(h);
	return e ? e : meta_put(h, name, chunk_count);
}

enum err history_rows_get(struct history *h, enum history_rows rows, uint32_t part, uint64_t seq,
			  struct buf *out, bool *ret_last)
{
	char name[64];
	struct store_key key = store_key_u32_u64(part, seq);
	struct store_txn *t;
	struct store_value value;
	uint64_t count = 0;
	enum err e = store_begin(h->store, false, &t);
	if (e)
		return e;
	rows_name(name, sizeof name, rows, part);
	e = meta_get(t, name, &count);
	if (!e)
		e = store_get(t, rows_table(rows), key.bytes, key.size, &value);
	if (!e) {
		buf_add(out, value.data, value.size);
		e = buf_error(out);
	}
	store_abort(t);
	if (!e)
		*ret_last = seq + 1 >= count;
	return e;
}

enum err history_pool_get(struct history *h, uint64_t version, Freeal__Pool **ret_pool)
{
	struct store_txn *t;
	struct store_key key = store_key_u64(version);
	struct store_value value;
	enum err e = store_begin(h->store, false, &t);
	if (e)
		return e;
	e = store_get(t, TABLE_POOLS, key.bytes, key.size, &value);
	if (!e) {
		Freeal__Pool *pool =
		    frame_message_unpack(&freeal__pool__descriptor, value.data, value.size);
		if (pool)
			*ret_pool = pool;
		else
			e = ERR_CORRUPT;
	}
	store_abort(t);
	return e;
}

bool history_oof_complete(struct history *h, uint32_t round, uint32_t fold)
{
	char name[64];
	uint64_t count;
	struct store_txn *t;
	oof_name(name, sizeof name, round, fold);
	if (store_begin(h->store, false, &t) != ERR_OK)
		return false;
	bool complete = meta_get(t, name, &count) == ERR_OK;
	store_abort(t);
	return complete;
}

enum err history_oof_get(struct history *h, uint32_t round, uint32_t fold, uint64_t *seq,
			 struct buf *out)
{
	struct store_txn *t;
	struct store_cursor *cursor;
	struct store_key from = history_oof_key(round, fold, *seq);
	struct store_value key, value;
	enum err e = store_begin(h->store, false, &t);
	if (e)
		return e;
	e = store_cursor_open(t, TABLE_OOF, &cursor);
	if (!e) {
		e = store_cursor_seek(cursor, from.bytes, from.size, &key, &value);
		if (!e && store_key_read_u64(&key, 0) != ((uint64_t)round << 32 | fold))
			e = ERR_NOT_FOUND;
		if (!e) {
			*seq = (uint64_t)store_key_read_u32(&key, 8) << 32 |
			       store_key_read_u32(&key, 12);
			buf_add(out, value.data, value.size);
			e = buf_error(out);
		}
		store_cursor_close(cursor);
	}
	store_abort(t);
	return e;
}
