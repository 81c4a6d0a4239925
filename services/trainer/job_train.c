/* TRAIN: a fold model and its held-out rows' probabilities, or the final model. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "trainer/checkpoint.h"
#include "trainer/job_context.h"
#include "trainer/plan.h"
#include "wire/folder_stream.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct ngram_config config_make(const struct job *j, const struct job_context *c)
{
	struct ngram_config config = ngram_config_default();
	config.thread_count = c->thread_count;
	config.robust.seed = j->work->train->seed;
	if (j->project->model && j->project->model->epochs)
		config.robust.epochs = j->project->model->epochs;
	return config;
}

/* A fold's rows with their probabilities, as OofChunks. */
static enum err oof_write(struct job *j, const size_t *rows, size_t row_count,
			  const int32_t *labels, const float *probabilities)
{
	size_t class_count = j->project->n_labels;
	size_t chunk_rows = CHUNK_BYTES_TARGET / (16 + class_count * sizeof(float));
	uint64_t *numbers = malloc(chunk_rows * sizeof *numbers);
	int32_t *classes = malloc(chunk_rows * sizeof *classes);
	enum err e =
	    numbers && classes ? ERR_OK : err_set(&j->msg, ERR_NO_MEMORY, "no memory for a chunk");
	for (size_t at = 0; !e && (at < row_count || at == 0); at += chunk_rows) {
		size_t n = row_count - at < chunk_rows ? row_count - at : chunk_rows;
		for (size_t i = 0; i < n; i++) {
			numbers[i] = rows[at + i];
			classes[i] = labels[rows[at + i]];
		}
		Freeal__OofChunk chunk = FREEAL__OOF_CHUNK__INIT;
		chunk.sample_nos = numbers;
		chunk.class_ids = classes;
		chunk.probabilities = (float *)probabilities + at * class_count;
		chunk.n_sample_nos = chunk.n_class_ids = n;
		chunk.n_probabilities = n * class_count;
		e = outbox_stream_add(j->outcome.stream, &chunk.base, n, &j->msg);
	}
	free(numbers);
	free(classes);
	return e;
}

double job_rows_loss(const size_t *rows, size_t row_count, const int32_t *labels,
		     const float *probabilities, size_t class_count)
{
	double sum = 0;
	size_t labelled = 0;
	for (size_t i = 0; i < row_count; i++) {
		int32_t label = labels[rows ? rows[i] : i];
		if (label < 0)
			continue;
		double p = probabilities[i * class_count + (size_t)label];
		sum -= log(p > 1e-12 ? p : 1e-12);
		labelled++;
	}
	return labelled ? sum / (double)labelled : 0;
}

static enum err ngram_fold(struct job *j, struct job_context *c, const struct job_fold *fold)
{
	const struct ngram_config config = config_make(j, c);
	const struct progress progress = {&j->cancel, &j->done, &j->total};
	enum err e = ngram_fold_train(c->features, fold->labels, c->folds, j->work->train->fold,
				      j->project->n_labels, &config, &progress, fold->probabilities,
				      &j->msg);
	return !e && j->project->embeddings ? job_embeddings_view(j, c, fold) : e;
}

static enum err fold_train(struct job *j, struct job_context *c, int32_t *labels,
			   const struct candidates *sets)
{
	const Freeal__TrainOrder *order = j->work->train;
	size_t class_count = j->project->n_labels, row_count = 0;
	uint32_t group = c->fold_count / order->folds;
	for (size_t i = 0; i < c->sample_count; i++) {
		bool held_out = c->folds[i] / group == order->fold;
		row_count += held_out;
		j->outcome.row_count += !held_out && labels[i] >= 0;
	}
	size_t *rows = malloc((row_count + 1) * sizeof *rows);
	bool *held_out = calloc(c->sample_count + 1, sizeof *held_out);
	float *probabilities = malloc((row_count + 1) * class_count * sizeof *probabilities);
	enum err e = rows && held_out && probabilities
			 ? ERR_OK
			 : err_set(&j->msg, ERR_NO_MEMORY, "no memory for fold %u", order->fold);
	for (size_t i = 0, at = 0; !e && i < c->sample_count; i++) {
		if (c->folds[i] / group != order->fold)
			continue;
		held_out[i] = true;
		rows[at++] = i;
	}
	if (!e)
		e = job_candidates_fill(j, c, labels, sets, held_out);
	const struct job_fold fold = {labels, rows, row_count, probabilities};
	if (!e)
		e = plan_is_encoder(j->project) ? job_encoder_fold(j, c, &fold)
						: ngram_fold(j, c, &fold);
	crash_point("fold_trained");
	(void)snprintf(j->outcome.stream_name, sizeof j->outcome.stream_name, "oof/%u/%u",
		       j->work->name->round, order->fold);
	if (!e)
		e = job_stream_open(j, c);
	if (!e)
		job_candidates_judge(labels, sets, rows, row_count, probabilities, class_count);
	if (!e)
		e = oof_write(j, rows, row_count, labels, probabilities);
	if (!e)
		j->outcome.loss =
		    job_rows_loss(rows, row_count, labels, probabilities, class_count);
	free(rows);
	free(held_out);
	free(probabilities);
	return e;
}

/* Second views where a sample has an augmented text; NULL when none has. */
static enum err augmented_load(struct job *j, struct job_context *c, struct features **ret_features)
{
	struct dataset_view *v;
	enum err e = job_view_open(j, c, 0, (size_t)c->sample_count, &v);
	if (e)
		return e;
	*ret_features = NULL;
	if (dataset_view_augmented(v))
		e = features_like(c->features, v->augmented, v->augmented_bytes, v->count,
				  ret_features, &j->msg);
	dataset_view_close(v);
	return e;
}

/* The labels to train on, with what the selector overrules and made of candidate sets; which of
 * them it trusts. */
static bool *clean_make(struct job *j, struct job_context *c, int32_t *labels,
			const struct candidates *sets)
{
	const uint32_t *class_ids;
	const struct selection *s = j->selection;
	assert(s && s->count == c->sample_count);
	int32_t class_count = (int32_t)j->project->n_labels;
	bool *clean = calloc(s->count + 1, sizeof *clean);
	size_t clean_count = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (s->overrule[i] && s->slm_labels[i] >= 0 && s->slm_labels[i] < class_count)
			labels[i] = s->slm_labels[i];
		else if (candidates_of(sets, i, &class_ids) > 0 && s->class_ids[i] < class_count)
			labels[i] = s->class_ids[i];
		j->outcome.row_count += labels[i] >= 0;
		if (clean)
			clean[i] = s->clean[i] && labels[i] >= 0;
		clean_count += clean && clean[i];
	}
	/* Nothing is trusted: then all labels count alike. */
	for (size_t i = 0; clean && clean_count == 0 && i < s->count; i++)
		clean[i] = labels[i] >= 0;
	return clean;
}

/* Mean cross-entropy of the labelled rows under the model. */
static enum err training_loss(struct job *j, struct job_context *c, const struct ngram *model,
			      const int32_t *labels)
{
	size_t class_count = j->project->n_labels, count = (size_t)c->sample_count;
	float *probabilities = malloc(count * class_count * sizeof *probabilities);
	if (!probabilities)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the training rows' losses");
	ngram_predict_rows(model, c->features, c->thread_count, probabilities);
	j->outcome.loss = job_rows_loss(NULL, count, labels, probabilities, class_count);
	free(probabilities);
	return ERR_OK;
}

static enum err ngram_final(struct job *j, struct job_context *c, const struct job_final *final)
{
	struct features *augmented = NULL;
	struct ngram *model = NULL;
	enum err e = augmented_load(j, c, &augmented);
	const struct ngram_config config = config_make(j, c);
	const struct progress progress = {&j->cancel, &j->done, &j->total};
	const struct ngram_training training = {.features = c->features,
						.augmented = augmented,
						.labels = final->labels,
						.clean = final->clean,
						.class_count = j->project->n_labels,
						.refit = final->refit,
						.refit_context = final->refit_context};
	if (!e)
		e = ngram_train(&training, &config, &progress, &model, &j->msg);
	if (!e)
		e = training_loss(j, c, model, final->labels);
	if (!e)
		e = ngram_save(model, final->label_names, c->models->made,
			       &j->outcome.model_checksum, &j->msg);
	ngram_free(model);
	features_free(augmented);
	return e;
}

static enum err final_train(struct job *j, struct job_context *c, int32_t *labels,
			    const struct candidates *sets)
{
	const char *folder = c->models->made;
	const char **names = calloc(j->project->n_labels, sizeof *names);
	bool *clean = clean_make(j, c, labels, sets);
	struct job_refit refit = {j, c, labels};
	const struct job_final final = {.labels = labels,
					.clean = clean,
					.refit = j->refit ? job_clean_refit : NULL,
					.refit_context = &refit,
					.label_names = names};
	enum err e = names && clean
			 ? ERR_OK
			 : err_set(&j->msg, ERR_NO_MEMORY, "no memory for the clean set");
	for (size_t i = 0; names && i < j->project->n_labels; i++)
		names[i] = j->project->labels[i]->name;
	if (!e)
		e = plan_is_encoder(j->project) ? job_encoder_final(j, c, &final)
						: ngram_final(j, c, &final);
	free(names);
	free(clean);
	if (e)
		return e;
	e = folder_stream_bytes(folder, &j->outcome.model_bytes);
	return e ? err_set(&j->msg, e, "cannot read the checkpoint %s: %s", folder, err_str(e))
		 : ERR_OK;
}

/* What all trainings of these samples share. */
static enum err samples_ensure(struct job *j, struct job_context *c,
			       const Freeal__TrainOrder *order)
{
	bool encoder = plan_is_encoder(j->project);
	enum err e = ERR_OK;
	/* An encoder's final training needs no n-grams. */
	if (encoder && (order->final || !(j->project->model->views & PLAN_VIEW_NGRAM)))
		job_samples_set(c, order->sample_count);
	else
		e = job_features_ensure(j, c, order->sample_count);
	if (e || order->final)
		return e;
	return encoder ? job_folds_ensure(j, c, order->seed, JOB_ENCODER_FOLDS)
		       : job_folds_ensure(j, c, order->seed, order->folds);
}

enum err job_train(struct job *j, struct job_context *c)
{
	const Freeal__TrainOrder *order = j->work->train;
	double start_s = clock_seconds();
	int32_t *labels = NULL;
	struct candidates *sets = NULL;
	enum err e = samples_ensure(j, c, order);
	if (!e)
		e = job_labels_load(j, c, order->change_count, &labels, &sets);
	if (!e)
		e = order->final ? final_train(j, c, labels, sets) : fold_train(j, c, labels, sets);
	free(labels);
	candidates_free(sets);
	j->outcome.seconds = clock_seconds() - start_s;
	return e;
}
