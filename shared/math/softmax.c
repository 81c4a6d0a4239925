#include "math/softmax.h"

#include <assert.h>
#include <math.h>

size_t softmax_argmax(const float *values, size_t count)
{
	assert(count > 0);
	size_t best = 0;
	for (size_t i = 1; i < count; i++)
		if (values[i] > values[best])
			best = i;
	return best;
}

double softmax_log_sum(const float *logits, size_t count)
{
	double max = logits[softmax_argmax(logits, count)];
	double sum = 0.0;
	for (size_t i = 0; i < count; i++)
		sum += exp(logits[i] - max);
	return max + log(sum);
}

void softmax(const float *logits, size_t count, float *ret)
{
	double log_sum = softmax_log_sum(logits, count);
	for (size_t i = 0; i < count; i++)
		ret[i] = (float)exp(logits[i] - log_sum);
}
