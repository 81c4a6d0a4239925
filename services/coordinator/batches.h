/*
 * Open jobs at a provider's Batch API: a note each, stored before the job is made and until its
 * answers are. The works of a note are leased to its holder alone, so that nothing is paid twice;
 * where the holder is gone, another annotator is given the note and the works with it. Table
 * batches is the caller's transaction; the rest is memory. Time is the monotonic clock.
 */
#ifndef FREEAL_COORDINATOR_BATCHES_H
#define FREEAL_COORDINATOR_BATCHES_H

#include "base/err.h"
#include "coordinator/peer.h"
#include "coordinator/tables.h"
#include "proto/envelope.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_TOKEN_BYTES 16
#define BATCH_NOTES_MAX 64u
#define BATCH_WORKS_MAX 2048u /* of one note */

struct batches;

/* NULL: no memory. */
struct batches *batches_new(void);
void batches_free(struct batches *b);
/* The stored notes, whose holders are waited for until `until_ms`. All their works are free. */
enum err batches_load(struct batches *b, struct store_txn *t, uint64_t until_ms) WARN_UNUSED;

/* Stores a note, or what has changed in a known one. `holder` is the sender's epoch. ERR_INVALID:
 * malformed, or another annotator holds it; ERR_LIMIT: there are too many. */
enum err batches_put(struct batches *b, struct store_txn *t, const Freeal__BatchNote *note,
		     const uint8_t *holder) WARN_UNUSED;
/* Forgets a note, which need not be there. */
enum err batches_remove(struct batches *b, struct store_txn *t, const void *token,
			size_t size) WARN_UNUSED;
/* NULL: none of that token. Valid until the next call that changes it. */
const Freeal__BatchNote *batches_find(const struct batches *b, const void *token, size_t size);
uint32_t batches_count(const struct batches *b);
/* By position, 0 .. BATCH_NOTES_MAX-1; NULL: there is none. */
const Freeal__BatchNote *batches_at(const struct batches *b, uint32_t position);

/* An open note covers the work. */
bool batches_cover(const struct batches *b, const Freeal__WorkName *name);
/* The work's lease has ended; it is free for the holder. False: no note covers it. */
bool batches_work_return(struct batches *b, const Freeal__WorkName *name, uint32_t attempt);
/* Somebody has it. */
void batches_work_take(struct batches *b, const Freeal__WorkName *name);
/* A free work of the holder's, which it has from then on; `ret_attempt` counts from 1. */
bool batches_work_next(struct batches *b, const uint8_t *holder, Freeal__WorkName *ret_name,
		       uint32_t *ret_attempt);
/* The next free work after `*position` (0 to begin with) of the note at `note`, which is about to
 * be forgotten: it is anybody's then. */
bool batches_work_each(const struct batches *b, uint32_t note, size_t *position,
		       Freeal__WorkName *ret_name, uint32_t *ret_attempt);

/* The holder is there: it is waited for until `until_ms` from now on. */
void batches_hold(struct batches *b, const uint8_t *holder, uint64_t until_ms);
/* It has left in good order: its notes are anybody's at once. */
enum err batches_leave(struct batches *b, struct store_txn *t, const uint8_t *holder) WARN_UNUSED;
/* The position of a note whose holder is gone; -1: none. */
int batches_orphan(const struct batches *b, uint64_t now_ms);
/* Gives the note at `position` to another annotator, who is waited for until `until_ms`. */
enum err batches_give(struct batches *b, struct store_txn *t, uint32_t position,
		      const uint8_t *holder, uint64_t until_ms) WARN_UNUSED;

#endif
