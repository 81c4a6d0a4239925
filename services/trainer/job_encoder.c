/*
 * TRAIN under a model of type encoder: out-of-fold probabilities by several views, and the
 * final training.
 *
 * Samples lie in ten folds by their id; a half is five of them. The views on n-grams and on
 * frozen vectors judge each tenth and its counterpart in the other half by a model of the other
 * eight; the fine-tuned view judges a half by a model of the other one. A sample's probabilities
 * are the geometric mean of its views', renormalised: what one view has never seen, another may
 * know, and no single one is as sure as it says.
 */
#include "base/crash.h"
#include "base/folder.h"
#include "base/log.h"
#include "trainer/encoder/linear.h"
#include "trainer/job_context.h"
#include "trainer/plan.h"
#include "trainer/views.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SUB_FOLDS (JOB_ENCODER_FOLDS / 2)
/* A model that judges one sub-fold of both halves. */
typedef enum err sub_fold_fn(struct job *j, struct job_context *c, const void *data,
			     const int32_t *labels, const uint32_t *folds, uint32_t fold,
			     float *ret_probs);

static enum err ngram_sub_fold(struct job *j, struct job_context *c, const void *data,
			       const int32_t *labels, const uint32_t *folds, uint32_t fold,
			       float *ret_probs)
{
	(void)data;
	struct ngram_config config = ngram_config_default();
	config.thread_count = c->thread_count;
	config.robust.seed = j->work->train->seed;
	const struct progress progress = {.cancel = &j->cancel};
	return ngram_fold_train(c->features, labels, folds, fold, j->project->n_labels, &config,
				&progress, ret_probs, &j->msg);
}

static enum err vectors_sub_fold(struct job *j, struct job_context *c, const void *data,
				 const int32_t *labels, const uint32_t *folds, uint32_t fold,
				 float *ret_probs)
{
	struct linear_config config = linear_config_default();
	config.thread_count = c->thread_count;
	const struct progress progress = {.cancel = &j->cancel};
	return linear_fold_train(data, c->vectors.dimensions, labels, folds,
				 (size_t)c->sample_count, fold, j->project->n_labels, &config,
				 &progress, ret_probs, &j->msg);
}

/* Adds the judgements of the half's rows, sub-fold by sub-fold. */
static enum err sub_folds_add(struct job *j, struct job_context *c, const struct job_fold *f,
			      sub_fold_fn *train, const void *data)
{
	size_t count = (size_t)c->sample_count, class_count = j->project->n_labels;
	uint32_t half = j->work->train->fold;
	uint32_t *folds = malloc((count + 1) * sizeof *folds);
	float *probs = malloc((count + 1) * class_count * sizeof *probs);
	enum err e = folds && probs
			 ? ERR_OK
			 : err_set(&j->msg, ERR_NO_MEMORY, "no memory for fold %u", half);
	for (size_t i = 0; !e && i < count; i++)
		folds[i] = c->folds[i] % SUB_FOLDS;
	for (uint32_t k = 0; !e && k < SUB_FOLDS; k++) {
		e = train(j, c, data, f->labels, folds, k, probs);
		for (size_t i = 0, judged = 0, row = 0; !e && i < count; i++) {
			bool ours = c->folds[i] / SUB_FOLDS == half;
			if (ours && folds[i] == k)
				views_add(f->probabilities + row * class_count,
					  probs + judged * class_count, class_count);
			judged += folds[i] == k;
			row += ours;
		}
	}
	free(folds);
	free(probs);
	return e;
}

static enum err vectors_add(struct job *j, struct job_context *c, const struct job_fold *f)
{
	size_t count = (size_t)c->sample_count;
	float *vectors = NULL;
	enum err e = job_vectors_ensure(j, c);
	if (e)
		return e;
	vectors = malloc((count + 1) * c->vectors.dimensions * sizeof *vectors);
	if (!vectors)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the vectors");
	e = job_vectors_get(j, c, 0, count, vectors);
	if (!e)
		e = sub_folds_add(j, c, f, vectors_sub_fold, vectors);
	free(vectors);
	return e;
}

static enum err data_ensure(struct job *j, struct job_context *c)
{
	if (c->data && c->data_count == c->sample_count)
		return ERR_OK;
	encoder_data_free(c->data);
	c->data = NULL;
	struct dataset_view *v;
	enum err e = job_view_open(j, c, 0, (size_t)c->sample_count, &v);
	if (e)
		return e;
	bool any = dataset_view_augmented(v);
	e = encoder_data_new(c->encoder, v->texts, v->text_bytes, any ? v->augmented : NULL,
			     any ? v->augmented_bytes : NULL, v->count, &c->data, &j->msg);
	dataset_view_close(v);
	c->data_count = c->sample_count;
	if (!e && encoder_data_cut(c->data) > 0)
		log_warn("texts_cut", "texts=%zu tokens=%u", encoder_data_cut(c->data),
			 encoder_tokens_max(c->encoder));
	return e;
}

/* Where the training stands after its last epoch; of another training it is not taken. */
static enum err training_path(struct job *j, const struct job_context *c, char *ret_path)
{
	return folder_path(c->dir, JOB_TRAINING_NAME, ret_path, &j->msg);
}

/* Kept where the process was told to stop: the next lease goes on from there. */
static void training_forget(const char *path, enum err e)
{
	if (e != ERR_CANCELLED)
		(void)unlink(path);
}

static enum err tuned_add(struct job *j, struct job_context *c, const struct job_fold *f)
{
	size_t count = (size_t)c->sample_count, class_count = j->project->n_labels;
	char path[PATH_MAX];
	bool *held_out = calloc(count + 1, sizeof *held_out);
	float *probs = malloc((f->row_count + 1) * class_count * sizeof *probs);
	enum err e = held_out && probs ? training_path(j, c, path)
				       : err_set(&j->msg, ERR_NO_MEMORY, "no memory for the fold");
	for (size_t i = 0; !e && i < f->row_count; i++)
		held_out[f->rows[i]] = true;
	if (!e)
		e = data_ensure(j, c);
	if (!e) {
		const struct progress progress = {&j->cancel, &j->done, &j->total};
		const struct tune_config config =
		    plan_fold(j->project->model, j->work->train->seed);
		e = encoder_fold_train(c->encoder, c->data, f->labels, held_out, class_count,
				       &config, &progress, path, probs, &j->msg);
		training_forget(path, e);
		e = job_encoder_error(e);
	}
	for (size_t i = 0; !e && i < f->row_count; i++)
		views_add(f->probabilities + i * class_count, probs + i * class_count, class_count);
	free(held_out);
	free(probs);
	return e;
}

enum err job_encoder_fold(struct job *j, struct job_context *c, const struct job_fold *f)
{
	uint32_t views = j->project->model->views;
	size_t class_count = j->project->n_labels, view_count = 0;
	for (size_t i = 0; i < f->row_count * class_count; i++)
		f->probabilities[i] = 0;
	enum err e = job_encoder_ensure(j, c);
	if (!e && views & PLAN_VIEW_NGRAM) {
		e = sub_folds_add(j, c, f, ngram_sub_fold, NULL);
		view_count++;
	}
	if (!e && views & PLAN_VIEW_VECTORS) {
		e = vectors_add(j, c, f);
		view_count++;
	}
	if (!e && views & PLAN_VIEW_TUNED) {
		e = tuned_add(j, c, f);
		view_count++;
	}
	if (!e && view_count == 0)
		e = err_set(&j->msg, ERR_INVALID, "the project has no views to judge by");
	if (!e)
		views_mean(f->probabilities, f->row_count, class_count, view_count);
	return e;
}

enum err job_encoder_final(struct job *j, struct job_context *c, const struct job_final *final)
{
	char path[PATH_MAX];
	enum err e = training_path(j, c, path);
	if (!e)
		e = job_encoder_ensure(j, c);
	if (!e)
		e = data_ensure(j, c);
	if (e)
		return e;
	const struct progress progress = {&j->cancel, &j->done, &j->total};
	const struct tune_config config = plan_final(j->project->model, j->work->train->seed);
	const struct encoder_training training = {.data = c->data,
						  .labels = final->labels,
						  .clean = final->clean,
						  .class_count = j->project->n_labels,
						  .refit = final->refit,
						  .refit_context = final->refit_context,
						  .label_names = final->label_names,
						  .folder = c->models->made};
	e = encoder_train(c->encoder, &training, &config, &progress, path,
			  &j->outcome.model_checksum, &j->outcome.loss, &j->msg);
	crash_point("encoder_saved");
	training_forget(path, e);
	return job_encoder_error(e);
}
