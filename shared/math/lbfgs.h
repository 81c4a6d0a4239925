/*
 * Limited-memory BFGS for smooth convex functions (Nocedal and Wright,
 * "Numerical Optimization", algorithm 7.4), with step halving until the
 * sufficient-decrease condition holds. Deterministic.
 */
#ifndef FREEAL_MATH_LBFGS_H
#define FREEAL_MATH_LBFGS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct lbfgs_problem {
	size_t size;	     /* parameters */
	size_t thread_count; /* 0 counts as 1; the result doesn't depend on it */
	/* Value at x (size); writes the gradient (size). */
	double (*evaluate)(void *context, const float *x, float *ret_gradient);
	/* Asked before every step: true stops with ERR_CANCELLED. May be NULL. */
	bool (*cancelled)(void *context);
	void *context;
	size_t iterations_max;
	double tolerance; /* done when |gradient|_2 <= tolerance * |first gradient|_2 */
};

/* Minimises from `x` (size) in place. Memory: 14 vectors beside `x`. */
WARN_UNUSED enum err lbfgs_minimize(const struct lbfgs_problem *problem, float *x);

#endif
