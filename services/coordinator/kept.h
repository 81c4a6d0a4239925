/*
 * Kept replies: what LLM servers answered, by the key of the question (llm/key.h), so that no
 * question is paid for twice. Tables replies (key → ReplyRecord) and ages (its number → key); the
 * oldest go where the bytes would be more than they may be, which holds after each call.
 */
#ifndef FREEAL_COORDINATOR_KEPT_H
#define FREEAL_COORDINATOR_KEPT_H

#include "base/err.h"
#include "coordinator/tables.h"
#include "proto/work.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the totals. Where less may be kept than there is, the oldest go. `bytes_max` 0: as much
 * as before. */
enum err kept_load(struct store_txn *t, uint64_t bytes_max,
		   Freeal__KeptRecord *ret_totals) WARN_UNUSED;

/*
 * Keeps a reply, whose totals are `totals`. One that is too large, or has no proper key, is left
 * out. Where there is one with that key, `replace` says which of them stays: it is of a question
 * that was asked although a reply was kept, or else came late.
 */
enum err kept_put(struct store_txn *t, Freeal__KeptRecord *totals, const Freeal__KeptReply *reply,
		  bool replace) WARN_UNUSED;

/* Free with frame_message_free. ERR_NOT_FOUND. */
enum err kept_get(struct store_txn *t, const void *key, size_t size,
		  Freeal__ReplyRecord **ret_reply) WARN_UNUSED;

/* Forgets all of them. */
enum err kept_clear(struct store_txn *t, Freeal__KeptRecord *totals) WARN_UNUSED;

#endif
