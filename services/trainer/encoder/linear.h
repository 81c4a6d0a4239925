/*
 * Multinomial logistic regression on dense vectors, L2-penalised: the view of frozen sentence
 * vectors. As scikit-learn's LogisticRegression (lbfgs) on StandardScaler's columns.
 */
#ifndef FREEAL_TRAINER_ENCODER_LINEAR_H
#define FREEAL_TRAINER_ENCODER_LINEAR_H

#include "base/err.h"
#include "trainer/progress.h"

#include <stdint.h>

struct linear_config {
	double inverse_penalty; /* scikit-learn's C */
	uint32_t iterations_max;
	double tolerance;
	size_t thread_count;
};

struct linear_config linear_config_default(void);

/* As ngram_fold_train, on vectors (rows, columns). */
enum err linear_fold_train(const float *vectors, size_t columns, const int32_t *labels,
			   const uint32_t *folds, size_t rows, uint32_t fold, size_t class_count,
			   const struct linear_config *config, const struct progress *progress,
			   float *ret_probs, struct err_msg *msg) WARN_UNUSED;

#endif
