#include "trainer/encoder/tune_plan.h"

#include <assert.h>
#include <stdlib.h>

enum { WINDOW_BATCHES = 16 };

size_t tune_plan_batches(size_t row_count, size_t batch_rows)
{
	return (row_count + batch_rows - 1) / batch_rows;
}

enum err tune_plan_init(struct tune_plan *p, size_t rows_max, size_t batch_rows)
{
	assert(batch_rows > 0);
	size_t batches = tune_plan_batches(rows_max, batch_rows);
	*p = (struct tune_plan){
	    .rows_max = rows_max,
	    .batch_rows = batch_rows,
	    .rows = malloc((rows_max + 1) * sizeof *p->rows),
	    .starts = malloc((batches + 1) * sizeof *p->starts),
	    .order = malloc((batches + 1) * sizeof *p->order),
	    .sorted = malloc(WINDOW_BATCHES * batch_rows * sizeof *p->sorted),
	};
	if (p->rows && p->starts && p->order && p->sorted)
		return ERR_OK;
	tune_plan_done(p);
	return ERR_NO_MEMORY;
}

void tune_plan_done(struct tune_plan *p)
{
	free(p->rows);
	free(p->starts);
	free(p->order);
	free(p->sorted);
	*p = (struct tune_plan){0};
}

static int number_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Deals `count` rows out to the next batches, which lie from `first` on. */
static void window_deal(struct tune_plan *p, const uint32_t *rows, size_t count,
			const uint32_t *lengths, size_t first)
{
	size_t batches = tune_plan_batches(count, p->batch_rows);
	uint32_t *starts = p->starts + p->batch_count;
	for (size_t i = 0; i < count; i++)
		p->sorted[i] = (uint64_t)lengths[rows[i]] << 32 | i;
	qsort(p->sorted, count, sizeof *p->sorted, number_compare);
	size_t at = first;
	for (size_t b = 0; b < batches; b++) {
		starts[b] = (uint32_t)at;
		for (size_t turn = 0; turn * batches < count; turn++) {
			size_t i = turn * batches + (turn % 2 ? batches - 1 - b : b);
			if (i < count)
				p->rows[at++] = rows[(uint32_t)p->sorted[i]];
		}
		p->order[p->batch_count + b] = (uint32_t)(p->batch_count + b);
	}
	assert(at == first + count);
	p->batch_count += batches;
	p->starts[p->batch_count] = (uint32_t)at;
}

void tune_plan_make(struct tune_plan *p, uint32_t *rows, size_t count, const uint32_t *lengths,
		    struct rng *rng)
{
	assert(count <= p->rows_max);
	size_t window = WINDOW_BATCHES * p->batch_rows;
	rng_shuffle(rng, rows, count);
	p->batch_count = 0;
	for (size_t at = 0; at < count; at += window)
		window_deal(p, rows + at, count - at < window ? count - at : window, lengths, at);
	rng_shuffle(rng, p->order, p->batch_count);
}

const uint32_t *tune_plan_batch(const struct tune_plan *p, size_t index, size_t *ret_count)
{
	assert(index < p->batch_count);
	size_t batch = p->order[index];
	*ret_count = p->starts[batch + 1] - p->starts[batch];
	return p->rows + p->starts[batch];
}
