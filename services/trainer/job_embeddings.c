/* TRAIN of an `ngram` model with an embeddings endpoint: its vectors are a second view. */
#include "trainer/encoder/linear.h"
#include "trainer/job_context.h"
#include "trainer/views.h"

#include <math.h>
#include <stdlib.h>

/* Of more the vectors are no view: a trainer holds them all at once. */
#define VIEW_BYTES_MAX ((size_t)4 << 30)

static void views_join(float *probabilities, const float *others, size_t row_count,
		       size_t class_count)
{
	size_t size = row_count * class_count;
	for (size_t i = 0; i < size; i++)
		probabilities[i] = logf(fmaxf(probabilities[i], VIEW_PROBABILITY_MIN));
	views_add(probabilities, others, size);
	views_mean(probabilities, row_count, class_count, 2);
}

/* The n-grams' probabilities become the geometric mean of theirs and a linear model's on the
 * embeddings. */
enum err job_embeddings_view(struct job *j, struct job_context *c, const struct job_fold *fold)
{
	size_t count = (size_t)c->sample_count, class_count = j->project->n_labels;
	enum err e = job_vectors_ensure(j, c);
	if (e || count * c->vectors.dimensions * sizeof(float) > VIEW_BYTES_MAX)
		return e;
	float *vectors = malloc((count * c->vectors.dimensions + 1) * sizeof *vectors);
	float *probs = malloc((fold->row_count + 1) * class_count * sizeof *probs);
	e = vectors && probs ? job_vectors_get(j, c, 0, count, vectors)
			     : err_set(&j->msg, ERR_NO_MEMORY, "no memory for the embeddings");
	struct linear_config config = linear_config_default();
	config.thread_count = c->thread_count;
	const struct progress progress = {.cancel = &j->cancel};
	if (!e)
		e = linear_fold_train(vectors, c->vectors.dimensions, fold->labels, c->folds, count,
				      j->work->train->fold, class_count, &config, &progress, probs,
				      &j->msg);
	if (!e)
		views_join(fold->probabilities, probs, fold->row_count, class_count);
	free(vectors);
	free(probs);
	return e;
}
