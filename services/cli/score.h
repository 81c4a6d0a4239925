/*
 * How good predictions are against gold labels: accuracy and macro-averaged F1.
 */
#ifndef FREEAL_CLI_SCORE_H
#define FREEAL_CLI_SCORE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct score {
	size_t label_count;
	uint64_t *gold;	     /* (label_count) rows of each gold label */
	uint64_t *predicted; /* (label_count) */
	uint64_t *right;     /* (label_count) */
	uint64_t rows;
};

enum err score_init(struct score *s, size_t label_count) WARN_UNUSED;
void score_done(struct score *s);
void score_add(struct score *s, size_t gold, size_t predicted);

/* 0 where there are no rows. */
double score_accuracy(const struct score *s);
/* Mean of 2 right / (gold + predicted) over the labels that occur in either, as
 * scikit-learn's f1_score(average="macro") has it. */
double score_macro_f1(const struct score *s);

#endif
