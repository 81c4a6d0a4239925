/*
 * Out-of-fold rows: how a chunk of them is stored, and reading a round's folds as one
 * sequence by ascending sample number.
 */
#ifndef FREEAL_SELECTOR_OOF_H
#define FREEAL_SELECTOR_OOF_H

#include "base/err.h"
#include "proto/stream.pb-c.h"

#include <stddef.h>
#include <stdint.h>

struct history;

/* Stored form: u32 rows, u32 classes, u64 sample_nos[rows], i32 labels[rows],
 * f32 probabilities[rows × classes]; little-endian. The chunk must be well-formed. */
size_t oof_chunk_bytes(const Freeal__OofChunk *chunk);
void oof_chunk_write(const Freeal__OofChunk *chunk, void *data);

struct oof_reader;

/* All folds of the round must be complete (ERR_NOT_FOUND; msg names the fold). */
enum err oof_reader_new(struct history *h, uint32_t round, uint32_t folds, size_t class_count,
			struct oof_reader **ret_reader, struct err_msg *msg) WARN_UNUSED;
void oof_reader_free(struct oof_reader *r);

/* The next rows, at most `max`; 0 at the end. Rows are samples 0, 1, 2 and so on; a hole
 * or a repeat is ERR_INVALID. `ret_probabilities` is rows × classes. */
enum err oof_read(struct oof_reader *r, size_t max, int32_t *ret_labels, float *ret_probabilities,
		  size_t *ret_count, struct err_msg *msg) WARN_UNUSED;

#endif
