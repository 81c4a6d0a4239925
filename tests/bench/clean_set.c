#include "clean_set.h"

#include "encoder_options.h"
#include "selector/mixture.h"
#include "table.h"

#include <stdlib.h>

static int losses_order(const void *a, const void *b)
{
	const float *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

enum err clean_refit(void *context, uint32_t epoch, const float *losses, size_t row_count,
		     bool *clean)
{
	struct refit *r = context;
	struct mixture mixture;
	(void)epoch;
	float *sorted = grow(NULL, (row_count + 1) * sizeof *sorted);
	size_t n = 0;
	for (size_t i = 0; i < row_count; i++)
		if (r->labels[i] >= 0)
			sorted[n++] = losses[i];
	qsort(sorted, n, sizeof *sorted, losses_order);
	check(mixture_fit(sorted, n, NULL, 0, 0, &mixture));
	for (size_t i = 0; i < row_count; i++)
		clean[i] = r->labels[i] >= 0 && mixture_posterior(&mixture, losses[i]) > 0.7;
	free(sorted);
	if (r->count < REFITS_MAX)
		r->times[r->count++] = seconds_now();
	return r->epochs && r->count > r->epochs ? ERR_CANCELLED : ERR_OK;
}
