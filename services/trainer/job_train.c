/* TRAIN: a fold model and its held-out rows' probabilities, or the final model. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "trainer/checkpoint.h"
#include "trainer/job_context.h"
#include "wire/folder_stream.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double seconds_now(void)
{
	struct clock clock = clock_system();
	return (double)clock_mono_ms(&clock) / 1000.0;
}

static struct ngram_config config_make(const struct job *j, const struct job_context *c)
{
	struct ngram_config config = ngram_config_default();
	config.thread_count = c->thread_count;
	config.robust.seed = j->work->train->seed;
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

/* Mean cross-entropy of those rows (NULL: all) that have a label; 0 without any. */
static double rows_loss(const size_t *rows, size_t row_count, const int32_t *labels,
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

static enum err fold_train(struct job *j, struct job_context *c, const int32_t *labels)
{
	const Freeal__TrainOrder *order = j->work->train;
	size_t class_count = j->project->n_labels, row_count = 0;
	for (size_t i = 0; i < c->sample_count; i++) {
		bool held_out = c->folds[i] == order->fold;
		row_count += held_out;
		j->outcome.row_count += !held_out && labels[i] >= 0;
	}
	size_t *rows = malloc((row_count + 1) * sizeof *rows);
	float *probabilities = malloc((row_count + 1) * class_count * sizeof *probabilities);
	enum err e = rows && probabilities
			 ? ERR_OK
			 : err_set(&j->msg, ERR_NO_MEMORY, "no memory for fold %u", order->fold);
	for (size_t i = 0, at = 0; !e && i < c->sample_count; i++) {
		if (c->folds[i] == order->fold)
			rows[at++] = i;
	}
	struct ngram_config config = config_make(j, c);
	struct progress progress = {&j->cancel, &j->done, &j->total};
	if (!e)
		e = ngram_fold_train(c->features, labels, c->folds, order->fold, class_count,
				     &config, &progress, probabilities, &j->msg);
	crash_point("fold_trained");
	(void)snprintf(j->outcome.stream_name, sizeof j->outcome.stream_name, "oof/%u/%u",
		       j->work->name->round, order->fold);
	if (!e)
		e = job_stream_open(j, c);
	if (!e)
		e = oof_write(j, rows, row_count, labels, probabilities);
	if (!e)
		j->outcome.loss = rows_loss(rows, row_count, labels, probabilities, class_count);
	free(rows);
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
	bool any = false;
	for (size_t i = 0; i < v->count && !any; i++)
		any = v->augmented_bytes[i] > 0;
	*ret_features = NULL;
	if (any)
		e = features_like(c->features, v->augmented, v->augmented_bytes, v->count,
				  ret_features, &j->msg);
	dataset_view_close(v);
	return e;
}

/* The labels to train on, with what the selector overrules; which of them it trusts. */
static bool *clean_make(struct job *j, struct job_context *c, int32_t *labels)
{
	const struct selection *s = j->selection;
	assert(s && s->count == c->sample_count);
	int32_t class_count = (int32_t)j->project->n_labels;
	bool *clean = calloc(s->count + 1, sizeof *clean);
	size_t clean_count = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (s->overrule[i] && s->slm_labels[i] >= 0 && s->slm_labels[i] < class_count)
			labels[i] = s->slm_labels[i];
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

/* What the callback of recipe "paper" works on. */
struct refit_context {
	struct job *job;
	struct job_context *context;
	const int32_t *labels; /* (sample_count) */
};

/* The labelled rows' losses, as LossChunks. */
static enum err losses_write(struct job *j, struct outbox_stream *s, const float *losses,
			     const int32_t *labels, size_t row_count)
{
	const size_t chunk_rows = CHUNK_BYTES_TARGET / 16;
	uint64_t *numbers = malloc(chunk_rows * sizeof *numbers);
	int32_t *classes = malloc(chunk_rows * sizeof *classes);
	float *values = malloc(chunk_rows * sizeof *values);
	enum err e = numbers && classes && values
			 ? ERR_OK
			 : err_set(&j->msg, ERR_NO_MEMORY, "no memory for the losses");
	for (size_t i = 0; !e && i < row_count;) {
		size_t n = 0;
		for (; i < row_count && n < chunk_rows; i++) {
			if (labels[i] < 0)
				continue;
			numbers[n] = i;
			classes[n] = labels[i];
			values[n++] = losses[i];
		}
		Freeal__LossChunk chunk = FREEAL__LOSS_CHUNK__INIT;
		chunk.sample_nos = numbers;
		chunk.class_ids = classes;
		chunk.losses = values;
		chunk.n_sample_nos = chunk.n_class_ids = chunk.n_losses = n;
		e = outbox_stream_add(s, &chunk.base, n, &j->msg);
	}
	free(numbers);
	free(classes);
	free(values);
	return e;
}

static enum err clean_refit(void *context, uint32_t epoch, const float *losses, size_t row_count,
			    bool *clean)
{
	struct refit_context *r = context;
	struct job *j = r->job;
	char name[STREAM_NAME_BYTES_MAX];
	(void)snprintf(name, sizeof name, "loss/%u/%u", j->work->name->round, epoch);
	struct outbox_stream *s;
	struct selection *selection = NULL;
	enum err e = outbox_stream_new(r->context->dir, name, &s, &j->msg);
	if (e)
		return e;
	e = losses_write(j, s, losses, r->labels, row_count);
	if (e) {
		outbox_stream_free(s);
		return e;
	}
	e = refit_ask(j->refit, s, epoch, &j->cancel, &selection, &j->msg);
	if (e)
		return e;
	assert(selection->count == row_count);
	for (size_t i = 0; i < row_count; i++)
		clean[i] = selection->clean[i] && r->labels[i] >= 0;
	selection_free(selection);
	return ERR_OK;
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
	j->outcome.loss = rows_loss(NULL, count, labels, probabilities, class_count);
	free(probabilities);
	return ERR_OK;
}

static enum err model_save(struct job *j, struct job_context *c, const struct ngram *model)
{
	const char **names = calloc(j->project->n_labels, sizeof *names);
	if (!names)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the checkpoint");
	for (size_t i = 0; i < j->project->n_labels; i++)
		names[i] = j->project->labels[i]->name;
	const char *folder = c->models->made;
	enum err e = ngram_save(model, names, folder, &j->outcome.model_checksum, &j->msg);
	free(names);
	if (e)
		return e;
	e = folder_stream_bytes(folder, &j->outcome.model_bytes);
	return e ? err_set(&j->msg, e, "cannot read the checkpoint %s: %s", folder, err_str(e))
		 : ERR_OK;
}

static enum err final_train(struct job *j, struct job_context *c, int32_t *labels)
{
	struct features *augmented = NULL;
	bool *clean = clean_make(j, c, labels);
	enum err e = clean ? augmented_load(j, c, &augmented)
			   : err_set(&j->msg, ERR_NO_MEMORY, "no memory for the clean set");
	struct ngram *model = NULL;
	struct ngram_config config = config_make(j, c);
	struct progress progress = {&j->cancel, &j->done, &j->total};
	struct ngram_training training = {.features = c->features,
					  .augmented = augmented,
					  .labels = labels,
					  .clean = clean,
					  .class_count = j->project->n_labels};
	struct refit_context refit = {j, c, labels};
	if (j->refit) {
		training.refit = clean_refit;
		training.refit_context = &refit;
	}
	if (!e)
		e = ngram_train(&training, &config, &progress, &model, &j->msg);
	if (!e)
		e = training_loss(j, c, model, labels);
	if (!e)
		e = model_save(j, c, model);
	ngram_free(model);
	free(clean);
	features_free(augmented);
	return e;
}

enum err job_train(struct job *j, struct job_context *c)
{
	const Freeal__TrainOrder *order = j->work->train;
	double start_s = seconds_now();
	int32_t *labels = NULL;
	enum err e = job_features_ensure(j, c, order->sample_count);
	if (!e && !order->final)
		e = job_folds_ensure(j, c, order->seed, order->folds);
	if (!e)
		e = job_labels_load(j, c, order->change_count, &labels);
	if (!e)
		e = order->final ? final_train(j, c, labels) : fold_train(j, c, labels);
	free(labels);
	j->outcome.seconds = seconds_now() - start_s;
	return e;
}
