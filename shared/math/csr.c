#include "math/csr.h"

#include "math/simd.h"

#include <assert.h>
#include <stdbool.h>

/*
 * The k columns are worked off in blocks of constant width, whose sums stay in
 * registers while the row's entries go by. The entries of a row lie far apart in the
 * matrix, so they are fetched some entries ahead.
 */
enum { WIDE = 4, AHEAD = 8, LINE_FLOATS = 16 };

#define INLINE static inline __attribute__((always_inline))

INLINE void row_fetch(const struct csr *a, uint64_t i, uint64_t end, const float *w, size_t k)
{
	if (i + AHEAD >= end)
		return;
	const float *row = w + (size_t)a->columns[i + AHEAD] * k;
	for (size_t j = 0; j < k; j += LINE_FLOATS)
		__builtin_prefetch(row + j);
}

/* 8 * `width` columns. */
INLINE void times_wide(const struct csr *a, size_t r, float scale, const float *w, size_t k,
		       float *ret, size_t width, bool fetch)
{
	simd8 sums[WIDE] = {{0.0f}};
	uint64_t end = a->starts[r + 1];
	for (uint64_t i = a->starts[r]; i < end; i++) {
		const float *row = w + (size_t)a->columns[i] * k;
		if (fetch)
			row_fetch(a, i, end, w, k);
		for (size_t j = 0; j < width; j++)
			sums[j] += a->values[i] * *(const simd8 *)(row + 8 * j);
	}
	for (size_t j = 0; j < width; j++)
		*(simd8 *)(ret + 8 * j) += scale * sums[j];
}

INLINE void times_narrow(const struct csr *a, size_t r, float scale, const float *w, size_t k,
			 float *ret, size_t width)
{
	float sums[8] = {0.0f};
	for (uint64_t i = a->starts[r]; i < a->starts[r + 1]; i++) {
		const float *row = w + (size_t)a->columns[i] * k;
		for (size_t j = 0; j < width; j++)
			sums[j] += a->values[i] * row[j];
	}
	for (size_t j = 0; j < width; j++)
		ret[j] += scale * sums[j];
}

SIMD_VERSIONS
void csr_row_times(const struct csr *a, size_t r, float scale, const float *w, size_t k, float *ret)
{
	assert(r < a->row_count);
	size_t j = 0;
	for (; j + 8 * WIDE <= k; j += 8 * WIDE)
		times_wide(a, r, scale, w + j, k, ret + j, WIDE, j == 0);
	for (; j + 16 <= k; j += 16)
		times_wide(a, r, scale, w + j, k, ret + j, 2, false);
	for (; j + 8 <= k; j += 8)
		times_wide(a, r, scale, w + j, k, ret + j, 1, false);
	for (; j + 4 <= k; j += 4)
		times_narrow(a, r, scale, w + j, k, ret + j, 4);
	for (; j + 2 <= k; j += 2)
		times_narrow(a, r, scale, w + j, k, ret + j, 2);
	if (j < k)
		times_narrow(a, r, scale, w + j, k, ret + j, 1);
}

INLINE void outer_narrow(const struct csr *a, size_t r, const float *g, size_t k, float *ret)
{
	for (uint64_t i = a->starts[r]; i < a->starts[r + 1]; i++) {
		float *row = ret + (size_t)a->columns[i] * k;
		for (size_t j = 0; j < k; j++)
			row[j] += a->values[i] * g[j];
	}
}

SIMD_VERSIONS
void csr_row_outer(const struct csr *a, size_t r, const float *g, size_t k, float *ret)
{
	assert(r < a->row_count);
	uint64_t end = a->starts[r + 1];
	if (k < 8) {
		outer_narrow(a, r, g, k, ret);
		return;
	}
	for (uint64_t i = a->starts[r]; i < end; i++) {
		float *row = ret + (size_t)a->columns[i] * k;
		float value = a->values[i];
		size_t j = 0;
		row_fetch(a, i, end, ret, k);
		for (; j + 8 <= k; j += 8)
			*(simd8 *)(row + j) += value * *(const simd8 *)(g + j);
		for (; j < k; j++)
			row[j] += value * g[j];
	}
}
