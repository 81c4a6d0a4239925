#include "wire/stream.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct peer_id *pull_peer(const struct stream_pull *p)
{
	return p->from.size ? &p->from : NULL;
}

static void request_send(struct stream_pull *p, struct socket *s, uint64_t now_ms)
{
	Freeal__ChunkRequest request = FREEAL__CHUNK_REQUEST__INIT;
	request.stream = p->name;
	request.next_seq = p->next_seq;
	request.credit = STREAM_CREDIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_CHUNK_REQUEST;
	e.chunk_request = &request;
	err_ignore(socket_send(s, pull_peer(p), &e));
	p->credit_left = STREAM_CREDIT;
	p->heard_ms = now_ms;
}

void stream_pull_begin(struct stream_pull *p, struct socket *s, const struct peer_id *from,
		       const char *name, uint64_t next_seq, uint64_t now_ms)
{
	assert(strlen(name) < STREAM_NAME_BYTES_MAX);
	*p = (struct stream_pull){.next_seq = next_seq, .active = true};
	(void)snprintf(p->name, sizeof p->name, "%s", name);
	if (from)
		p->from = *from;
	request_send(p, s, now_ms);
}

enum err stream_pull_take(struct stream_pull *p, struct socket *s, const Freeal__Chunk *chunk,
			  uint64_t now_ms)
{
	if (!p->active || strcmp(chunk->stream, p->name) != 0)
		return ERR_AGAIN;
	if (chunk->error[0] != '\0') {
		p->active = false;
		return ERR_NOT_FOUND;
	}
	if (chunk->seq != p->next_seq)
		return ERR_AGAIN;
	p->heard_ms = now_ms;
	p->next_seq = chunk->next_seq;
	if (p->credit_left > 0)
		p->credit_left--;
	if (chunk->last) {
		p->active = false;
		p->done = true;
	} else if (p->credit_left == 0) {
		request_send(p, s, now_ms);
	}
	return ERR_OK;
}

uint64_t stream_pull_tick(struct stream_pull *p, struct socket *s, uint64_t now_ms)
{
	if (!p->active)
		return UINT64_MAX;
	if (now_ms - p->heard_ms >= STREAM_RETRY_MS)
		request_send(p, s, now_ms);
	return p->heard_ms + STREAM_RETRY_MS;
}

enum err stream_chunk_send(struct socket *s, const struct peer_id *to, const char *name,
			   uint64_t seq, uint64_t next_seq, bool last, const void *body,
			   size_t body_bytes)
{
	Freeal__Chunk chunk = FREEAL__CHUNK__INIT;
	chunk.stream = (char *)name;
	chunk.seq = seq;
	chunk.next_seq = next_seq;
	chunk.last = last;
	chunk.body.data = (uint8_t *)body;
	chunk.body.len = body_bytes;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_CHUNK;
	e.chunk = &chunk;
	return socket_send(s, to, &e);
}

void stream_missing_send(struct socket *s, const struct peer_id *to, const char *name)
{
	Freeal__Chunk chunk = FREEAL__CHUNK__INIT;
	chunk.stream = (char *)name;
	chunk.error = (char *)"no such stream";
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_CHUNK;
	e.chunk = &chunk;
	err_ignore(socket_send(s, to, &e));
}

void stream_offer_send(struct socket *s, const struct peer_id *to, const char *name, uint64_t total)
{
	Freeal__Offer offer = FREEAL__OFFER__INIT;
	offer.stream = (char *)name;
	offer.total = total;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_OFFER;
	e.offer = &offer;
	err_ignore(socket_send(s, to, &e));
}

void stream_stored_send(struct socket *s, const struct peer_id *to, const char *name,
			const char *error)
{
	Freeal__Stored stored = FREEAL__STORED__INIT;
	stored.stream = (char *)name;
	stored.error = (char *)error;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_STORED;
	e.stored = &stored;
	err_ignore(socket_send(s, to, &e));
}
