/*
 * Passes over many rows without dropout, in packed batches: what tune_predict, tune_embed and
 * the loss pass are made of.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_PREDICT_H
#define FREEAL_TRAINER_ENCODER_TUNE_PREDICT_H

#include "trainer/encoder/tune.h"

/* Logits (count, classes) of the rows `which` (count; NULL: all); 0 for a row without ids.
 * ERR_CANCELLED, ERR_NO_MEMORY. */
enum err tune_logits(struct network *n, const struct rows *rows, const uint32_t *which,
		     size_t count, const struct progress *progress, float *ret_logits) WARN_UNUSED;

#endif
