/*
 * TRAIN with candidate sets: what is known of a set becomes one label, by a model that has seen
 * neither the row nor the fold that is held out.
 */
#include "trainer/candidates.h"
#include "trainer/job_context.h"

#include <stdlib.h>

/* A set's likeliest class becomes its label from this share of the set's probability on. */
#define SHARE_MIN 0.6
/* Fewer rows with one label than this share of the sets can't tell: then the class that the LLM
 * named first is taken. */
#define SINGLES_SHARE_MIN 0.1

static bool singles_tell(const int32_t *labels, const bool *held_out, size_t count,
			 const struct candidates *sets)
{
	size_t singles = 0;
	for (size_t i = 0; i < count; i++)
		singles += !held_out[i] && labels[i] >= 0;
	return (double)singles >= SINGLES_SHARE_MIN * (double)candidates_count(sets);
}

static void first_named_take(int32_t *labels, const bool *held_out, size_t count,
			     const struct candidates *sets)
{
	const uint32_t *class_ids;
	for (size_t i = 0; i < count; i++) {
		if (!held_out[i] && candidates_of(sets, i, &class_ids) > 0)
			labels[i] = (int32_t)class_ids[0];
	}
}

/* Rows of fold 1 are predicted, those of fold 0 are trained on. */
static void likeliest_take(int32_t *labels, const bool *held_out, const uint32_t *folds,
			   size_t count, const struct candidates *sets, const float *probabilities,
			   size_t class_count)
{
	for (size_t i = 0, at = 0; i < count; i++) {
		const float *row = probabilities + at * class_count;
		const uint32_t *class_ids;
		double share;
		at += folds[i];
		size_t n = candidates_of(sets, i, &class_ids);
		if (n == 0 || held_out[i])
			continue;
		int32_t likeliest = candidates_likeliest(class_ids, n, row, &share);
		labels[i] = share >= SHARE_MIN ? likeliest : -1;
	}
}

enum err job_candidates_fill(struct job *j, struct job_context *c, int32_t *labels,
			     const struct candidates *sets, const bool *held_out)
{
	size_t count = (size_t)c->sample_count, class_count = j->project->n_labels, predicted = 0;
	if (candidates_count(sets) == 0)
		return ERR_OK;
	if (!singles_tell(labels, held_out, count, sets)) {
		first_named_take(labels, held_out, count, sets);
		return ERR_OK;
	}
	enum err e = job_features_ensure(j, c, c->sample_count);
	if (e)
		return e;
	uint32_t *folds = malloc((count + 1) * sizeof *folds);
	for (size_t i = 0; folds && i < count; i++) {
		const uint32_t *class_ids;
		folds[i] = held_out[i] || candidates_of(sets, i, &class_ids) > 0;
		predicted += folds[i];
	}
	float *probabilities = malloc((predicted + 1) * class_count * sizeof *probabilities);
	if (folds && probabilities) {
		struct ngram_config config = ngram_config_default();
		const struct progress progress = {.cancel = &j->cancel};
		config.thread_count = c->thread_count;
		e = ngram_fold_train(c->features, labels, folds, 1, class_count, &config, &progress,
				     probabilities, &j->msg);
	} else {
		e = err_set(&j->msg, ERR_NO_MEMORY, "no memory for the candidate sets");
	}
	if (!e)
		likeliest_take(labels, held_out, folds, count, sets, probabilities, class_count);
	free(folds);
	free(probabilities);
	return e;
}

void job_candidates_judge(int32_t *labels, const struct candidates *sets, const size_t *rows,
			  size_t row_count, const float *probabilities, size_t class_count)
{
	for (size_t i = 0; i < row_count; i++) {
		const uint32_t *class_ids;
		double share;
		size_t n = candidates_of(sets, rows[i], &class_ids);
		if (n > 0)
			labels[rows[i]] = candidates_likeliest(
			    class_ids, n, probabilities + i * class_count, &share);
	}
}
