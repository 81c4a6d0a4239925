#include "math/softmax.h"

#include "math/exponential.h"
#include "math/simd.h"

#include <assert.h>
#include <math.h>

enum { BLOCK = 64, LANES = 8 };

size_t softmax_argmax(const float *values, size_t count)
{
	assert(count > 0);
	size_t best = 0;
	for (size_t i = 1; i < count; i++)
		if (values[i] > values[best])
			best = i;
	return best;
}

/* ret[i] = e^(logits[i] - shift), their sum. */
SIMD_VERSIONS
static double exp_row(const float *logits, float shift, size_t count, float *ret)
{
	double lanes[LANES] = {0.0}, sum = 0.0;
	for (size_t i = 0; i < count; i++)
		ret[i] = exponential(logits[i] - shift);
	size_t i = 0;
	for (; i + LANES <= count; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			lanes[j] += (double)ret[i + j];
	for (; i < count; i++)
		sum += (double)ret[i];
	for (size_t j = 0; j < LANES; j++)
		sum += lanes[j];
	return sum;
}

double softmax_log_sum(const float *logits, size_t count)
{
	float max = logits[softmax_argmax(logits, count)];
	float block[BLOCK];
	double sum = 0.0;
	for (size_t at = 0; at < count; at += BLOCK)
		sum += exp_row(logits + at, max, count - at < BLOCK ? count - at : BLOCK, block);
	return (double)max + log(sum);
}

double softmax(const float *logits, size_t count, float *ret)
{
	float max = logits[softmax_argmax(logits, count)];
	double sum = exp_row(logits, max, count, ret);
	float scale = (float)(1.0 / sum);
	for (size_t i = 0; i < count; i++)
		ret[i] *= scale;
	return (double)max + log(sum);
}
