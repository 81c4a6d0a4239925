#include "math/csr.h"

#include <assert.h>

void csr_row_times(const struct csr *a, size_t r, float scale, const float *w, size_t k, float *ret)
{
	assert(r < a->row_count);
	uint64_t end = a->starts[r + 1];
	if (k == 1) {
		float sum = 0.0f;
		for (uint64_t i = a->starts[r]; i < end; i++)
			sum += a->values[i] * w[a->columns[i]];
		ret[0] += scale * sum;
		return;
	}
	for (uint64_t i = a->starts[r]; i < end; i++) {
		const float *row = w + (size_t)a->columns[i] * k;
		float value = scale * a->values[i];
		for (size_t j = 0; j < k; j++)
			ret[j] += value * row[j];
	}
}

void csr_row_outer(const struct csr *a, size_t r, const float *g, size_t k, float *ret)
{
	assert(r < a->row_count);
	uint64_t end = a->starts[r + 1];
	if (k == 1) {
		for (uint64_t i = a->starts[r]; i < end; i++)
			ret[a->columns[i]] += a->values[i] * g[0];
		return;
	}
	for (uint64_t i = a->starts[r]; i < end; i++) {
		float *row = ret + (size_t)a->columns[i] * k;
		float value = a->values[i];
		for (size_t j = 0; j < k; j++)
			row[j] += value * g[j];
	}
}
