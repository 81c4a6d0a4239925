/*
 * Long vectors of floats, worked off in pieces of one size on a few threads. Sums are kept
 * in double and added piece by piece, so that they don't depend on the number of threads.
 */
#ifndef FREEAL_MATH_VECTOR_H
#define FREEAL_MATH_VECTOR_H

#include "base/err.h"

#include <stddef.h>

struct vector_space;

/* Vectors of `size` floats. */
enum err vector_space_new(size_t size, size_t thread_count, struct vector_space **ret) WARN_UNUSED;
void vector_space_free(struct vector_space *s);

double vector_dot(struct vector_space *s, const float *a, const float *b);
/* ret = scale_a * a + scale_b * b; returns its product with `with`, or 0 without one. `b` and
 * `with` may be NULL, `ret` may be any of them. */
double vector_combine(struct vector_space *s, float *ret, double scale_a, const float *a,
		      double scale_b, const float *b, const float *with);
/* ret = scale * x + the sum of `count` vectors that lie one behind the other at `parts`;
 * returns x . x. */
double vector_sum(struct vector_space *s, float *ret, double scale, const float *x,
		  const float *parts, size_t count);

#endif
