#include "selector/work_set.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static int by_support(const void *a, const void *b, void *context)
{
	const float *support = context;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	if (support[i] != support[j])
		return support[i] < support[j] ? -1 : 1;
	return i < j ? -1 : i > j;
}

enum err work_set_choose(const float *support, size_t n, double share, bool *ret_chosen,
			 size_t *ret_count)
{
	assert(share >= 0 && share <= 1);
	size_t count = (size_t)llround(share * (double)n);
	size_t *order = malloc((n ? n : 1) * sizeof(*order));
	if (!order)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < n; i++) {
		order[i] = i;
		ret_chosen[i] = false;
	}
	qsort_r(order, n, sizeof(*order), by_support, (void *)support);
	for (size_t i = 0; i < count; i++)
		ret_chosen[order[i]] = true;
	free(order);
	*ret_count = count;
	return ERR_OK;
}
