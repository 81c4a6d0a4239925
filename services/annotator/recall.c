#include "annotator/recall.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 5000

struct recall_entry {
	struct recall_entry *next;
	struct key key;
	void *cookie;
};

static void tails_init(struct recall *r)
{
	if (!r->out_tail)
		r->out_tail = &r->out;
	if (!r->waiting_tail)
		r->waiting_tail = &r->waiting;
}

enum err recall_push(struct recall *r, const struct key *key, void *cookie)
{
	struct recall_entry *e = calloc(1, sizeof *e);
	if (!e)
		return ERR_NO_MEMORY;
	tails_init(r);
	e->key = *key;
	e->cookie = cookie;
	*r->waiting_tail = e;
	r->waiting_tail = &e->next;
	r->count++;
	return ERR_OK;
}

/* An entry under way stays in its place, as nobody's. */
static bool out_remove(struct recall *r, const void *cookie)
{
	for (struct recall_entry *e = r->out; e; e = e->next) {
		if (e->cookie != cookie)
			continue;
		e->cookie = NULL;
		r->count--;
		return true;
	}
	return false;
}

bool recall_remove(struct recall *r, const void *cookie)
{
	if (out_remove(r, cookie))
		return true;
	for (struct recall_entry **at = &r->waiting; *at; at = &(*at)->next) {
		struct recall_entry *e = *at;
		if (e->cookie != cookie)
			continue;
		*at = e->next;
		if (r->waiting_tail == &e->next)
			r->waiting_tail = at;
		free(e);
		r->count--;
		return true;
	}
	return false;
}

static void *list_find(const struct recall_entry *e,
		       bool (*is)(const void *cookie, const void *what), const void *what)
{
	for (; e; e = e->next)
		if (e->cookie && (!is || is(e->cookie, what)))
			return e->cookie;
	return NULL;
}

void *recall_find(const struct recall *r, bool (*is)(const void *cookie, const void *what),
		  const void *what)
{
	void *found = list_find(r->out, is, what);
	return found ? found : list_find(r->waiting, is, what);
}

static void entries_free(struct recall_entry *e)
{
	while (e) {
		struct recall_entry *next = e->next;
		free(e);
		e = next;
	}
}

void recall_done(struct recall *r)
{
	entries_free(r->out);
	entries_free(r->waiting);
	*r = (struct recall){0};
}

/* The batch under way goes back to the front. */
static void out_return(struct recall *r)
{
	if (!r->out)
		return;
	*r->out_tail = r->waiting;
	if (!r->waiting)
		r->waiting_tail = r->out_tail;
	r->waiting = r->out;
	r->out = NULL;
	r->out_tail = &r->out;
}

void recall_again(struct recall *r)
{
	r->again_ms = 0;
}

size_t recall_batch(struct recall *r, uint64_t now_ms, ProtobufCBinaryData *ret_keys)
{
	tails_init(r);
	if (r->out && now_ms < r->again_ms)
		return 0;
	out_return(r);
	size_t count = 0;
	while (r->waiting && count < RECALL_KEYS_MAX) {
		struct recall_entry *e = r->waiting;
		r->waiting = e->next;
		e->next = NULL;
		if (!r->waiting)
			r->waiting_tail = &r->waiting;
		if (!e->cookie) {
			free(e);
			continue;
		}
		*r->out_tail = e;
		r->out_tail = &e->next;
		ret_keys[count++] = (ProtobufCBinaryData){sizeof e->key.bytes, e->key.bytes};
	}
	r->again_ms = now_ms + AGAIN_MS;
	return count;
}

void recall_take(struct recall *r, const Freeal__Recalled *recalled, recall_fn *known,
		 void *context)
{
	for (size_t i = 0; i < recalled->n_replies && r->out; i++) {
		const Freeal__KeptReply *reply = recalled->replies[i];
		struct recall_entry *e = r->out;
		if (reply->key.len != KEY_BYTES ||
		    memcmp(reply->key.data, e->key.bytes, KEY_BYTES) != 0)
			return;
		r->out = e->next;
		if (!r->out)
			r->out_tail = &r->out;
		void *cookie = e->cookie;
		free(e);
		if (!cookie)
			continue;
		r->count--;
		known(context, cookie, reply->body.len ? reply->body.data : NULL, reply->body.len);
	}
	recall_again(r);
}

uint64_t recall_pump(struct recall *r, struct worker *w, uint64_t now_ms)
{
	ProtobufCBinaryData keys[RECALL_KEYS_MAX];
	if (r->count == 0)
		return UINT64_MAX;
	Freeal__Recall recall = FREEAL__RECALL__INIT;
	recall.keys = keys;
	recall.n_keys = recall_batch(r, now_ms, keys);
	if (recall.n_keys == 0)
		return r->again_ms;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_RECALL;
	e.recall = &recall;
	/* Without a connection it is asked on the next one, by recall_again. */
	err_ignore(worker_send(w, &e));
	return r->again_ms;
}
