#include "trainer/views.h"

#include "math/softmax.h"

#include <math.h>

void views_add(float *logs, const float *probabilities, size_t count)
{
	for (size_t i = 0; i < count; i++)
		logs[i] += logf(fmaxf(probabilities[i], VIEW_PROBABILITY_MIN));
}

void views_mean(float *logs, size_t row_count, size_t class_count, size_t view_count)
{
	for (size_t i = 0; i < row_count * class_count; i++)
		logs[i] /= (float)view_count;
	for (size_t i = 0; i < row_count; i++)
		(void)softmax(logs + i * class_count, class_count, logs + i * class_count);
}
