/*
 * Kept replies looked up for annotators. Asked while messages are read, answered after the commit,
 * so that nothing is told that is not on disk, and a turn that only looks up commits nothing.
 */
#include "base/limits.h"
#include "coordinator/coordinator.h"
#include "coordinator/kept.h"
#include "llm/key.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

/* An annotator asks one at a time. */
#define RECALLS_PER_TURN_MAX 256

struct recall_request {
	struct recall_request *next;
	struct peer_id from;
	size_t count;
	unsigned char keys[RECALL_KEYS_MAX][KEY_BYTES];
};

void recall_queue(struct coordinator *c, const struct peer_id *from, const Freeal__Recall *recall)
{
	if (recall->n_keys == 0 || recall->n_keys > RECALL_KEYS_MAX ||
	    c->recall_count == RECALLS_PER_TURN_MAX)
		return;
	for (size_t i = 0; i < recall->n_keys; i++)
		if (recall->keys[i].len != KEY_BYTES)
			return;
	struct recall_request *r = malloc(sizeof *r);
	if (!r)
		return;
	r->from = *from;
	r->count = recall->n_keys;
	for (size_t i = 0; i < r->count; i++)
		memcpy(r->keys[i], recall->keys[i].data, KEY_BYTES);
	r->next = c->recalls;
	c->recalls = r;
	c->recall_count++;
}

/* Looks up as many of the keys as fit into one message, at least one. */
static enum err recall_answer(struct coordinator *c, struct recall_request *r)
{
	Freeal__ReplyRecord *records[RECALL_KEYS_MAX] = {NULL};
	Freeal__KeptReply replies[RECALL_KEYS_MAX], *list[RECALL_KEYS_MAX];
	size_t count = 0, bytes = 0;
	enum err e = ERR_OK;
	for (; !e && count < r->count && bytes < CHUNK_BYTES_TARGET; count++) {
		Freeal__KeptReply *reply = &replies[count];
		freeal__kept_reply__init(reply);
		reply->key = (ProtobufCBinaryData){KEY_BYTES, r->keys[count]};
		list[count] = reply;
		if (c->project->cache && c->kept.count > 0)
			e = kept_get(coordinator_txn(c), r->keys[count], KEY_BYTES,
				     &records[count]);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
		if (records[count])
			reply->body = records[count]->body;
		bytes += reply->body.len;
	}
	Freeal__Recalled body = FREEAL__RECALLED__INIT;
	body.replies = list;
	body.n_replies = count;
	Freeal__Envelope envelope = FREEAL__ENVELOPE__INIT;
	envelope.body_case = FREEAL__ENVELOPE__BODY_RECALLED;
	envelope.recalled = &body;
	if (!e)
		err_ignore(socket_send(c->socket, &r->from, &envelope)); /* it asks again */
	for (size_t i = 0; i < count; i++)
		frame_message_free(records[i]);
	return e;
}

void recalls_answer(struct coordinator *c)
{
	while (c->recalls && !c->fatal) {
		struct recall_request *r = c->recalls;
		c->recalls = r->next;
		enum err e = recall_answer(c, r);
		if (e)
			coordinator_fatal(c, e, "kept replies");
		free(r);
	}
	c->recall_count = 0;
}

void recalls_done(struct coordinator *c)
{
	while (c->recalls) {
		struct recall_request *r = c->recalls;
		c->recalls = r->next;
		free(r);
	}
}
