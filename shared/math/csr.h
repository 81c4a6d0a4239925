/*
 * Sparse rows (compressed sparse row) and their products with narrow dense
 * matrices: the two kernels that all linear models over n-grams are made of.
 */
#ifndef FREEAL_MATH_CSR_H
#define FREEAL_MATH_CSR_H

#include <stddef.h>
#include <stdint.h>

/* A borrowed view: row r has the entries starts[r] .. starts[r + 1] - 1. */
struct csr {
	size_t row_count;
	size_t column_count;
	const uint64_t *starts; /* (row_count + 1) */
	const uint32_t *columns;
	const float *values;
};

/* ret[0 .. k-1] += scale * (row r of `a`) * w, with w (column_count, k). */
void csr_row_times(const struct csr *a, size_t r, float scale, const float *w, size_t k,
		   float *ret);
/* ret (column_count, k) += (row r of `a`)^T * g, with g (k). */
void csr_row_outer(const struct csr *a, size_t r, const float *g, size_t k, float *ret);

#endif
