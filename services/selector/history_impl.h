/*
 * How the history lies in its store; for the history's files and the audit.
 */
#ifndef FREEAL_SELECTOR_HISTORY_IMPL_H
#define FREEAL_SELECTOR_HISTORY_IMPL_H

#include "selector/history.h"
#include "store/store.h"

#include <stdint.h>

enum history_table {
	TABLE_META,
	TABLE_OOF,
	TABLE_VECTORS,
	TABLE_POOL_VECTORS,
	TABLE_POOLS,
	TABLE_SELECTION,
	TABLE_NEAREST,
	TABLE_CLEAN,
	TABLE_COUNT,
};

extern const char *const history_table_names[TABLE_COUNT];

/* In front of a block of vectors; rows × dimensions floats follow. */
struct vectors_head {
	uint32_t dimensions;
	uint32_t rows;
};

/* Keys of a fold's chunks: (round, fold) as one number, then seq. Both are 32 bits, so
 * that byte order is the order of rounds. */
struct store_key history_oof_key(uint32_t round, uint32_t fold, uint64_t seq);

struct history {
	struct store *store;
	struct store_txn *txn; /* open write transaction or NULL */
};

/* The write transaction is open then. */
enum err history_write_begin(struct history *h) WARN_UNUSED;
/* Deletes the entries from `from` on up to, not with, the first key >= `to`. */
enum err history_range_delete(struct store_txn *t, enum history_table table, struct store_key from,
			      const struct store_key *to) WARN_UNUSED;

#endif
