/*
 * The selector's store: out-of-fold rows, embeddings, pools, and what was decided.
 *
 *   oof           round, fold, seq → rows as they came      (rounds before the last are pruned)
 *   vectors       vocabulary, block of HISTORY_VECTOR_ROWS samples → their embeddings
 *   pool_vectors  vocabulary, version, number → embedding of a generated demonstration
 *   pools         version → Pool without its texts
 *   selection     round, seq → SelectionChunk: the loss history, kept for all rounds
 *   nearest       round and slot, seq → NearestChunk
 *   clean         round and epoch, seq → SelectionChunk of the newest refit
 *   meta          stream name → chunk count, once a stream is whole; "project" → its id
 *
 * Writing is for one thread, the loop: it goes into one open transaction until
 * history_commit. Reading opens short transactions of its own, sees what is committed,
 * and may be done on any thread.
 */
#ifndef FREEAL_SELECTOR_HISTORY_H
#define FREEAL_SELECTOR_HISTORY_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/envelope.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_VECTOR_ROWS 16
#define HISTORY_DIMENSIONS_MAX 16384

struct history;

enum err history_open(const char *dir, struct history **ret_history,
		      struct err_msg *msg) WARN_UNUSED;
void history_close(struct history *h);

/* What was decided, as chunks that can be sent as they are. */
enum history_rows {
	HISTORY_SELECTION,
	HISTORY_NEAREST,
	HISTORY_CLEAN,
};

/* Which of them: the round; for HISTORY_NEAREST round and slot in one; for HISTORY_CLEAN
 * round and epoch in one. */
#define HISTORY_NEAREST_PART(round, slot) ((uint32_t)(round) << 1 | (uint32_t)(slot))
#define HISTORY_NEAREST_SLOT_MAX 1u
#define HISTORY_CLEAN_PART(round, epoch) ((uint32_t)(round) << 16 | (uint32_t)(epoch))
#define HISTORY_EPOCH_MAX 65535u

/* Says whose rows these are, before any is written; commits. What is here of another
 * project is removed. No job may be reading. */
enum err history_project_set(struct history *h, const void *id, size_t id_bytes,
			     bool *ret_wiped) WARN_UNUSED;

/* Writing. Errors are the disk's unless another is named. */
enum err history_commit(struct history *h) WARN_UNUSED;
/* Forgets what there is of this fold; its chunks follow, by ascending seq. */
enum err history_oof_begin(struct history *h, uint32_t round, uint32_t fold) WARN_UNUSED;
enum err history_oof_put(struct history *h, uint32_t round, uint32_t fold, uint64_t seq,
			 const Freeal__OofChunk *chunk) WARN_UNUSED;
enum err history_oof_end(struct history *h, uint32_t round, uint32_t fold) WARN_UNUSED;
/* Forgets the rows of rounds before `round`. */
enum err history_oof_prune(struct history *h, uint32_t round) WARN_UNUSED;
/* `vocabulary` is that of the embeddings, by its number of samples. ERR_INVALID: the first
 * row neither begins a block nor is it behind another one of it. */
enum err history_vectors_put(struct history *h, uint64_t vocabulary,
			     const Freeal__VectorChunk *chunk) WARN_UNUSED;
enum err history_pool_vectors_put(struct history *h, uint64_t vocabulary, uint32_t version,
				  const Freeal__VectorChunk *chunk) WARN_UNUSED;
/* Forgets the embeddings of other vocabularies. */
enum err history_vectors_prune(struct history *h, uint64_t vocabulary) WARN_UNUSED;
enum err history_pool_put(struct history *h, const Freeal__Pool *pool) WARN_UNUSED;
/* Forgets what there is of this part; of HISTORY_CLEAN also all that is older. */
enum err history_rows_begin(struct history *h, enum history_rows rows, uint32_t part) WARN_UNUSED;
enum err history_rows_put(struct history *h, enum history_rows rows, uint32_t part, uint64_t seq,
			  const void *data, size_t size) WARN_UNUSED;
enum err history_rows_end(struct history *h, enum history_rows rows, uint32_t part,
			  uint64_t chunk_count) WARN_UNUSED;

/* Reading. ERR_NOT_FOUND: it isn't there, or not yet whole. */

/* Appends chunk `seq` to `out`. */
enum err history_rows_get(struct history *h, enum history_rows rows, uint32_t part, uint64_t seq,
			  struct buf *out, bool *ret_last) WARN_UNUSED;
/* Embeddings of samples first .. first + count - 1, of `dimensions` each.
 * ERR_INVALID: another number of dimensions is stored. */
enum err history_vectors_get(struct history *h, uint64_t vocabulary, uint64_t first, size_t count,
			     size_t dimensions, float *ret_vectors) WARN_UNUSED;
/* Number of dimensions of the samples' embeddings. */
enum err history_dimensions(struct history *h, uint64_t vocabulary,
			    size_t *ret_dimensions) WARN_UNUSED;
enum err history_pool_vector_get(struct history *h, uint64_t vocabulary, uint32_t version,
				 uint64_t number, size_t dimensions, float *ret_vector) WARN_UNUSED;
/* Free with frame_message_free. */
enum err history_pool_get(struct history *h, uint64_t version, Freeal__Pool **ret_pool) WARN_UNUSED;
bool history_oof_complete(struct history *h, uint32_t round, uint32_t fold);
/* The first chunk of a fold with a seq >= *seq, appended to `out` as stored (oof.h reads
 * it); *seq becomes its number. */
enum err history_oof_get(struct history *h, uint32_t round, uint32_t fold, uint64_t *seq,
			 struct buf *out) WARN_UNUSED;

#endif
