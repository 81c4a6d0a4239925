#include "coordinator/kept_view.h"

#include "coordinator/kept.h"
#include "llm/key.h"
#include "llm/reply.h"
#include "wire/frame.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>

struct kept_view {
	struct store *store;
	uint64_t next; /* number */
};

struct kept_view *kept_view_new(struct store *store)
{
	struct kept_view *v = calloc(1, sizeof *v);
	if (v)
		v->store = store;
	return v;
}

void kept_view_free(struct kept_view *v)
{
	free(v);
}

static void line_add(const unsigned char *key, const Freeal__ReplyRecord *record, struct buf *out)
{
	char hex[2 * KEY_BYTES + 1];
	struct reply reply;
	(void)sodium_bin2hex(hex, sizeof hex, key, KEY_BYTES);
	reply_parse((const char *)record->body.data, record->body.len, &reply);
	const char *model = json_string_value(json_object_get(reply.root, "model"));
	json_t *json = json_pack("{s:I, s:s, s:I, s:s?}", "number", (json_int_t)record->number,
				 "key", hex, "bytes", (json_int_t)record->body.len, "model", model);
	(void)json_object_set_new(json, "answer",
				  reply.content ? json_stringn(reply.content, reply.content_size)
						: json_null());
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	reply_done(&reply);
	if (text) {
		buf_add_str(out, text);
		buf_add_char(out, '\n');
	} else {
		out->error = ERR_NO_MEMORY;
	}
	free(text);
}

/* The first reply whose number is at least v->next. */
static enum err reply_find(struct kept_view *v, struct store_txn *t, struct store_value *ret_key,
			   Freeal__ReplyRecord **ret_record)
{
	struct store_cursor *cursor;
	struct store_value number;
	struct store_key from = store_key_u64(v->next);
	enum err e = store_cursor_open(t, TABLE_AGES, &cursor);
	if (e)
		return e;
	e = store_cursor_seek(cursor, from.bytes, from.size, &number, ret_key);
	store_cursor_close(cursor);
	if (e)
		return e;
	v->next = store_key_read_u64(&number, 0) + 1;
	e = kept_get(t, ret_key->data, ret_key->size, ret_record);
	return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

enum err kept_view_next(struct kept_view *v, struct buf *out)
{
	struct store_txn *t;
	struct store_value key;
	Freeal__ReplyRecord *record = NULL;
	enum err e = store_begin(v->store, false, &t);
	if (e)
		return e;
	e = reply_find(v, t, &key, &record);
	if (!e)
		line_add(key.data, record, out);
	frame_message_free(record);
	store_abort(t);
	return e;
}
