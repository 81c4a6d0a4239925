#include "selector/intake.h"

#include "wire/frame.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PULLS_MAX 32
/* Without a chunk for this long, another trainer's offer of the same stream is taken (the
 * lease has moved on), or the pull is forgotten. */
#define PULL_REPLACE_MS 2000u
#define PULL_FORGET_MS 60000u

enum stream_kind {
	STREAM_OOF,
	STREAM_EMBED,
	STREAM_POOL,
	STREAM_LOSS,
};

struct pull {
	struct stream_pull stream;
	enum stream_kind kind;
	uint32_t round, fold;  /* pool: round is the version; loss: fold is the epoch */
	uint64_t vocabulary;   /* embed, pool: number of its samples */
	struct losses *losses; /* loss: what has come */
	bool refitting;	       /* loss: all has come, the refit has not ended */
	uint64_t next_no;      /* oof: least sample_no that may come */
	uint64_t chunk_ms;     /* when the last chunk came, at first the offer */
	bool used;
	char refusal[128]; /* non-empty: why it is not taken */
};

struct intake {
	struct history *history;
	struct socket *socket;
	size_t class_count;
	struct pull pulls[PULLS_MAX];
};

enum err intake_new(struct history *h, struct socket *s, struct intake **ret_intake)
{
	struct intake *i = calloc(1, sizeof *i);
	if (!i)
		return ERR_NO_MEMORY;
	i->history = h;
	i->socket = s;
	*ret_intake = i;
	return ERR_OK;
}

static void pull_end(struct pull *p)
{
	losses_free(p->losses);
	*p = (struct pull){0};
}

void intake_free(struct intake *i)
{
	for (size_t k = 0; i && k < PULLS_MAX; k++)
		pull_end(&i->pulls[k]);
	free(i);
}

void intake_classes_set(struct intake *i, size_t class_count)
{
	i->class_count = class_count;
	for (size_t k = 0; class_count == 0 && k < PULLS_MAX; k++)
		pull_end(&i->pulls[k]);
}

static bool name_parse(const char *name, struct pull *p)
{
	int end = 0;
	uint32_t block;
	unsigned long long vocabulary = 0;
	if (strlen(name) >= STREAM_NAME_BYTES_MAX)
		return false;
	if (sscanf(name, "oof/%9u/%9u%n", &p->round, &p->fold, &end) == 2 && !name[end])
		p->kind = STREAM_OOF;
	else if (sscanf(name, "embed/%18llu/%9u%n", &vocabulary, &block, &end) == 2 && !name[end])
		p->kind = STREAM_EMBED;
	else if (sscanf(name, "pool/%18llu/%9u%n", &vocabulary, &p->round, &end) == 2 && !name[end])
		p->kind = STREAM_POOL;
	else if (sscanf(name, "loss/%9u/%9u%n", &p->round, &p->fold, &end) == 2 && !name[end] &&
		 p->fold <= HISTORY_EPOCH_MAX)
		p->kind = STREAM_LOSS;
	else
		return false;
	p->vocabulary = vocabulary;
	return true;
}

void intake_offer(struct intake *i, const struct peer_id *from, const Freeal__Offer *offer,
		  uint64_t now_ms)
{
	struct pull fresh = {.used = true, .chunk_ms = now_ms};
	struct pull *place = NULL;
	if (i->class_count == 0)
		return;
	if (!name_parse(offer->stream, &fresh)) {
		stream_stored_send(i->socket, from, offer->stream, "unknown stream");
		return;
	}
	for (size_t k = 0; k < PULLS_MAX; k++) {
		struct pull *p = &i->pulls[k];
		if (!p->used) {
			place = place ? place : p;
		} else if (strcmp(p->stream.name, offer->stream) == 0) {
			bool ended = !p->stream.active;
			bool same = peer_id_equal(&p->stream.from, from);
			if (ended || same || now_ms - p->chunk_ms < PULL_REPLACE_MS)
				return;
			place = p;
			break;
		}
	}
	if (!place)
		return;
	pull_end(place);
	*place = fresh;
	stream_pull_begin(&place->stream, i->socket, from, offer->stream, 0, now_ms);
}

static enum err oof_put(struct intake *i, struct pull *p, const Freeal__Chunk *chunk,
			struct err_msg *msg)
{
	Freeal__OofChunk *rows =
	    frame_message_unpack(&freeal__oof_chunk__descriptor, chunk->body.data, chunk->body.len);
	enum err e = ERR_OK;
	size_t n = rows ? rows->n_sample_nos : 0;
	if (!rows || rows->n_class_ids != n || rows->n_probabilities != n * i->class_count)
		e = err_set(msg, ERR_PROTOCOL, "rows are malformed");
	for (size_t k = 0; !e && k < n; k++) {
		if (rows->sample_nos[k] < p->next_no)
			e = err_set(msg, ERR_PROTOCOL, "sample %llu is out of order",
				    (unsigned long long)rows->sample_nos[k]);
		p->next_no = rows->sample_nos[k] + 1;
	}
	for (size_t k = 0; !e && k < rows->n_probabilities; k++)
		if (!isfinite(rows->probabilities[k]))
			e = err_set(msg, ERR_PROTOCOL, "a probability is not a number");
	if (!e && chunk->seq == 0)
		e = history_oof_begin(i->history, p->round, p->fold);
	if (!e)
		e = history_oof_put(i->history, p->round, p->fold, chunk->seq, rows);
	if (!e && chunk->last)
		e = history_oof_end(i->history, p->round, p->fold);
	frame_message_free(rows);
	return e;
}

static bool vectors_finite(const ProtobufCBinaryData *data)
{
	for (size_t at = 0; at < data->len; at += sizeof(float)) {
		float value;
		memcpy(&value, data->data + at, sizeof value);
		if (!isfinite(value))
			return false;
	}
	return true;
}

static enum err vectors_put(struct intake *i, struct pull *p, const Freeal__Chunk *chunk,
			    struct err_msg *msg)
{
	Freeal__VectorChunk *rows = frame_message_unpack(&freeal__vector_chunk__descriptor,
							 chunk->body.data, chunk->body.len);
	enum err e = ERR_OK;
	if (!rows || rows->dimensions == 0 || rows->dimensions > HISTORY_DIMENSIONS_MAX ||
	    rows->vectors.len % (rows->dimensions * sizeof(float)) != 0)
		e = err_set(msg, ERR_PROTOCOL, "vectors are malformed");
	else if (!vectors_finite(&rows->vectors))
		e = err_set(msg, ERR_PROTOCOL, "a vector is not finite");
	else if (p->kind == STREAM_POOL)
		e = history_pool_vectors_put(i->history, p->vocabulary, p->round, rows);
	else
		e = history_vectors_put(i->history, p->vocabulary, rows);
	if (e == ERR_INVALID)
		e = err_set(msg, ERR_PROTOCOL, "vectors before sample %llu are missing",
			    (unsigned long long)rows->first);
	frame_message_free(rows);
	return e;
}

static enum err losses_put(struct intake *i, struct pull *p, const Freeal__Chunk *chunk,
			   struct err_msg *msg)
{
	Freeal__LossChunk *rows = frame_message_unpack(&freeal__loss_chunk__descriptor,
						       chunk->body.data, chunk->body.len);
	enum err e = rows ? ERR_OK : err_set(msg, ERR_PROTOCOL, "losses are malformed");
	if (!e && !p->losses)
		e = losses_new(p->round, p->fold, &p->losses);
	if (!e)
		e = losses_add(p->losses, rows, i->class_count, msg);
	if (e == ERR_LIMIT)
		e = ERR_PROTOCOL;
	p->refitting = !e && chunk->last;
	frame_message_free(rows);
	return e;
}

static enum err chunk_put(struct intake *i, struct pull *p, const Freeal__Chunk *chunk,
			  struct err_msg *msg)
{
	switch (p->kind) {
	case STREAM_OOF:
		return oof_put(i, p, chunk, msg);
	case STREAM_LOSS:
		return losses_put(i, p, chunk, msg);
	default:
		return vectors_put(i, p, chunk, msg);
	}
}

struct losses *intake_losses_take(struct intake *i)
{
	for (size_t k = 0; k < PULLS_MAX; k++) {
		struct pull *p = &i->pulls[k];
		if (!p->used || !p->refitting || !p->losses)
			continue;
		struct losses *losses = p->losses;
		p->losses = NULL;
		return losses;
	}
	return NULL;
}

void intake_refitted(struct intake *i, uint32_t round, uint32_t epoch, const char *error)
{
	for (size_t k = 0; k < PULLS_MAX; k++) {
		struct pull *p = &i->pulls[k];
		if (!p->used || !p->refitting || p->round != round || p->fold != epoch)
			continue;
		p->refitting = false;
		(void)snprintf(p->refusal, sizeof p->refusal, "%.*s", (int)sizeof p->refusal - 1,
			       error ? error : "");
	}
}

enum err intake_chunk(struct intake *i, const struct peer_id *from, const Freeal__Chunk *chunk,
		      uint64_t now_ms, struct err_msg *msg)
{
	struct pull *p = NULL;
	msg->text[0] = '\0';
	for (size_t k = 0; k < PULLS_MAX && !p; k++)
		if (i->pulls[k].used && i->pulls[k].stream.active &&
		    strcmp(i->pulls[k].stream.name, chunk->stream) == 0 &&
		    peer_id_equal(&i->pulls[k].stream.from, from))
			p = &i->pulls[k];
	if (!p)
		return ERR_OK;
	enum err e = stream_pull_take(&p->stream, i->socket, chunk, now_ms);
	if (e == ERR_AGAIN)
		return ERR_OK;
	if (e == ERR_NOT_FOUND) {
		pull_end(p); /* the trainer restarted; it will offer again */
		return ERR_OK;
	}
	p->chunk_ms = now_ms;
	if (!e)
		e = chunk_put(i, p, chunk, msg);
	if (e != ERR_PROTOCOL)
		return e;
	(void)snprintf(p->refusal, sizeof p->refusal, "%.*s", (int)sizeof p->refusal - 1,
		       msg->text);
	p->stream.active = false;
	return ERR_OK;
}

void intake_confirm(struct intake *i)
{
	for (size_t k = 0; k < PULLS_MAX; k++) {
		struct pull *p = &i->pulls[k];
		if (!p->used || p->refitting || (!p->stream.done && !p->refusal[0]))
			continue;
		/* Lost: the trainer offers it again, and it is pulled again. */
		stream_stored_send(i->socket, &p->stream.from, p->stream.name, p->refusal);
		pull_end(p);
	}
}

uint64_t intake_tick(struct intake *i, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;
	for (size_t k = 0; k < PULLS_MAX; k++) {
		if (!i->pulls[k].used)
			continue;
		uint64_t due_ms = stream_pull_tick(&i->pulls[k].stream, i->socket, now_ms);
		if (due_ms < next_ms)
			next_ms = due_ms;
		if (!i->pulls[k].refitting && now_ms - i->pulls[k].chunk_ms > PULL_FORGET_MS)
			pull_end(&i->pulls[k]); /* its trainer is gone */
	}
	return next_ms;
}
