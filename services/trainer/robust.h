/*
 * Robust training of a linear softmax over sparse rows, with a clean set.
 *
 * Loss of a batch = L_clean + w * (L_mix + L_cr_clean + L_cr_noisy), each summed
 * over its rows and divided by the batch size:
 *   L_clean     cross-entropy of the clean rows;
 *   L_mix       cross-entropy of mixtures l * a + (1 - l) * b of clean rows' logits
 *               (the same as mixing their embeddings: all before the softmax is
 *               linear) against the mixed labels; l = max(v, 1 - v), v ~ Beta(a, a),
 *               one per batch;
 *   L_cr_clean  cross-entropy of the clean rows' second view;
 *   L_cr_noisy  noisy and unlabelled rows: KL(sharp(p) || q) + KL(sharp(q) || p) of
 *               the two views' predictions p and q, sharp(p) = p^(1/t) renormalised,
 *               t = 0.85, taken as constant (FreeAL, eq. 8-11, with the targets
 *               sharpened instead of the students flattened).
 * Under a fixed clean set the labels outside it still count, with a small weight, in a
 * cross-entropy: most of them are right, and hard rows teach most. In the warm-up (first 20 % of
 * the epochs) every labelled row counts as clean; w rises linearly to 1 over the first 40 %.
 * Adagrad on single coordinates, rate falling linearly. One thread; a seed gives one result.
 */
#ifndef FREEAL_TRAINER_ROBUST_H
#define FREEAL_TRAINER_ROBUST_H

#include "base/err.h"
#include "base/rng.h"
#include "math/csr.h"
#include "trainer/progress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct robust_config {
	uint32_t epochs;
	uint32_t batch_rows;
	double rate;
	double warmup_share; /* of the epochs */
	double ramp_share;   /* of the epochs */
	double mixup_shape;  /* a of Beta(a, a) */
	double temperature;  /* t */
	double dropout;	     /* share of terms dropped where there is no second view */
	double noisy_weight; /* of the label of a row outside a fixed clean set */
	bool flatten;	     /* ablation: the reference's form, students divided by t */
	uint64_t seed;
};

struct robust_config robust_config_default(void);

/*
 * Before each epoch after the warm-up: `losses` (row_count) are the labelled rows'
 * own cross-entropies (NAN for the others); the callback changes `clean`
 * (row_count). What it returns ends the training unless ERR_OK.
 */
typedef enum err robust_refit_fn(void *context, uint32_t epoch, const float *losses,
				 size_t row_count, bool *clean);

struct robust_data {
	struct csr rows;
	const struct csr *second; /* second views, or NULL; an empty row means none */
	const int32_t *labels;	  /* (rows) -1: unlabelled */
	const bool *clean;	  /* (rows); unlabelled rows are never clean */
	const float *weights;	  /* (rows) of clean rows' losses, or NULL: 1 */
	size_t class_count;
	robust_refit_fn *refit; /* or NULL */
	void *refit_context;
};

/* Trains `weights` (columns, class_count) and `bias` (class_count) in place. */
WARN_UNUSED enum err robust_train(const struct robust_data *data,
				  const struct robust_config *config,
				  const struct progress *progress, float *weights, float *bias);

/* The w of an epoch. */
double robust_ramp(const struct robust_config *config, uint32_t epoch);
/* Whether every labelled row still counts as clean. */
bool robust_warm(const struct robust_config *config, uint32_t epoch);
/* The l of a batch's mixtures. */
double robust_mixup_share(const struct robust_config *config, struct rng *rng);

/*
 * The losses on logits of one row, for `class_count` classes; each adds its
 * gradient times `scale` to `gradient` and returns the loss (unscaled).
 */
double robust_cross_entropy(const float *logits, const float *target, size_t class_count,
			    double scale, float *gradient);
double robust_consistency(const float *logits_a, const float *logits_b, size_t class_count,
			  const struct robust_config *config, double scale, float *gradient_a,
			  float *gradient_b);

#endif
