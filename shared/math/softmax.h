/*
 * Softmax and its relatives over rows of a few floats. Sums are in double, exponentials in
 * float (2e-7); the largest logit is taken off first, so no finite input overflows.
 */
#ifndef FREEAL_MATH_SOFTMAX_H
#define FREEAL_MATH_SOFTMAX_H

#include <stddef.h>

/* log(sum(exp(logits[0 .. count-1]))); count > 0. */
double softmax_log_sum(const float *logits, size_t count);
/* ret[i] = exp(logits[i]) / sum; `ret` may be `logits`. Returns log(sum). */
double softmax(const float *logits, size_t count, float *ret);
/* Index of the largest value, the first of equals; count > 0. */
size_t softmax_argmax(const float *values, size_t count);

#endif
