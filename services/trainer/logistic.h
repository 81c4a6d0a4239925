/*
 * Multinomial logistic regression over sparse rows, fitted by L-BFGS:
 *
 *   sum_i weight_i * cross-entropy_i + |W|^2 / (2 * inverse_penalty),
 *
 * the bias free (scikit-learn's LogisticRegression with C and sample weights; as
 * there, two classes are one column of weights).
 */
#ifndef FREEAL_TRAINER_LOGISTIC_H
#define FREEAL_TRAINER_LOGISTIC_H

#include "base/err.h"
#include "math/csr.h"
#include "trainer/progress.h"

#include <stddef.h>
#include <stdint.h>

struct logistic_problem {
	struct csr rows;
	const uint32_t *row_numbers; /* (count): the training rows */
	const uint32_t *classes;     /* (count) */
	const float *weights;	     /* (count) */
	size_t count;
	size_t class_count; /* at least 2 */
	double inverse_penalty;
	uint32_t iterations_max;
	double tolerance;
	size_t thread_count;
	const struct progress *progress;
};

/* Writes `ret_weights` (columns, class_count) and `ret_bias` (class_count). */
WARN_UNUSED enum err logistic_fit(const struct logistic_problem *problem, float *ret_weights,
				  float *ret_bias);

#endif
