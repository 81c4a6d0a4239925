/*
 * The clean set of recipe "paper", as the selector makes it: losses that lie with the low part of
 * the mixture at more than 0.7.
 */
#ifndef FREEAL_BENCH_CLEAN_SET_H
#define FREEAL_BENCH_CLEAN_SET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REFITS_MAX = 4096 };

struct refit {
	const int32_t *labels;
	double times[REFITS_MAX]; /* when each epoch began, its loss pass done */
	size_t count;
	size_t epochs; /* behind so many the training is cancelled; 0: never */
};

/* A tune_data's or an encoder_training's `refit`; `context` is a struct refit. */
enum err clean_refit(void *context, uint32_t epoch, const float *losses, size_t row_count,
		     bool *clean);

#endif
