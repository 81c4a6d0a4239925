/*
 * A mixture of two Gaussians over losses: the part with the low mean is what the
 * small model agrees with, the other what it doesn't.
 *
 * Losses are scaled by their 0.5 % and 99.5 % quantiles and cut to 0 .. 1 before the
 * fit. EM starts from fixed quantiles and follows scikit-learn's GaussianMixture
 * (full covariance, one dimension; reg_covar is added to the variances), so that the
 * same start gives the same parts. Pure functions; no randomness.
 */
#ifndef FREEAL_SELECTOR_MIXTURE_H
#define FREEAL_SELECTOR_MIXTURE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Larger inputs are fitted on this many evenly spaced order statistics. */
#define MIXTURE_POINTS_MAX 65536
#define MIXTURE_ITERATIONS_MAX 10
#define MIXTURE_TOLERANCE 1e-2
#define MIXTURE_REG_COVAR 5e-4

struct mixture_part {
	double mean;
	double variance;
	double weight; /* the two sum to 1 */
};

struct mixture {
	struct mixture_part part[2]; /* [0] has the lower mean; in scaled units */
	double offset, span;	     /* scaled = (loss - offset) / span; span 0: all equal */
	double log_likelihood;	     /* mean per point, of the last E step */
	int iterations;
	bool converged;
};

/* Quantile of ascending values by linear interpolation (numpy's default); n > 0. */
double mixture_quantile(const float *sorted, size_t n, double q);

/* EM from `start` on points (weights NULL: all 1). The parts come back in the order of
 * the start. n > 0, total weight > 0. */
void mixture_em(const double *points, const double *weights, size_t n,
		const struct mixture_part start[2], struct mixture *ret);

/* Fits n > 0 losses, ascending and finite. With `prior` (may be NULL) of `prior_n`
 * ascending losses, these count as `prior_weight` further losses, so that a small class
 * is shrunk towards them. ERR_NO_MEMORY. */
enum err mixture_fit(const float *sorted, size_t n, const float *prior, size_t prior_n,
		     double prior_weight, struct mixture *ret) WARN_UNUSED;

/* Posterior of the low part, made monotone: never grows with the loss. */
double mixture_posterior(const struct mixture *m, double loss);

/* Whether the loss lies below the upper part's mean. */
bool mixture_below_upper(const struct mixture *m, double loss);

/* Whether the two parts are two: their means differ by more than their spread
 * (Ashman's D, sqrt(2) |m1 - m2| / sqrt(v1 + v2), above 2), and neither is empty. */
bool mixture_separated(const struct mixture *m);

#endif
