#include "cli/score.h"

#include <assert.h>
#include <stdlib.h>

enum err score_init(struct score *s, size_t label_count)
{
	*s = (struct score){.label_count = label_count};
	/* One block: the three columns behind one another. */
	s->gold = calloc(label_count ? 3 * label_count : 1, sizeof *s->gold);
	if (!s->gold)
		return ERR_NO_MEMORY;
	s->predicted = s->gold + label_count;
	s->right = s->predicted + label_count;
	return ERR_OK;
}

void score_done(struct score *s)
{
	free(s->gold);
	*s = (struct score){0};
}

void score_add(struct score *s, size_t gold, size_t predicted)
{
	assert(gold < s->label_count && predicted < s->label_count);
	s->gold[gold]++;
	s->predicted[predicted]++;
	s->right[gold] += gold == predicted;
	s->rows++;
}

double score_accuracy(const struct score *s)
{
	uint64_t right = 0;
	for (size_t i = 0; i < s->label_count; i++)
		right += s->right[i];
	return s->rows ? (double)right / (double)s->rows : 0;
}

double score_macro_f1(const struct score *s)
{
	double sum = 0;
	size_t labels = 0;
	for (size_t i = 0; i < s->label_count; i++) {
		uint64_t both = s->gold[i] + s->predicted[i];
		if (!both)
			continue;
		sum += 2 * (double)s->right[i] / (double)both;
		labels++;
	}
	return labels ? sum / (double)labels : 0;
}
