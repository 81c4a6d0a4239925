/*
 * Complement naive Bayes (Rennie et al. 2003) with self-training.
 *
 * With F[c][k] the weighted sum of column c over rows of class k and A[c] the sum
 * over the classes, the complement of k has the count A[c] - F[c][k] + smoothing,
 * and W[c][k] = -ln(count / sum of counts). Each class's rows are weighted to the
 * same mass. Unlabelled rows then join with the model's own soft predictions, for
 * `self_rounds` rounds. The scale of the logits is the one with the best
 * likelihood of labelled rows, each with its own count taken out of the model.
 */
#ifndef FREEAL_TRAINER_BAYES_H
#define FREEAL_TRAINER_BAYES_H

#include "base/err.h"
#include "math/csr.h"
#include "trainer/progress.h"

#include <stddef.h>
#include <stdint.h>

struct bayes_problem {
	struct csr rows;
	const uint32_t *labelled;   /* (labelled_count) row numbers, with */
	const uint32_t *classes;    /* (labelled_count) their classes */
	const uint32_t *unlabelled; /* (unlabelled_count) row numbers */
	size_t labelled_count;
	size_t unlabelled_count;
	size_t class_count; /* at least two of them among the labels */
	double smoothing;
	uint32_t self_rounds;
	double unlabelled_weight; /* of a row; all together at most twice the labelled */
	size_t thread_count;
	const struct progress *progress;
};

/* Writes the scaled logits' weights (columns, class_count). There is no bias. */
WARN_UNUSED enum err bayes_fit(const struct bayes_problem *problem, float *ret_weights);

#endif
