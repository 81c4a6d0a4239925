#include "math/softmax.h"

#include "math/simd.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

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

/*
 * e^x for x <= 0 to 2e-7 (Cephes' expf): e^x = 2^n * e^r with |r| <= ln(2) / 2. What is
 * smaller than the least normal number is 0.
 */
static inline __attribute__((always_inline)) float exp_one(float x)
{
	const float least = -87.3f, round = 12582912.0f; /* 1.5 * 2^23: adding it rounds */
	float bounded = x > least ? x : least;
	float n = (bounded * 1.44269504f + round) - round;
	float r = bounded - n * 0.693359375f - n * -2.12194440e-4f;
	float p = 1.9875691500e-4f;
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * (r * r) + r + 1.0f;
	uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
	float power;
	memcpy(&power, &bits, sizeof power);
	return x > least ? p * power : 0.0f;
}

/* ret[i] = e^(logits[i] - shift), their sum. */
SIMD_VERSIONS
static double exp_row(const float *logits, float shift, size_t count, float *ret)
{
	double lanes[LANES] = {0.0}, sum = 0.0;
	for (size_t i = 0; i < count; i++)
		ret[i] = exp_one(logits[i] - shift);
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
