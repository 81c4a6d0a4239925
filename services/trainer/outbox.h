/*
 * Streams that this trainer offers, kept until the receiver says that it has them.
 *
 * A stream's chunks are packed once and lie in an unlinked file, so that a block of
 * vectors costs no memory while it waits. They are gone when the process ends; the
 * receiver then hears that there is no such stream, and the work is done again.
 */
#ifndef FREEAL_TRAINER_OUTBOX_H
#define FREEAL_TRAINER_OUTBOX_H

#include "wire/socket.h"

#include <stdbool.h>
#include <stdint.h>

#define OUTBOX_OFFER_MS 2000

/* One stream. Made on the job's thread, then handed over. */
struct outbox_stream;

/* The file is made in `dir`. */
enum err outbox_stream_new(const char *dir, const char *name, struct outbox_stream **ret_stream,
			   struct err_msg *msg) WARN_UNUSED;
/* Packs one chunk body of `row_count` rows behind the others. */
enum err outbox_stream_add(struct outbox_stream *s, const ProtobufCMessage *body,
			   uint64_t row_count, struct err_msg *msg) WARN_UNUSED;
const char *outbox_stream_name(const struct outbox_stream *s);
void outbox_stream_free(struct outbox_stream *s);

struct outbox;

/* Holds at most `stream_count_max` streams. */
enum err outbox_new(unsigned stream_count_max, struct outbox **ret_outbox) WARN_UNUSED;
void outbox_free(struct outbox *o);
unsigned outbox_count(const struct outbox *o);

/* Takes the stream, in place of one of the same name, and offers it with the next tick.
 * ERR_LIMIT: full; the stream stays the caller's. */
enum err outbox_put(struct outbox *o, struct outbox_stream *s) WARN_UNUSED;
/* Forgets the stream; false: there is none of this name. */
bool outbox_drop(struct outbox *o, const char *name);

/* Sends the chunks that `request` asks for on `socket` (connected), or says that there
 * is no such stream. */
void outbox_answer(struct outbox *o, struct socket *socket, const Freeal__ChunkRequest *request,
		   uint64_t now_ms);
/* Repeats the offers of what nobody asked for lately; returns when next. */
uint64_t outbox_tick(struct outbox *o, struct socket *socket, uint64_t now_ms);

#endif
