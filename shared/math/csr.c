#include "math/csr.h"

#include <assert.h>
#include <string.h>

/*
 * The k columns are worked off in blocks of constant width, whose sums stay in
 * registers while the row's entries go by.
 */
enum { WIDE = 8, NARROW = 2 };

#define INLINE static inline __attribute__((always_inline))

INLINE void times_block(const struct csr *a, size_t r, float scale, const float *w, size_t k,
			float *ret, size_t width)
{
	float sums[WIDE] = {0.0f};
	assert(width <= WIDE);
	for (uint64_t i = a->starts[r]; i < a->starts[r + 1]; i++) {
		const float *row = w + (size_t)a->columns[i] * k;
		for (size_t j = 0; j < width; j++)
			sums[j] += a->values[i] * row[j];
	}
	for (size_t j = 0; j < width; j++)
		ret[j] += scale * sums[j];
}

INLINE void outer_block(const struct csr *a, size_t r, const float *g, size_t k, float *ret,
			size_t width)
{
	float factors[WIDE];
	assert(width <= WIDE);
	memcpy(factors, g, width * sizeof(*g));
	for (uint64_t i = a->starts[r]; i < a->starts[r + 1]; i++) {
		float *row = ret + (size_t)a->columns[i] * k;
		for (size_t j = 0; j < width; j++)
			row[j] += a->values[i] * factors[j];
	}
}

void csr_row_times(const struct csr *a, size_t r, float scale, const float *w, size_t k, float *ret)
{
	assert(r < a->row_count);
	size_t j = 0;
	for (; j + WIDE <= k; j += WIDE)
		times_block(a, r, scale, w + j, k, ret + j, WIDE);
	for (; j + NARROW <= k; j += NARROW)
		times_block(a, r, scale, w + j, k, ret + j, NARROW);
	if (j < k)
		times_block(a, r, scale, w + j, k, ret + j, 1);
}

void csr_row_outer(const struct csr *a, size_t r, const float *g, size_t k, float *ret)
{
	assert(r < a->row_count);
	size_t j = 0;
	for (; j + WIDE <= k; j += WIDE)
		outer_block(a, r, g + j, k, ret + j, WIDE);
	for (; j + NARROW <= k; j += NARROW)
		outer_block(a, r, g + j, k, ret + j, NARROW);
	if (j < k)
		outer_block(a, r, g + j, k, ret + j, 1);
}
