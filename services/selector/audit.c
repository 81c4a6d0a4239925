#include "selector/audit.h"

#include "proto/stream.pb-c.h"
#include "selector/history.h"
#include "selector/history_impl.h"
#include "store/audit.h"
#include "wire/frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct run {
	struct audit audit;
	struct store_txn *txn;
	uint64_t streams, rows;
};

static bool probability(float p)
{
	return p >= 0.0f && p <= 1.0f; /* false for what is no number */
}

/* Rows come by ascending sample over all chunks of a stream. */
static bool selection_read(struct run *r, const struct store_value *value, uint64_t *next)
{
	Freeal__SelectionChunk *chunk =
	    frame_message_unpack(&freeal__selection_chunk__descriptor, value->data, value->size);
	bool good = chunk != NULL;
	for (size_t i = 0; good && i < chunk->n_rows; i++) {
		const Freeal__SelectionRow *row = chunk->rows[i];
		good = row->sample_no >= *next && row->slm_label >= 0 &&
		       probability(row->clean_probability) && probability(row->confidence);
		*next = row->sample_no + 1;
		r->rows++;
	}
	frame_message_free(chunk);
	return good;
}

static bool nearest_read(struct run *r, const struct store_value *value, uint64_t *next)
{
	Freeal__NearestChunk *chunk =
	    frame_message_unpack(&freeal__nearest_chunk__descriptor, value->data, value->size);
	bool good = chunk != NULL;
	for (size_t i = 0; good && i < chunk->n_rows; i++) {
		good = chunk->rows[i]->sample_no >= *next;
		*next = chunk->rows[i]->sample_no + 1;
		r->rows++;
	}
	frame_message_free(chunk);
	return good;
}

/* A stream that is said to be whole has all its chunks, and each can be read. */
static enum err rows_check(struct run *r, enum history_table table, uint32_t part, uint64_t count)
{
	const char *name = history_table_names[table];
	uint64_t next = 0;
	for (uint64_t seq = 0; seq < count; seq++) {
		struct store_key key = store_key_u32_u64(part, seq);
		struct store_value value;
		enum err e = store_get(r->txn, table, key.bytes, key.size, &value);
		if (e && e != ERR_NOT_FOUND)
			return e;
		if (e)
			audit_fail(&r->audit, 4, "%s/%u has %llu chunks, number %llu is missing",
				   name, part, (unsigned long long)count, (unsigned long long)seq);
		else if (table == TABLE_NEAREST ? !nearest_read(r, &value, &next)
						: !selection_read(r, &value, &next))
			audit_fail(&r->audit, 4, "%s/%u, chunk %llu is malformed", name, part,
				   (unsigned long long)seq);
	}
	return ERR_OK;
}

static enum err stream_check(struct run *r, const char *name, uint64_t count)
{
	uint32_t round, fold;
	int end = 0;
	r->streams++;
	for (int table = TABLE_SELECTION; table <= TABLE_CLEAN; table++) {
		size_t size = strlen(history_table_names[table]);
		if (strncmp(name, history_table_names[table], size) == 0 &&
		    sscanf(name + size, "/%9u%n", &round, &end) == 1 && !name[size + (size_t)end])
			return rows_check(r, (enum history_table)table, round, count);
	}
	if (sscanf(name, "oof/%9u/%9u%n", &round, &fold, &end) != 2 || name[end])
		audit_fail(&r->audit, 4, "there is a stream \"%s\"", name);
	return ERR_OK;
}

/* I4: what was decided is there whole or not at all. */
static enum err streams_check(struct run *r)
{
	struct store_cursor *cursor;
	struct store_value key, value;
	char name[64];
	enum err e = store_cursor_open(r->txn, TABLE_META, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, NULL, 0, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value)) {
		uint64_t count;
		if (key.size == 7 && memcmp(key.data, "project", 7) == 0)
			continue;
		if (value.size != sizeof count || key.size >= sizeof name) {
			audit_fail(&r->audit, 4, "the mark of a whole stream is malformed");
			continue;
		}
		memcpy(&count, value.data, sizeof count);
		(void)snprintf(name, sizeof name, "%.*s", (int)key.size, (const char *)key.data);
		e = stream_check(r, name, count);
		if (e)
			break;
	}
	store_cursor_close(cursor);
	audit_note(&r->audit, 4, "%llu streams, %llu rows", (unsigned long long)r->streams,
		   (unsigned long long)r->rows);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static bool block_good(const struct store_value *value, uint64_t *rows)
{
	struct vectors_head head;
	if (value->size < sizeof head)
		return false;
	memcpy(&head, value->data, sizeof head);
	size_t floats = (size_t)head.rows * head.dimensions;
	if (head.rows == 0 || head.rows > HISTORY_VECTOR_ROWS || head.dimensions == 0 ||
	    head.dimensions > HISTORY_DIMENSIONS_MAX ||
	    value->size != sizeof head + floats * sizeof(float))
		return false;
	for (size_t i = 0; i < floats; i++) {
		float x;
		memcpy(&x, (const char *)value->data + sizeof head + i * sizeof x, sizeof x);
		if (!isfinite(x))
			return false;
	}
	*rows += head.rows;
	return true;
}

/* I1: embeddings without gaps; only the last block of a vocabulary may be short. */
static enum err vectors_check(struct run *r)
{
	struct store_cursor *cursor;
	struct store_value key, value;
	uint64_t vocabulary = 0, block = 0, rows = 0;
	enum err e = store_cursor_open(r->txn, TABLE_VECTORS, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, NULL, 0, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value), block++) {
		if (store_key_read_u64(&key, 0) != vocabulary)
			block = rows = 0;
		vocabulary = store_key_read_u64(&key, 0);
		uint64_t before = rows, number = store_key_read_u64(&key, 8);
		if (number != block || before != block * HISTORY_VECTOR_ROWS)
			audit_fail(&r->audit, 1, "embeddings are missing before sample %llu",
				   (unsigned long long)number * HISTORY_VECTOR_ROWS);
		if (!block_good(&value, &rows))
			audit_fail(&r->audit, 1, "the embeddings from sample %llu are malformed",
				   (unsigned long long)number * HISTORY_VECTOR_ROWS);
		/* Each gap is told once. */
		block = number;
		rows = before == number * HISTORY_VECTOR_ROWS ? rows
							      : (number + 1) * HISTORY_VECTOR_ROWS;
	}
	store_cursor_close(cursor);
	audit_note(&r->audit, 1, "%llu embeddings", (unsigned long long)rows);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err selector_audit(const char *data, FILE *out, bool *ret_good, struct err_msg *msg)
{
	struct run r = {.txn = NULL};
	struct store *store;
	audit_init(&r.audit);
	enum err e = store_open_stopped(data, history_table_names, TABLE_COUNT, &store, msg);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_INVALID : e;
	e = store_begin(store, false, &r.txn);
	if (!e && !audit_records(&r.audit, r.txn, history_table_names, TABLE_COUNT)) {
		e = vectors_check(&r);
		if (!e)
			e = streams_check(&r);
	}
	if (!e)
		*ret_good = audit_print(&r.audit, out);
	else
		(void)err_set(msg, e, "%s: cannot be read to its end: %s", data, err_str(e));
	store_abort(r.txn);
	store_close(store);
	return e;
}
