#include "trainer/ngram.h"

#include "base/rng.h"
#include "math/block.h"
#include "math/parallel.h"
#include "math/softmax.h"
#include "trainer/bayes.h"
#include "trainer/logistic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PREDICT_TASKS = 64 };

/* Bias of a class that no label names: its probability underflows to 0. */
static const float ABSENT = -1e4f;

struct ngram {
	struct vocabulary *vocabulary; /* a reference */
	size_t class_count;
	float *weights; /* (columns, class_count) */
	float *bias;	/* (class_count) */
};

struct ngram_config ngram_config_default(void)
{
	return (struct ngram_config){
	    .smoothing = 0.1,
	    .self_rounds = 3,
	    .unlabelled_weight = 0.5,
	    .inverse_penalty = 3.0,
	    .iterations_max = 12,
	    .tolerance = 0.003,
	    .thread_count = 1,
	    .robust = robust_config_default(),
	};
}

uint32_t fold_of(uint64_t seed, const void *id, size_t id_size, uint32_t fold_count)
{
	assert(fold_count > 0);
	return (uint32_t)(hash_bytes(hash_mix(seed, 0x666f6c64), id, id_size) % fold_count);
}

/* Rows by what may be known of their labels. */
struct split {
	uint32_t *labelled;   /* (labelled_count) */
	uint32_t *classes;    /* (labelled_count) */
	float *weights;	      /* (labelled_count) classes of equal mass, 1 on average */
	uint32_t *unlabelled; /* (unlabelled_count) */
	size_t labelled_count;
	size_t unlabelled_count;
	size_t *class_rows; /* (class_count) */
	size_t present;	    /* classes with rows */
};

static void split_done(struct split *s)
{
	free(s->labelled);
	free(s->classes);
	free(s->weights);
	free(s->unlabelled);
	free(s->class_rows);
}

/* `folds` NULL: no row is held out. */
static enum err split_init(struct split *s, const int32_t *labels, const uint32_t *folds,
			   uint32_t fold, size_t row_count, size_t class_count)
{
	*s = (struct split){
	    .labelled = malloc((row_count + 1) * sizeof(*s->labelled)),
	    .classes = malloc((row_count + 1) * sizeof(*s->classes)),
	    .weights = malloc((row_count + 1) * sizeof(*s->weights)),
	    .unlabelled = malloc((row_count + 1) * sizeof(*s->unlabelled)),
	    .class_rows = calloc(class_count, sizeof(*s->class_rows)),
	};
	if (!s->labelled || !s->classes || !s->weights || !s->unlabelled || !s->class_rows) {
		split_done(s);
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < row_count; i++) {
		if (labels[i] < 0 || (folds && folds[i] == fold)) {
			s->unlabelled[s->unlabelled_count++] = (uint32_t)i;
			continue;
		}
		assert((size_t)labels[i] < class_count);
		s->labelled[s->labelled_count] = (uint32_t)i;
		s->classes[s->labelled_count++] = (uint32_t)labels[i];
		s->class_rows[labels[i]]++;
	}
	for (size_t j = 0; j < class_count; j++)
		s->present += s->class_rows[j] > 0;
	for (size_t i = 0; i < s->labelled_count; i++)
		s->weights[i] = (float)((double)s->labelled_count / (double)s->present /
					(double)s->class_rows[s->classes[i]]);
	return ERR_OK;
}

static enum err ngram_new(struct vocabulary *vocabulary, size_t class_count, struct ngram **ret)
{
	struct ngram *m = calloc(1, sizeof(*m));
	if (!m)
		return ERR_NO_MEMORY;
	m->vocabulary = vocabulary_ref(vocabulary);
	m->class_count = class_count;
	m->weights = block_new((size_t)vocabulary->column_count * class_count + 1);
	m->bias = calloc(class_count, sizeof(float));
	if (!m->weights || !m->bias) {
		ngram_free(m);
		return ERR_NO_MEMORY;
	}
	*ret = m;
	return ERR_OK;
}

void ngram_free(struct ngram *m)
{
	if (!m)
		return;
	vocabulary_unref(m->vocabulary);
	free(m->weights);
	free(m->bias);
	free(m);
}

size_t ngram_class_count(const struct ngram *m)
{
	return m->class_count;
}

/* Fits the second view into `weights` (columns, class_count) and `bias`. */
typedef enum err view_fit(const struct split *s, const void *context, float *weights, float *bias);

/*
 * Halves the sum of the views' logits, which is the geometric mean of their
 * probabilities, into the model's.
 */
static enum err ngram_fit(struct ngram *m, const struct csr *rows, const struct split *s,
			  const struct ngram_config *config, const struct progress *progress,
			  view_fit *fit, const void *context)
{
	size_t k = m->class_count;
	size_t size = rows->column_count * k;
	for (size_t j = 0; j < k; j++)
		m->bias[j] = s->present && !s->class_rows[j] ? ABSENT : 0.0f;
	if (s->present < 2)
		return ERR_OK;
	struct bayes_problem bayes = {
	    .rows = *rows,
	    .labelled = s->labelled,
	    .classes = s->classes,
	    .unlabelled = s->unlabelled,
	    .labelled_count = s->labelled_count,
	    .unlabelled_count = s->unlabelled_count,
	    .class_count = k,
	    .smoothing = config->smoothing,
	    .self_rounds = config->self_rounds,
	    .unlabelled_weight = config->unlabelled_weight,
	    .thread_count = config->thread_count,
	    .progress = progress,
	};
	enum err err = bayes_fit(&bayes, m->weights);
	if (err)
		return err;
	float *weights = block_new(size + k);
	if (!weights)
		return ERR_NO_MEMORY;
	float *bias = weights + size;
	err = fit(s, context, weights, bias);
	for (size_t i = 0; !err && i < size; i++)
		m->weights[i] = 0.5f * (m->weights[i] + weights[i]);
	for (size_t j = 0; !err && j < k; j++)
		m->bias[j] += 0.5f * bias[j];
	free(weights);
	return err;
}

struct fold_context {
	const struct csr *rows;
	const struct ngram_config *config;
	const struct progress *progress;
	size_t class_count;
};

static enum err fold_fit(const struct split *s, const void *context, float *weights, float *bias)
{
	const struct fold_context *c = context;
	struct logistic_problem logistic = {
	    .rows = *c->rows,
	    .row_numbers = s->labelled,
	    .classes = s->classes,
	    .weights = s->weights,
	    .count = s->labelled_count,
	    .class_count = c->class_count,
	    .inverse_penalty = c->config->inverse_penalty,
	    .iterations_max = c->config->iterations_max,
	    .tolerance = c->config->tolerance,
	    .thread_count = c->config->thread_count,
	    .progress = c->progress,
	};
	return logistic_fit(&logistic, weights, bias);
}

static void row_predict(const struct ngram *m, const struct csr *rows, size_t row, float *ret)
{
	memcpy(ret, m->bias, m->class_count * sizeof(*ret));
	csr_row_times(rows, row, 1.0f, m->weights, m->class_count, ret);
	(void)softmax(ret, m->class_count, ret);
}

enum err ngram_fold_train(const struct features *f, const int32_t *labels, const uint32_t *folds,
			  uint32_t fold, size_t class_count, const struct ngram_config *config,
			  const struct progress *progress, float *ret_probs, struct err_msg *msg)
{
	assert(class_count >= 2 && folds);
	struct csr rows = features_rows(f);
	struct fold_context context = {&rows, config, progress, class_count};
	struct split split;
	struct ngram *m = NULL;
	progress_set(progress, 0, 1);
	enum err err = split_init(&split, labels, folds, fold, rows.row_count, class_count);
	if (err)
		return err_set(msg, err, "fold %u: no memory", fold);
	err = ngram_new(features_vocabulary(f), class_count, &m);
	if (!err)
		err = ngram_fit(m, &rows, &split, config, progress, fold_fit, &context);
	for (size_t i = 0, n = 0; !err && i < rows.row_count; i++)
		if (folds[i] == fold)
			row_predict(m, &rows, i, ret_probs + class_count * n++);
	split_done(&split);
	ngram_free(m);
	if (err)
		return err_set(msg, err, "training fold %u: %s", fold, err_str(err));
	progress_set(progress, 1, 1);
	return ERR_OK;
}

struct final_context {
	const struct ngram_training *training;
	const struct csr *rows;
	const struct csr *second;
	const bool *clean;
	const float *weights; /* (rows) */
	const struct ngram_config *config;
	const struct progress *progress;
};

static enum err final_fit(const struct split *s, const void *context, float *weights, float *bias)
{
	(void)s;
	const struct final_context *c = context;
	struct robust_data data = {
	    .rows = *c->rows,
	    .second = c->second,
	    .labels = c->training->labels,
	    .clean = c->clean,
	    .weights = c->weights,
	    .class_count = c->training->class_count,
	    .refit = c->training->refit,
	    .refit_context = c->training->refit_context,
	};
	return robust_train(&data, &c->config->robust, c->progress, weights, bias);
}

static enum err final_train(const struct ngram_training *t, const struct ngram_config *config,
			    const struct progress *progress, const struct split *split,
			    struct ngram *m)
{
	struct csr rows = features_rows(t->features);
	struct csr second = t->augmented ? features_rows(t->augmented) : (struct csr){0};
	bool *clean = calloc(rows.row_count + 1, sizeof(*clean));
	float *weights = calloc(rows.row_count + 1, sizeof(*weights));
	enum err err = clean && weights ? ERR_OK : ERR_NO_MEMORY;
	for (size_t i = 0; !err && i < split->labelled_count; i++) {
		uint32_t row = split->labelled[i];
		clean[row] = !t->clean || t->clean[row];
		weights[row] = split->weights[i];
	}
	struct final_context context = {
	    .training = t,
	    .rows = &rows,
	    .second = t->augmented ? &second : NULL,
	    .clean = clean,
	    .weights = weights,
	    .config = config,
	    .progress = progress,
	};
	if (!err)
		err = ngram_fit(m, &rows, split, config, progress, final_fit, &context);
	free(clean);
	free(weights);
	return err;
}

enum err ngram_train(const struct ngram_training *training, const struct ngram_config *config,
		     const struct progress *progress, struct ngram **ret, struct err_msg *msg)
{
	size_t row_count = features_row_count(training->features);
	assert(training->class_count >= 2);
	assert(!training->augmented || features_row_count(training->augmented) == row_count);
	struct split split;
	struct ngram *m = NULL;
	enum err err =
	    split_init(&split, training->labels, NULL, 0, row_count, training->class_count);
	if (err)
		return err_set(msg, err, "final model: no memory");
	err = ngram_new(features_vocabulary(training->features), training->class_count, &m);
	if (!err)
		err = final_train(training, config, progress, &split, m);
	split_done(&split);
	if (err) {
		ngram_free(m);
		return err_set(msg, err, "training the final model: %s", err_str(err));
	}
	*ret = m;
	return ERR_OK;
}

struct predict_context {
	const struct ngram *model;
	struct csr rows;
	float *probs;
};

static void predict_task(void *context, size_t task)
{
	struct predict_context *c = context;
	size_t end = c->rows.row_count * (task + 1) / PREDICT_TASKS;
	for (size_t i = c->rows.row_count * task / PREDICT_TASKS; i < end; i++)
		row_predict(c->model, &c->rows, i, c->probs + i * c->model->class_count);
}

void ngram_predict_rows(const struct ngram *m, const struct features *f, size_t thread_count,
			float *ret_probs)
{
	struct predict_context context = {m, features_rows(f), ret_probs};
	assert(context.rows.column_count == m->vocabulary->column_count);
	parallel_for(thread_count, PREDICT_TASKS, predict_task, &context);
}

enum err ngram_predict(const struct ngram *m, const char *const *texts, const size_t *sizes,
		       size_t count, float *ret_probs, struct err_msg *msg)
{
	struct features *f;
	enum err err = features_weigh(m->vocabulary, texts, sizes, count, NULL, &f, msg);
	if (err)
		return err;
	ngram_predict_rows(m, f, 1, ret_probs);
	features_free(f);
	return ERR_OK;
}

struct ngram_parts ngram_parts(const struct ngram *m)
{
	return (struct ngram_parts){.vocabulary = m->vocabulary,
				    .class_count = m->class_count,
				    .weights = m->weights,
				    .bias = m->bias};
}

enum err ngram_restore(const struct ngram_parts *parts, struct ngram **ret)
{
	struct ngram *m;
	enum err err = ngram_new(parts->vocabulary, parts->class_count, &m);
	if (err)
		return err;
	memcpy(m->weights, parts->weights,
	       parts->vocabulary->column_count * parts->class_count * sizeof(float));
	memcpy(m->bias, parts->bias, parts->class_count * sizeof(float));
	*ret = m;
	return ERR_OK;
}
