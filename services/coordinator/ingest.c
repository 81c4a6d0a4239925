#include "coordinator/ingest.h"

#include "base/limits.h"
#include "coordinator/tables.h"
#include "proto/ingest.pb-c.h"
#include "text/utf8.h"
#include "wire/frame.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REJECTIONS_MAX (64u << 10) /* told in a reply; more are counted */
#define REJECTION_BYTES_MAX 128u
#define INGEST_ID_BYTES 16

/* Strings are the batch's. */
struct ingest_row {
	size_t line; /* in the body, from 1 */
	const char *id;
	size_t id_bytes;
	const char *text;
	size_t text_bytes;
	const char *augmented; /* NULL: none */
	size_t augmented_bytes;
	int32_t gold; /* -1: none */
};

struct ingest_batch {
	struct ingest_row *rows;
	size_t row_count, row_capacity;
	size_t next; /* first row that is not put yet */
	uint64_t accepted, duplicates;
	uint64_t recalled; /* of the duplicates: accepted when the batch came before */
	bool recall_due;
	size_t rejected;
	struct buf rejections;	     /* JSON objects {"line", "reason"}, comma-separated */
	char *strings;		     /* of JSON lines: never longer than the body */
	size_t strings_used;	     /* bytes */
	Freeal__SampleBatch *packed; /* what rows point into, else */
};

static void row_reject(struct ingest_batch *b, size_t line, const char *reason)
{
	/* Reasons are our own words: nothing to escape. */
	if (b->rejected < REJECTIONS_MAX)
		buf_printf(&b->rejections, "%s{\"line\":%zu,\"reason\":\"%s\"}",
			   b->rejected ? "," : "", line, reason);
	b->rejected++;
}

static struct ingest_batch *batch_new(size_t strings_bytes)
{
	struct ingest_batch *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->recall_due = true;
	buf_init(&b->rejections, REJECTIONS_MAX * REJECTION_BYTES_MAX);
	if (strings_bytes && !(b->strings = malloc(strings_bytes))) {
		free(b);
		return NULL;
	}
	return b;
}

void ingest_batch_free(struct ingest_batch *b)
{
	if (!b)
		return;
	free(b->rows);
	free(b->strings);
	frame_message_free(b->packed);
	buf_done(&b->rejections);
	free(b);
}

static bool rows_reserve(struct ingest_batch *b, size_t capacity)
{
	if (capacity <= b->row_capacity)
		return true;
	struct ingest_row *rows = realloc(b->rows, capacity * sizeof *rows);
	if (!rows)
		return false;
	b->rows = rows;
	b->row_capacity = capacity;
	return true;
}

/* What is wrong with a row of known sizes; NULL: nothing. */
static const char *row_fault(const struct ingest_row *r)
{
	if (r->id_bytes == 0 || r->id_bytes > ID_BYTES_MAX)
		return "id must be a string of 1 to 256 bytes";
	if (r->text_bytes == 0 || r->text_bytes > SAMPLE_BYTES_MAX)
		return "text must be a non-empty string of at most 1 MiB";
	if (r->augmented && (r->augmented_bytes == 0 || r->augmented_bytes > SAMPLE_BYTES_MAX))
		return "augmented must be a non-empty string of at most 1 MiB";
	return NULL;
}

/* A copy of a string member, NULL where there is none; false: it is no string. */
static bool member_copy(struct ingest_batch *b, const json_t *object, const char *name,
			const char **ret_text, size_t *ret_bytes)
{
	const json_t *v = json_object_get(object, name);
	*ret_text = NULL;
	*ret_bytes = 0;
	if (!v || json_is_null(v))
		return true;
	if (!json_is_string(v))
		return false;
	char *copy = b->strings + b->strings_used;
	*ret_bytes = json_string_length(v);
	memcpy(copy, json_string_value(v), *ret_bytes);
	b->strings_used += *ret_bytes;
	*ret_text = copy;
	return true;
}

static const char *row_read(struct ingest_batch *b, const json_t *object, uint32_t label_count,
			    struct ingest_row *r)
{
	if (!json_is_object(object))
		return "not a JSON object";
	if (!member_copy(b, object, "id", &r->id, &r->id_bytes))
		return "id must be a string of 1 to 256 bytes";
	if (!member_copy(b, object, "text", &r->text, &r->text_bytes))
		return "text must be a non-empty string of at most 1 MiB";
	if (!member_copy(b, object, "augmented", &r->augmented, &r->augmented_bytes))
		return "augmented must be a non-empty string of at most 1 MiB";
	const json_t *gold = json_object_get(object, "gold");
	r->gold = -1;
	if (gold && !json_is_null(gold)) {
		if (!json_is_integer(gold) || json_integer_value(gold) < 0 ||
		    json_integer_value(gold) >= label_count)
			return "gold must be a class id";
		r->gold = (int32_t)json_integer_value(gold);
	}
	return row_fault(r);
}

static void line_add(struct ingest_batch *b, size_t line, const char *text, size_t size,
		     uint32_t label_count)
{
	struct ingest_row r = {.line = line};
	size_t strings_used = b->strings_used;
	json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	const char *reason = object ? row_read(b, object, label_count, &r) : "not valid JSON";
	json_decref(object);
	if (!reason && b->row_count == b->row_capacity &&
	    !rows_reserve(b, b->row_capacity ? 2 * b->row_capacity : 256))
		reason = "out of memory";
	if (reason) {
		b->strings_used = strings_used;
		row_reject(b, line, reason);
		return;
	}
	b->rows[b->row_count++] = r;
}

struct ingest_batch *ingest_parse(const char *body, size_t body_bytes, uint32_t label_count)
{
	struct ingest_batch *b = batch_new(body_bytes);
	size_t line = 0;
	for (const char *at = body, *end = body + body_bytes; b && at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((stop ? stop : end) - at);
		line++;
		if (size > 0)
			line_add(b, line, at, size, label_count);
		at += size + 1;
	}
	return b;
}

/* Takes the next bytes of the data; false: there are not so many. */
static bool data_take(const ProtobufCBinaryData *data, size_t *at, size_t size,
		      const char **ret_text)
{
	if (size > data->len - *at)
		return false;
	*ret_text = (const char *)data->data + *at;
	*at += size;
	return true;
}

static bool row_is_utf8(const struct ingest_row *r)
{
	return utf8_is_valid(r->id, r->id_bytes) && utf8_is_valid(r->text, r->text_bytes) &&
	       utf8_is_valid(r->augmented, r->augmented_bytes);
}

static enum err packed_rows(struct ingest_batch *b, uint32_t label_count)
{
	const Freeal__SampleBatch *p = b->packed;
	size_t at = 0;
	for (size_t i = 0; i < p->n_id_bytes; i++) {
		uint32_t gold = p->n_golds ? p->golds[i] : 0;
		struct ingest_row r = {
		    .line = i + 1,
		    .id_bytes = p->id_bytes[i],
		    .text_bytes = p->text_bytes[i],
		    .augmented_bytes = p->n_augmented_bytes ? p->augmented_bytes[i] : 0,
		    .gold = (int32_t)gold - 1,
		};
		if (!data_take(&p->data, &at, r.id_bytes, &r.id) ||
		    !data_take(&p->data, &at, r.text_bytes, &r.text) ||
		    !data_take(&p->data, &at, r.augmented_bytes, &r.augmented))
			return ERR_INVALID;
		if (!r.augmented_bytes)
			r.augmented = NULL;
		const char *reason = row_fault(&r);
		if (!reason && gold > label_count)
			reason = "gold must be a class id";
		if (!reason && !row_is_utf8(&r))
			reason = "not valid UTF-8";
		if (reason)
			row_reject(b, r.line, reason);
		else
			b->rows[b->row_count++] = r;
	}
	return at == p->data.len ? ERR_OK : ERR_INVALID;
}

enum err ingest_unpack(const void *body, size_t body_bytes, uint32_t label_count,
		       struct ingest_batch **ret_batch)
{
	struct ingest_batch *b = batch_new(0);
	if (!b)
		return ERR_NO_MEMORY;
	b->packed = frame_message_unpack(&freeal__sample_batch__descriptor, body, body_bytes);
	const Freeal__SampleBatch *p = b->packed;
	enum err e = p && p->n_text_bytes == p->n_id_bytes &&
			     (!p->n_augmented_bytes || p->n_augmented_bytes == p->n_id_bytes) &&
			     (!p->n_golds || p->n_golds == p->n_id_bytes)
			 ? ERR_OK
			 : ERR_INVALID;
	if (!e && p->n_id_bytes && !rows_reserve(b, p->n_id_bytes))
		e = ERR_NO_MEMORY;
	if (!e)
		e = packed_rows(b, label_count);
	if (e) {
		ingest_batch_free(b);
		return e;
	}
	*ret_batch = b;
	return ERR_OK;
}

/* Is the stored sample's text the same? */
static enum err row_compare(struct store_txn *txn, const struct ingest_row *r,
			    const struct store_value *number, bool *ret_same)
{
	Freeal__SampleRecord *old;
	if (number->size != 8)
		return ERR_CORRUPT;
	enum err e = table_get(txn, TABLE_SAMPLES, store_key_u64(store_key_read_u64(number, 0)),
			       &freeal__sample_record__descriptor, &old);
	if (e)
		return e;
	*ret_same =
	    old->text.len == r->text_bytes && memcmp(old->text.data, r->text, r->text_bytes) == 0;
	frame_message_free(old);
	return ERR_OK;
}

static enum err row_put(struct store_txn *txn, const struct ingest_row *r, uint64_t sample_no)
{
	struct store_key key = store_key_u64(sample_no);
	Freeal__SampleRecord record = FREEAL__SAMPLE_RECORD__INIT;
	record.id = (ProtobufCBinaryData){r->id_bytes, (uint8_t *)r->id};
	record.text = (ProtobufCBinaryData){r->text_bytes, (uint8_t *)r->text};
	record.augmented = (ProtobufCBinaryData){r->augmented_bytes, (uint8_t *)r->augmented};
	enum err e = table_put(txn, TABLE_SAMPLES, key, &record.base);
	if (!e)
		e = store_put(txn, TABLE_IDS, r->id, r->id_bytes, key.bytes, key.size);
	if (!e && r->gold >= 0) {
		struct store_key gold = store_key_u64((uint64_t)r->gold);
		e = store_put(txn, TABLE_GOLD, key.bytes, key.size, gold.bytes, gold.size);
	}
	return e;
}

/* Its place among those that are remembered; false: it has none. */
static bool batch_name(const struct ingest_batch *b, char ret_name[16])
{
	const ProtobufCBinaryData *id = b->packed ? &b->packed->batch_id : NULL;
	if (!id || id->len != INGEST_ID_BYTES)
		return false;
	(void)snprintf(ret_name, 16, "ingest/%02x%x", id->data[0], id->data[1] >> 4);
	return true;
}

/* Has the batch come before? Its reply may have been lost with the connection. */
static enum err batch_recall(struct store_txn *txn, struct ingest_batch *b)
{
	char name[16];
	Freeal__IngestRecord *record;
	if (!b->recall_due || !batch_name(b, name))
		return ERR_OK;
	b->recall_due = false;
	enum err e = meta_get(txn, name, &freeal__ingest_record__descriptor, &record);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	const ProtobufCBinaryData *id = &b->packed->batch_id;
	if (record->batch_id.len == id->len &&
	    memcmp(record->batch_id.data, id->data, id->len) == 0)
		b->recalled = record->accepted;
	frame_message_free(record);
	return ERR_OK;
}

static enum err batch_remember(struct store_txn *txn, const struct ingest_batch *b)
{
	char name[16];
	if (!batch_name(b, name))
		return ERR_OK;
	Freeal__IngestRecord record = FREEAL__INGEST_RECORD__INIT;
	record.batch_id = b->packed->batch_id;
	record.accepted = b->recalled + b->accepted;
	return meta_put(txn, name, &record.base);
}

enum err ingest_put(struct store_txn *txn, struct ingest_batch *b, size_t rows_max,
		    uint64_t *sample_count)
{
	size_t left = b->row_count - b->next;
	enum err recall = batch_recall(txn, b);
	if (recall)
		return recall;
	for (size_t n = left < rows_max ? left : rows_max; n > 0; n--) {
		const struct ingest_row *r = &b->rows[b->next++];
		struct store_value number;
		enum err e = store_get(txn, TABLE_IDS, r->id, r->id_bytes, &number);
		if (e == ERR_NOT_FOUND) {
			e = row_put(txn, r, *sample_count);
			if (!e) {
				++*sample_count;
				b->accepted++;
			}
		} else if (!e) {
			bool same;
			e = row_compare(txn, r, &number, &same);
			if (!e && same)
				b->duplicates++;
			else if (!e)
				row_reject(b, r->line, "the id is there with another text");
		}
		if (e)
			return e;
	}
	return batch_remember(txn, b);
}

bool ingest_is_done(const struct ingest_batch *b)
{
	return b->next == b->row_count;
}

void ingest_reply(const struct ingest_batch *b, struct buf *ret_json)
{
	uint64_t recalled = b->recalled < b->duplicates ? b->recalled : b->duplicates;
	buf_printf(ret_json, "{\"accepted\":%llu,\"duplicates\":%llu,\"rejected\":[",
		   (unsigned long long)(b->accepted + recalled),
		   (unsigned long long)(b->duplicates - recalled));
	buf_add(ret_json, buf_str(&b->rejections), b->rejections.size);
	buf_add_str(ret_json, "]");
	if (b->rejected > REJECTIONS_MAX)
		buf_printf(ret_json, ",\"rejected_more\":%zu", b->rejected - REJECTIONS_MAX);
	buf_add_str(ret_json, "}\n");
}
