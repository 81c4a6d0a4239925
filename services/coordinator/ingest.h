/*
 * New samples: parsed on an HTTP thread, committed by the loop.
 *
 * They come as JSON lines {"id", "text", "augmented"?, "gold"?}, or packed in columns
 * (proto/ingest.proto). An id that is there with the same text is a duplicate and changes
 * nothing; with another text it is rejected. Each accepted sample gets the next dense
 * sample_no. A packed batch that comes again, because its reply was lost, gets the same
 * reply again.
 */
#ifndef FREEAL_COORDINATOR_INGEST_H
#define FREEAL_COORDINATOR_INGEST_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ingest_batch;

/* JSON lines; bad ones are rejected in the batch. NULL: no memory. */
struct ingest_batch *ingest_parse(const char *body, size_t body_bytes, uint32_t label_count);
/* A packed SampleBatch; bad rows are rejected. ERR_INVALID: malformed as a whole. */
enum err ingest_unpack(const void *body, size_t body_bytes, uint32_t label_count,
		       struct ingest_batch **ret_batch) WARN_UNUSED;
void ingest_batch_free(struct ingest_batch *b);

/* Puts at most `rows_max` more rows into the transaction; `*sample_count` is the next
 * sample_no before and after. Nothing counts before the transaction is committed. */
enum err ingest_put(struct store_txn *txn, struct ingest_batch *b, size_t rows_max,
		    uint64_t *sample_count) WARN_UNUSED;
/* All rows are put. */
bool ingest_is_done(const struct ingest_batch *b);

/* The reply's JSON: {"accepted":N,"duplicates":N,"rejected":[…]}. Of very many rejections
 * those after the first ones are a number alone, "rejected_more". */
void ingest_reply(const struct ingest_batch *b, struct buf *ret_json);

#endif
