#include "trainer/job_context.h"

#include <stdlib.h>

enum err job_context_new(struct dataset *d, const char *dir, const struct model_folders *models,
			 uint32_t thread_count, struct job_context **ret_context)
{
	struct job_context *c = calloc(1, sizeof *c);
	if (!c)
		return ERR_NO_MEMORY;
	c->dataset = d;
	c->dir = dir;
	c->models = models;
	c->thread_count = thread_count;
	*ret_context = c;
	return ERR_OK;
}

static void features_forget(struct job_context *c)
{
	features_free(c->features);
	c->features = NULL;
	free(c->folds);
	c->folds = NULL;
	c->sample_count = 0;
}

void job_context_reset(struct job_context *c)
{
	features_forget(c);
	vocabulary_unref(c->vocabulary);
	c->vocabulary = NULL;
	model_free(c->model);
	c->model = NULL;
	encoder_data_free(c->data);
	c->data = NULL;
	encoder_free(c->encoder);
	c->encoder = NULL;
	embedder_free(c->embedder);
	c->embedder = NULL;
}

void job_context_free(struct job_context *c)
{
	if (!c)
		return;
	job_context_reset(c);
	free(c);
}

enum err job_cancelled(struct job *j)
{
	return atomic_load(&j->cancel) ? err_set(&j->msg, ERR_CANCELLED, "cancelled") : ERR_OK;
}

enum err job_run(struct job *j, struct job_context *c)
{
	enum err e = job_cancelled(j);
	if (e)
		return e;
	switch (j->work->order_case) {
	case FREEAL__WORK__ORDER_EMBED:
		return job_embed(j, c);
	case FREEAL__WORK__ORDER_TRAIN:
		return job_train(j, c);
	case FREEAL__WORK__ORDER_PREDICT:
		return job_predict(j, c);
	default:
		return err_set(&j->msg, ERR_INVALID, "not a trainer's work");
	}
}

enum err job_view_open(struct job *j, struct job_context *c, uint64_t first, size_t count,
		       struct dataset_view **ret_view)
{
	enum err e = dataset_view_open(c->dataset, first, count, ret_view);
	return e ? err_set(&j->msg, e, "cannot read samples %llu and on: %s",
			   (unsigned long long)first, err_str(e))
		 : ERR_OK;
}

void job_samples_set(struct job_context *c, uint64_t sample_count)
{
	if (c->sample_count != sample_count)
		features_forget(c);
	c->sample_count = sample_count;
}

enum err job_features_ensure(struct job *j, struct job_context *c, uint64_t sample_count)
{
	if (c->features && c->sample_count == sample_count)
		return ERR_OK;
	features_forget(c);
	struct dataset_view *v;
	enum err e = job_view_open(j, c, 0, (size_t)sample_count, &v);
	if (e)
		return e;
	e = features_new(v->texts, v->text_bytes, v->count, &j->cancel, &c->features, &j->msg);
	dataset_view_close(v);
	if (!e)
		c->sample_count = sample_count;
	return e;
}

enum err job_vocabulary_ensure(struct job *j, struct job_context *c, uint64_t sample_count)
{
	if (c->vocabulary && c->vocabulary_count == sample_count)
		return ERR_OK;
	enum err e = job_features_ensure(j, c, sample_count);
	if (e)
		return e;
	vocabulary_unref(c->vocabulary);
	c->vocabulary = vocabulary_ref(features_vocabulary(c->features));
	c->vocabulary_count = sample_count;
	return ERR_OK;
}

enum err job_folds_ensure(struct job *j, struct job_context *c, uint64_t seed, uint32_t fold_count)
{
	if (c->folds && c->fold_count == fold_count && c->fold_seed == seed)
		return ERR_OK;
	struct dataset_view *v;
	enum err e = job_view_open(j, c, 0, (size_t)c->sample_count, &v);
	if (e)
		return e;
	free(c->folds);
	c->folds = malloc(v->count * sizeof *c->folds);
	for (size_t i = 0; c->folds && i < v->count; i++)
		c->folds[i] = fold_of(seed, v->ids[i], v->id_bytes[i], fold_count);
	dataset_view_close(v);
	if (!c->folds)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the folds");
	c->fold_seed = seed;
	c->fold_count = fold_count;
	return ERR_OK;
}

enum err job_labels_load(struct job *j, struct job_context *c, uint64_t change_count,
			 int32_t **ret_labels, struct candidates **ret_sets)
{
	struct candidates *sets = NULL;
	size_t count = (size_t)c->sample_count;
	int32_t *labels = malloc((count ? count : 1) * sizeof *labels);
	if (!labels)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the labels");
	enum err e = dataset_labels(c->dataset, change_count, labels, count, &sets);
	if (e)
		(void)err_set(&j->msg, e, "cannot read the label changes: %s", err_str(e));
	for (size_t i = 0; !e && i < count; i++) {
		if (labels[i] < -1 || labels[i] >= (int64_t)j->project->n_labels)
			e = err_set(&j->msg, ERR_INVALID, "sample %zu has the label %d of %zu", i,
				    labels[i], j->project->n_labels);
	}
	if (!e && candidates_class_end(sets) > j->project->n_labels)
		e = err_set(&j->msg, ERR_INVALID, "a candidate set names the label %u of %zu",
			    candidates_class_end(sets) - 1, j->project->n_labels);
	if (e) {
		free(labels);
		candidates_free(sets);
		return e;
	}
	*ret_labels = labels;
	*ret_sets = sets;
	return ERR_OK;
}

enum err job_stream_open(struct job *j, struct job_context *c)
{
	return outbox_stream_new(c->dir, j->outcome.stream_name, &j->outcome.stream, &j->msg);
}
