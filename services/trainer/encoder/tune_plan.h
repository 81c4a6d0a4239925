/*
 * An epoch's batches: rows in random order, but so that batches have about as many tokens each.
 *
 * The shuffled rows are cut into windows of several batches; each window is sorted by length and
 * dealt out to its batches to and fro. Then the batches are shuffled.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_PLAN_H
#define FREEAL_TRAINER_ENCODER_TUNE_PLAN_H

#include "base/err.h"
#include "base/rng.h"

struct tune_plan {
	size_t rows_max, batch_rows;
	size_t batch_count;
	uint32_t *rows;	  /* (rows_max) batch by batch */
	uint32_t *starts; /* (batch count + 1) of the batches in `rows` */
	uint32_t *order;  /* (batch count) which of them comes when */
	uint64_t *sorted; /* a window's */
};

/* For up to `rows_max` rows. */
enum err tune_plan_init(struct tune_plan *p, size_t rows_max, size_t batch_rows) WARN_UNUSED;
void tune_plan_done(struct tune_plan *p);
size_t tune_plan_batches(size_t row_count, size_t batch_rows);
/* Shuffles `rows` (count); lengths[row] is a row's number of tokens. */
void tune_plan_make(struct tune_plan *p, uint32_t *rows, size_t count, const uint32_t *lengths,
		    struct rng *rng);
/* The batch that is `index`-th. */
const uint32_t *tune_plan_batch(const struct tune_plan *p, size_t index, size_t *ret_count);

#endif
