#include "coordinator/ingest.h"

#include "base/limits.h"
#include "coordinator/tables.h"
#include "wire/frame.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define REJECTIONS_BYTES_MAX (4u << 20)

static void row_reject(struct ingest_batch *b, size_t line, const char *reason)
{
	/* Reasons are our own words: nothing to escape. */
	buf_printf(&b->rejections, "%s{\"line\":%zu,\"reason\":\"%s\"}", b->rejected ? "," : "",
		   line, reason);
	b->rejected++;
}

/* A copy of a string member; false: it is there but not usable. */
static bool member_copy(const json_t *object, const char *name, size_t bytes_max, char **ret_text,
			size_t *ret_bytes)
{
	const json_t *v = json_object_get(object, name);
	*ret_text = NULL;
	*ret_bytes = 0;
	if (!v || json_is_null(v))
		return true;
	size_t size = json_string_length(v);
	if (!json_is_string(v) || size == 0 || size > bytes_max)
		return false;
	char *copy = malloc(size + 1);
	if (!copy)
		return false;
	memcpy(copy, json_string_value(v), size + 1);
	*ret_text = copy;
	*ret_bytes = size;
	return true;
}

static void row_done(struct ingest_row *r)
{
	free(r->id);
	free(r->text);
	free(r->augmented);
}

static const char *row_read(const json_t *object, uint32_t label_count, struct ingest_row *r)
{
	if (!json_is_object(object))
		return "not a JSON object";
	if (!member_copy(object, "id", ID_BYTES_MAX, &r->id, &r->id_bytes) || !r->id)
		return "id must be a string of 1 to 256 bytes";
	if (!member_copy(object, "text", SAMPLE_BYTES_MAX, &r->text, &r->text_bytes) || !r->text)
		return "text must be a non-empty string of at most 1 MiB";
	if (!member_copy(object, "augmented", SAMPLE_BYTES_MAX, &r->augmented, &r->augmented_bytes))
		return "augmented must be a non-empty string of at most 1 MiB";
	const json_t *gold = json_object_get(object, "gold");
	r->gold = -1;
	if (gold && !json_is_null(gold)) {
		if (!json_is_integer(gold) || json_integer_value(gold) < 0 ||
		    json_integer_value(gold) >= label_count)
			return "gold must be a class id";
		r->gold = (int32_t)json_integer_value(gold);
	}
	return NULL;
}

static bool batch_add(struct ingest_batch *b, const struct ingest_row *r)
{
	if (b->row_count == b->row_capacity) {
		size_t capacity = b->row_capacity ? 2 * b->row_capacity : 256;
		struct ingest_row *rows = realloc(b->rows, capacity * sizeof *rows);
		if (!rows)
			return false;
		b->rows = rows;
		b->row_capacity = capacity;
	}
	b->rows[b->row_count++] = *r;
	return true;
}

struct ingest_batch *ingest_parse(const char *body, size_t body_bytes, uint32_t label_count)
{
	struct ingest_batch *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	buf_init(&b->rejections, REJECTIONS_BYTES_MAX);
	size_t line = 0;
	for (const char *at = body, *end = body + body_bytes; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((stop ? stop : end) - at);
		line++;
		if (size > 0) {
			struct ingest_row r = {.line = line};
			json_t *object =
			    json_loadb(at, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
			const char *reason =
			    object ? row_read(object, label_count, &r) : "not valid JSON";
			json_decref(object);
			if (!reason && !batch_add(b, &r))
				reason = "out of memory";
			if (reason) {
				row_done(&r);
				row_reject(b, line, reason);
			}
		}
		at += size + 1;
	}
	return b;
}

void ingest_batch_free(struct ingest_batch *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->row_count; i++)
		row_done(&b->rows[i]);
	free(b->rows);
	buf_done(&b->rejections);
	free(b);
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

enum err ingest_put(struct store_txn *txn, struct ingest_batch *b, uint64_t *sample_count)
{
	for (size_t i = 0; i < b->row_count; i++) {
		const struct ingest_row *r = &b->rows[i];
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
	return ERR_OK;
}

void ingest_reply(const struct ingest_batch *b, struct buf *ret_json)
{
	buf_printf(ret_json, "{\"accepted\":%llu,\"duplicates\":%llu,\"rejected\":[",
		   (unsigned long long)b->accepted, (unsigned long long)b->duplicates);
	buf_add(ret_json, buf_str(&b->rejections), b->rejections.size);
	buf_add_str(ret_json, "]}\n");
}
