/*
 * New samples: parsed from JSON lines on an HTTP thread, committed by the loop.
 *
 * A line is {"id", "text", "augmented"?, "gold"?}. An id that is there with the same text
 * is a duplicate and changes nothing; with another text it is rejected. Each accepted
 * sample gets the next dense sample_no.
 */
#ifndef FREEAL_COORDINATOR_INGEST_H
#define FREEAL_COORDINATOR_INGEST_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct ingest_row {
	size_t line; /* in the body, from 1 */
	char *id;
	size_t id_bytes;
	char *text;
	size_t text_bytes;
	char *augmented; /* NULL: none */
	size_t augmented_bytes;
	int32_t gold; /* -1: none */
};

struct ingest_batch {
	struct ingest_row *rows;
	size_t row_count, row_capacity;
	uint64_t accepted, duplicates;
	size_t rejected;
	struct buf rejections; /* JSON objects {"line", "reason"}, comma-separated */
};

/* Parses a body; bad lines are rejected in the batch. NULL: no memory. */
struct ingest_batch *ingest_parse(const char *body, size_t body_bytes, uint32_t label_count);
void ingest_batch_free(struct ingest_batch *b);

/* Puts the rows into the transaction; `*sample_count` is the next sample_no before and
 * after. Nothing counts before the transaction is committed. */
enum err ingest_put(struct store_txn *txn, struct ingest_batch *b,
		    uint64_t *sample_count) WARN_UNUSED;

/* The reply's JSON: {"accepted":N,"duplicates":N,"rejected":[…]}. */
void ingest_reply(const struct ingest_batch *b, struct buf *ret_json);

#endif
