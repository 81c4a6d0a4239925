/*
 * Streams that trainers offer: pulled chunk by chunk, checked, and put into the history.
 * A stream is confirmed with Stored once it is on disk, so the loop commits between
 * intake_chunk and intake_confirm.
 */
#ifndef FREEAL_SELECTOR_INTAKE_H
#define FREEAL_SELECTOR_INTAKE_H

#include "selector/history.h"
#include "selector/losses.h"
#include "wire/stream.h"

struct intake;

/* `s` is the socket that trainers connect to. ERR_NO_MEMORY. */
enum err intake_new(struct history *h, struct socket *s, struct intake **ret_intake) WARN_UNUSED;
void intake_free(struct intake *i);
/* 0: not known yet, nothing is taken, and what was being taken is forgotten. */
void intake_classes_set(struct intake *i, size_t class_count);

/* An offer that can't be taken now is ignored: it comes again. */
void intake_offer(struct intake *i, const struct peer_id *from, const Freeal__Offer *offer,
		  uint64_t now_ms);
/* An error is the store's: the process should end. A malformed chunk ends its stream with a
 * refusal; `msg` then says why (else it is empty). */
enum err intake_chunk(struct intake *i, const struct peer_id *from, const Freeal__Chunk *chunk,
		      uint64_t now_ms, struct err_msg *msg) WARN_UNUSED;
/* Losses that have come in for a refit, which are the caller's now; NULL: none. Their stream
 * is confirmed after intake_refitted. */
struct losses *intake_losses_take(struct intake *i);
/* The refit is done; with `error` (else NULL) it could not be. */
void intake_refitted(struct intake *i, uint32_t round, uint32_t epoch, const char *error);
/* After a commit: tells the trainers what is stored. */
void intake_confirm(struct intake *i);
/* Repeats requests that were not answered; returns when next. */
uint64_t intake_tick(struct intake *i, uint64_t now_ms);

#endif
