#include "trainer/candidates.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct candidates {
	size_t sample_count;
	size_t added; /* samples 0 .. added-1 have their start and end */
	size_t set_count;
	uint32_t *starts; /* (sample_count + 1) */
	uint32_t *class_ids;
	size_t capacity;
	uint32_t class_end;
};

enum err candidates_new(size_t count, struct candidates **ret_candidates)
{
	struct candidates *c = calloc(1, sizeof *c);
	if (!c)
		return ERR_NO_MEMORY;
	c->sample_count = count;
	c->starts = calloc(count + 1, sizeof *c->starts);
	if (!c->starts) {
		free(c);
		return ERR_NO_MEMORY;
	}
	*ret_candidates = c;
	return ERR_OK;
}

void candidates_free(struct candidates *c)
{
	if (!c)
		return;
	free(c->starts);
	free(c->class_ids);
	free(c);
}

enum err candidates_add(struct candidates *c, size_t sample, const uint32_t *class_ids,
			size_t class_id_count)
{
	assert(sample >= c->added && sample < c->sample_count && class_id_count > 0);
	uint32_t used = c->starts[c->added];
	if (class_id_count > UINT32_MAX / 2 - used)
		return ERR_LIMIT;
	if (used + class_id_count > c->capacity) {
		size_t capacity = 2 * (used + class_id_count);
		uint32_t *grown = realloc(c->class_ids, capacity * sizeof *grown);
		if (!grown)
			return ERR_NO_MEMORY;
		c->class_ids = grown;
		c->capacity = capacity;
	}
	memcpy(c->class_ids + used, class_ids, class_id_count * sizeof *class_ids);
	while (c->added < sample)
		c->starts[++c->added] = used;
	c->starts[++c->added] = used + (uint32_t)class_id_count;
	c->set_count++;
	for (size_t i = 0; i < class_id_count; i++) {
		if (class_ids[i] >= c->class_end)
			c->class_end = class_ids[i] + 1;
	}
	return ERR_OK;
}

size_t candidates_count(const struct candidates *c)
{
	return c ? c->set_count : 0;
}

size_t candidates_of(const struct candidates *c, size_t sample, const uint32_t **ret_class_ids)
{
	if (!c || sample >= c->added)
		return 0;
	*ret_class_ids = c->class_ids + c->starts[sample];
	return c->starts[sample + 1] - c->starts[sample];
}

uint32_t candidates_class_end(const struct candidates *c)
{
	return c ? c->class_end : 0;
}

int32_t candidates_likeliest(const uint32_t *class_ids, size_t class_id_count,
			     const float *probabilities, double *ret_share)
{
	uint32_t best = class_ids[0];
	double sum = 0;
	for (size_t i = 0; i < class_id_count; i++) {
		sum += probabilities[class_ids[i]];
		if (probabilities[class_ids[i]] > probabilities[best])
			best = class_ids[i];
	}
	*ret_share = sum > 0 ? probabilities[best] / sum : 1.0 / (double)class_id_count;
	return (int32_t)best;
}
