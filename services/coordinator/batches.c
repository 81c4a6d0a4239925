#include "coordinator/batches.h"

#include "base/rng.h"
#include "wire/frame.h"
#include "wire/work.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_COUNT 4096

/* A work under a note. */
struct cover {
	struct cover *next; /* in its bucket */
	uint32_t note, position;
	uint32_t attempt; /* its last lease's */
	bool free;	  /* nobody has it */
};

struct note {
	Freeal__BatchNote *message; /* NULL: no note here */
	uint64_t until_ms;	    /* its holder is waited for */
	struct cover *covers;	    /* by position of the names */
	size_t free_from;	    /* none is free before */
};

struct batches {
	struct note notes[BATCH_NOTES_MAX];
	uint32_t count;
	struct cover *buckets[BUCKET_COUNT];
};

struct batches *batches_new(void)
{
	return calloc(1, sizeof(struct batches));
}

static struct cover **bucket_of(const struct batches *b, const Freeal__WorkName *name)
{
	uint64_t hash = hash_mix(name->item, (uint64_t)name->kind << 48 ^
						 (uint64_t)name->round << 24 ^ name->slot);
	return (struct cover **)&b->buckets[hash % BUCKET_COUNT];
}

static const Freeal__WorkName *cover_name(const struct batches *b, const struct cover *c)
{
	return b->notes[c->note].message->names[c->position];
}

static struct cover *cover_find(const struct batches *b, const Freeal__WorkName *name)
{
	for (struct cover *c = *bucket_of(b, name); c; c = c->next)
		if (work_name_equal(cover_name(b, c), name))
			return c;
	return NULL;
}

static void note_drop(struct batches *b, uint32_t at)
{
	struct note *n = &b->notes[at];
	for (size_t i = 0; n->covers && i < n->message->n_names; i++) {
		struct cover **link = bucket_of(b, n->message->names[i]);
		while (*link && *link != &n->covers[i])
			link = &(*link)->next;
		if (*link)
			*link = n->covers[i].next;
	}
	b->count -= n->message != NULL;
	free(n->covers);
	frame_message_free(n->message);
	*n = (struct note){0};
}

void batches_free(struct batches *b)
{
	for (uint32_t i = 0; b && i < BATCH_NOTES_MAX; i++)
		note_drop(b, i);
	free(b);
}

static bool note_usable(const Freeal__BatchNote *m)
{
	if (m->token.len != BATCH_TOKEN_BYTES || m->n_names == 0 || m->n_names > BATCH_WORKS_MAX)
		return false;
	return m->n_keys == 0 || m->n_keys == m->n_names;
}

static int note_find(const struct batches *b, const void *token, size_t size)
{
	for (uint32_t i = 0; size == BATCH_TOKEN_BYTES && i < BATCH_NOTES_MAX; i++) {
		const Freeal__BatchNote *m = b->notes[i].message;
		if (m && memcmp(m->token.data, token, size) == 0)
			return (int)i;
	}
	return -1;
}

/* The first position without a note. */
static uint32_t note_room(const struct batches *b)
{
	uint32_t at = 0;
	while (at < BATCH_NOTES_MAX && b->notes[at].message)
		at++;
	return at;
}

/* Takes the message over on success. Of several notes that
 * cover a work, as when it is asked again before the first job is over, the newest counts. */
static enum err note_add(struct batches *b, Freeal__BatchNote *message, bool is_free,
			 uint64_t until_ms)
{
	uint32_t at = note_room(b);
	if (at == BATCH_NOTES_MAX)
		return ERR_LIMIT;
	struct cover *covers = calloc(message->n_names, sizeof *covers);
	if (!covers)
		return ERR_NO_MEMORY;
	b->notes[at] = (struct note){.message = message, .until_ms = until_ms, .covers = covers};
	b->count++;
	for (uint32_t i = 0; i < message->n_names; i++) {
		covers[i] = (struct cover){.note = at, .position = i, .free = is_free};
		struct cover **bucket = bucket_of(b, message->names[i]);
		covers[i].next = *bucket;
		*bucket = &covers[i];
	}
	return ERR_OK;
}

enum err batches_load(struct batches *b, struct store_txn *t, uint64_t until_ms)
{
	struct store_cursor *cursor;
	struct store_value key, value;
	enum err e = store_cursor_open(t, TABLE_BATCHES, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, NULL, 0, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value)) {
		Freeal__BatchNote *m =
		    frame_message_unpack(&freeal__batch_note__descriptor, value.data, value.size);
		e = m && note_usable(m) ? ERR_OK : ERR_CORRUPT;
		if (!e)
			e = note_add(b, m, true, m->holder.len ? until_ms : 0);
		if (e) {
			frame_message_free(m);
			break;
		}
	}
	store_cursor_close(cursor);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static bool holder_is(const Freeal__BatchNote *m, const uint8_t *holder)
{
	return m->holder.len == PEER_EPOCH_BYTES &&
	       memcmp(m->holder.data, holder, PEER_EPOCH_BYTES) == 0;
}

/* `holder` NULL: nobody's. */
static enum err note_store(struct store_txn *t, const Freeal__BatchNote *m, const uint8_t *holder)
{
	Freeal__BatchNote stored = *m;
	stored.holder = (ProtobufCBinaryData){holder ? PEER_EPOCH_BYTES : 0, (uint8_t *)holder};
	return table_put_bytes(t, TABLE_BATCHES, m->token.data, m->token.len, &stored.base);
}

/* Puts another message in the place of a note's. Their names are the same. */
static enum err note_replace(struct note *n, const Freeal__BatchNote *fresh, const uint8_t *holder)
{
	Freeal__BatchNote changed = *fresh;
	changed.holder = (ProtobufCBinaryData){holder ? PEER_EPOCH_BYTES : 0, (uint8_t *)holder};
	size_t size = freeal__batch_note__get_packed_size(&changed);
	uint8_t *bytes = malloc(size);
	if (!bytes)
		return ERR_NO_MEMORY;
	(void)freeal__batch_note__pack(&changed, bytes);
	Freeal__BatchNote *copy =
	    frame_message_unpack(&freeal__batch_note__descriptor, bytes, size);
	free(bytes);
	if (!copy)
		return ERR_NO_MEMORY;
	frame_message_free(n->message);
	n->message = copy;
	return ERR_OK;
}

static bool names_equal(const Freeal__BatchNote *a, const Freeal__BatchNote *b)
{
	if (a->n_names != b->n_names)
		return false;
	for (size_t i = 0; i < a->n_names; i++)
		if (!work_name_equal(a->names[i], b->names[i]))
			return false;
	return true;
}

enum err batches_put(struct batches *b, struct store_txn *t, const Freeal__BatchNote *note,
		     const uint8_t *holder)
{
	if (!note_usable(note))
		return ERR_INVALID;
	int at = note_find(b, note->token.data, note->token.len);
	struct note fresh = {0}, *n = at < 0 ? &fresh : &b->notes[at];
	if (at >= 0 && (!holder_is(n->message, holder) || !names_equal(n->message, note)))
		return ERR_INVALID;
	if (at < 0 && note_room(b) == BATCH_NOTES_MAX)
		return ERR_LIMIT;
	enum err e = note_store(t, note, holder);
	if (!e)
		e = note_replace(n, note, holder);
	if (!e && at < 0) {
		e = note_add(b, fresh.message, false, UINT64_MAX);
		if (e)
			frame_message_free(fresh.message);
	}
	return e;
}

enum err batches_remove(struct batches *b, struct store_txn *t, const void *token, size_t size)
{
	int at = note_find(b, token, size);
	if (at < 0)
		return ERR_OK;
	enum err e = store_delete(t, TABLE_BATCHES, token, size);
	note_drop(b, (uint32_t)at);
	return e;
}

const Freeal__BatchNote *batches_find(const struct batches *b, const void *token, size_t size)
{
	int at = note_find(b, token, size);
	return at < 0 ? NULL : b->notes[at].message;
}

uint32_t batches_count(const struct batches *b)
{
	return b->count;
}

const Freeal__BatchNote *batches_at(const struct batches *b, uint32_t position)
{
	return b->notes[position].message;
}

bool batches_cover(const struct batches *b, const Freeal__WorkName *name)
{
	return cover_find(b, name) != NULL;
}

bool batches_work_return(struct batches *b, const Freeal__WorkName *name, uint32_t attempt)
{
	struct cover *c = cover_find(b, name);
	if (!c)
		return false;
	struct note *n = &b->notes[c->note];
	c->free = true;
	c->attempt = attempt;
	if (c->position < n->free_from)
		n->free_from = c->position;
	return true;
}

void batches_work_take(struct batches *b, const Freeal__WorkName *name)
{
	struct cover *c = cover_find(b, name);
	if (c)
		c->free = false;
}

/* The names live as long as the note. */
static struct cover *free_next(const struct note *n, size_t *position)
{
	while (*position < n->message->n_names) {
		struct cover *c = &n->covers[(*position)++];
		if (c->free)
			return c;
	}
	return NULL;
}

bool batches_work_next(struct batches *b, const uint8_t *holder, Freeal__WorkName *ret_name,
		       uint32_t *ret_attempt)
{
	for (uint32_t i = 0; i < BATCH_NOTES_MAX; i++) {
		struct note *n = &b->notes[i];
		if (!n->message || !holder_is(n->message, holder))
			continue;
		struct cover *c = free_next(n, &n->free_from);
		if (!c)
			continue;
		c->free = false;
		*ret_name = *n->message->names[c->position];
		*ret_attempt = c->attempt + 1;
		return true;
	}
	return false;
}

bool batches_work_each(const struct batches *b, uint32_t note, size_t *position,
		       Freeal__WorkName *ret_name, uint32_t *ret_attempt)
{
	const struct note *n = &b->notes[note];
	const struct cover *c = n->message ? free_next(n, position) : NULL;
	while (c && cover_find(b, cover_name(b, c)) != c)
		c = free_next(n, position);
	if (!c)
		return false;
	*ret_name = *n->message->names[c->position];
	*ret_attempt = c->attempt;
	return true;
}

void batches_hold(struct batches *b, const uint8_t *holder, uint64_t until_ms)
{
	for (uint32_t i = 0; i < BATCH_NOTES_MAX; i++)
		if (b->notes[i].message && holder_is(b->notes[i].message, holder))
			b->notes[i].until_ms = until_ms;
}

enum err batches_leave(struct batches *b, struct store_txn *t, const uint8_t *holder)
{
	enum err e = ERR_OK;
	for (uint32_t i = 0; !e && i < BATCH_NOTES_MAX; i++) {
		struct note *n = &b->notes[i];
		if (!n->message || !holder_is(n->message, holder))
			continue;
		n->until_ms = 0;
		e = note_store(t, n->message, NULL);
		if (!e)
			e = note_replace(n, n->message, NULL);
	}
	return e;
}

int batches_orphan(const struct batches *b, uint64_t now_ms)
{
	for (uint32_t i = 0; i < BATCH_NOTES_MAX; i++)
		if (b->notes[i].message && b->notes[i].until_ms <= now_ms)
			return (int)i;
	return -1;
}

enum err batches_give(struct batches *b, struct store_txn *t, uint32_t position,
		      const uint8_t *holder, uint64_t until_ms)
{
	struct note *n = &b->notes[position];
	enum err e = note_store(t, n->message, holder);
	if (!e)
		e = note_replace(n, n->message, holder);
	if (!e)
		n->until_ms = until_ms;
	return e;
}
