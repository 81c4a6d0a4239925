/*
 * Streams: bulk data pulled chunk by chunk by its receiver. This is the receiver's
 * bookkeeping; the sender needs none, because each request names where to go on.
 *
 *   receiver: stream_pull_begin → send the ChunkRequest it makes
 *             each Chunk → stream_pull_take → store the body → stream_pull_request
 *             → send it when it says so; repeat until `last`
 *   sender:   each ChunkRequest → up to `credit` chunks with stream_chunk_send
 */
#ifndef FREEAL_WIRE_STREAM_H
#define FREEAL_WIRE_STREAM_H

#include "wire/socket.h"

#include <stdbool.h>
#include <stdint.h>

#define STREAM_NAME_BYTES_MAX 64
#define STREAM_CREDIT 4
#define STREAM_RETRY_MS 5000

struct stream_pull {
	char name[STREAM_NAME_BYTES_MAX];
	struct peer_id from; /* size 0 on a connected socket */
	uint64_t next_seq;
	uint32_t credit_left;
	uint64_t heard_ms; /* when the last chunk or request was */
	bool active;
	bool done;
};

/* Starts (or starts again) at `next_seq` and sends the first request on `s`. The
 * request is sent again by stream_pull_tick, so a failed send needs no care. */
void stream_pull_begin(struct stream_pull *p, struct socket *s, const struct peer_id *from,
		       const char *name, uint64_t next_seq, uint64_t now_ms);

/* ERR_OK: the chunk is the next one; store `chunk->body`, then go on. ERR_AGAIN: not for
 * this pull, or out of order (a repeat): drop it. ERR_NOT_FOUND: the sender has no such
 * stream (it restarted): the work must be done again; the pull has ended. */
enum err stream_pull_take(struct stream_pull *p, struct socket *s, const Freeal__Chunk *chunk,
			  uint64_t now_ms) WARN_UNUSED;

/* Repeats the request when nothing was heard for STREAM_RETRY_MS; returns when next. */
uint64_t stream_pull_tick(struct stream_pull *p, struct socket *s, uint64_t now_ms);

/* Sends one chunk; `to` is NULL on a connected socket. As socket_send. */
enum err stream_chunk_send(struct socket *s, const struct peer_id *to, const char *name,
			   uint64_t seq, uint64_t next_seq, bool last, const void *body,
			   size_t body_bytes) WARN_UNUSED;
/* Says that there is no such stream. */
void stream_missing_send(struct socket *s, const struct peer_id *to, const char *name);

void stream_offer_send(struct socket *s, const struct peer_id *to, const char *name,
		       uint64_t total);
void stream_stored_send(struct socket *s, const struct peer_id *to, const char *name,
			const char *error);

#endif
