#include "trainer/encoder/linear.h"

#include "math/block.h"
#include "math/lbfgs.h"
#include "math/parallel.h"
#include "math/softmax.h"
#include "math/vector.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows are cut into this many shards with a gradient each, added in their order: so sums don't
 * depend on the number of threads. */
enum { SHARDS = 4 };

struct linear {
	const struct linear_config *config;
	const struct progress *progress;
	size_t rows, columns;
	size_t present;	   /* classes that a label names */
	size_t width;	   /* columns of weights: 1 for two of them, else `present` */
	size_t size;	   /* parameters: (width, columns) weights, (width) biases */
	float *x;	   /* (rows, columns) training rows, standardised */
	uint32_t *classes; /* (rows) among those that are present */
	float *logits;	   /* (rows, width): then their gradients */
	float *gradients;  /* (SHARDS, size) */
	struct vector_space *space;
	const float *parameters; /* (size) of this evaluation */
	double losses[SHARDS];
};

struct linear_config linear_config_default(void)
{
	return (struct linear_config){
	    .inverse_penalty = 3e-3,
	    .iterations_max = 100,
	    .tolerance = 1e-3,
	    .thread_count = 1,
	};
}

/* ---- columns ---- */

/* StandardScaler's: mean 0 and variance 1 over the training rows; a constant column stays. */
struct scaler {
	float *means, *scales; /* (columns) */
};

static void scaler_row(const struct scaler *s, const float *from, size_t columns, float *to)
{
	for (size_t c = 0; c < columns; c++)
		to[c] = (from[c] - s->means[c]) * s->scales[c];
}

static enum err scaler_init(struct scaler *s, const float *vectors, const uint32_t *rows,
			    size_t row_count, size_t columns)
{
	double *sums = calloc(2 * columns + 1, sizeof *sums);
	s->means = malloc((2 * columns + 1) * sizeof *s->means);
	if (!sums || !s->means) {
		free(sums);
		free(s->means);
		return ERR_NO_MEMORY;
	}
	s->scales = s->means + columns;
	double *squares = sums + columns;
	for (size_t i = 0; i < row_count; i++)
		for (size_t c = 0; c < columns; c++)
			sums[c] += vectors[rows[i] * columns + c];
	for (size_t c = 0; c < columns; c++)
		sums[c] /= (double)row_count;
	for (size_t i = 0; i < row_count; i++)
		for (size_t c = 0; c < columns; c++) {
			double off = vectors[rows[i] * columns + c] - sums[c];
			squares[c] += off * off;
		}
	for (size_t c = 0; c < columns; c++) {
		double deviation = sqrt(squares[c] / (double)row_count);
		s->means[c] = (float)sums[c];
		s->scales[c] = deviation > 1e-12 ? (float)(1.0 / deviation) : 1.0f;
	}
	free(sums);
	return ERR_OK;
}

/* ---- fit ---- */

static void shard_evaluate(void *context, size_t shard)
{
	struct linear *l = context;
	size_t first = l->rows * shard / SHARDS, end = l->rows * (shard + 1) / SHARDS;
	size_t n = end - first, width = l->width, weights = width * l->columns;
	const float *x = l->x + first * l->columns;
	float *logits = l->logits + first * width;
	float *gradient = l->gradients + shard * l->size;
	double loss = 0.0;

	memset(gradient, 0, l->size * sizeof *gradient);
	l->losses[shard] = 0.0;
	if (n == 0)
		return;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)width, (int)l->columns, 1,
		    x, (int)l->columns, l->parameters, (int)l->columns, 0, logits, (int)width);
	for (size_t i = 0; i < n; i++) {
		float pair[2] = {0};
		/* Of two classes the first one's logit is 0. */
		float *row = width == 1 ? pair : logits + i * width;
		float *own = width == 1 ? pair + 1 : row;
		uint32_t label = l->classes[first + i];
		for (size_t j = 0; j < width; j++)
			own[j] = logits[i * width + j] + l->parameters[weights + j];
		float logit = row[label];
		loss += softmax(row, l->present, row) - logit;
		row[label] -= 1.0f;
		for (size_t j = 0; j < width; j++) {
			logits[i * width + j] = own[j];
			gradient[weights + j] += own[j];
		}
	}
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)width, (int)l->columns, (int)n, 1,
		    logits, (int)width, x, (int)l->columns, 0, gradient, (int)l->columns);
	l->losses[shard] = loss;
}

static double linear_evaluate(void *context, const float *parameters, float *ret_gradient)
{
	struct linear *l = context;
	double penalty = 1.0 / l->config->inverse_penalty;
	double loss = 0.0, bias_square = 0.0;
	l->parameters = parameters;
	parallel_for(l->config->thread_count, SHARDS, shard_evaluate, l);
	for (size_t s = 0; s < SHARDS; s++)
		loss += l->losses[s];
	double square =
	    vector_sum(l->space, ret_gradient, penalty, parameters, l->gradients, SHARDS);
	/* The bias is free. */
	for (size_t i = l->width * l->columns; i < l->size; i++) {
		ret_gradient[i] -= (float)penalty * parameters[i];
		bias_square += (double)parameters[i] * parameters[i];
	}
	return loss + 0.5 * penalty * (square - bias_square);
}

static bool linear_cancelled(void *context)
{
	const struct linear *l = context;
	return progress_cancelled(l->progress);
}

/* Fits `parameters` (size), which are 0. */
static enum err linear_fit(struct linear *l, float *parameters)
{
	l->logits = malloc((l->rows * l->width + 1) * sizeof *l->logits);
	l->gradients = block_new(SHARDS * l->size);
	enum err err = l->logits && l->gradients
			   ? vector_space_new(l->size, l->config->thread_count, &l->space)
			   : ERR_NO_MEMORY;
	struct lbfgs_problem problem = {.size = l->size,
					.thread_count = l->config->thread_count,
					.evaluate = linear_evaluate,
					.cancelled = linear_cancelled,
					.context = l,
					.iterations_max = l->config->iterations_max,
					.tolerance = l->config->tolerance};
	if (!err)
		err = lbfgs_minimize(&problem, parameters);
	vector_space_free(l->space);
	free(l->logits);
	free(l->gradients);
	return err;
}

/* ---- a fold ---- */

struct fold {
	const float *vectors;
	const int32_t *labels;
	const uint32_t *folds;
	uint32_t fold;
	size_t rows, columns, class_count;
	uint32_t *train;   /* (train_count) rows */
	uint32_t *present; /* (present_count) classes that a training row has */
	uint32_t *places;  /* (class_count) of a class in it */
	size_t train_count, present_count;
};

static void fold_done(struct fold *f)
{
	free(f->train);
	free(f->present);
	free(f->places);
}

static enum err fold_init(struct fold *f)
{
	f->train = malloc((f->rows + 1) * sizeof *f->train);
	f->present = malloc((f->class_count + 1) * sizeof *f->present);
	f->places = calloc(f->class_count + 1, sizeof *f->places);
	if (!f->train || !f->present || !f->places)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < f->rows; i++) {
		if (f->labels[i] < 0 || f->folds[i] == f->fold)
			continue;
		assert((size_t)f->labels[i] < f->class_count);
		f->train[f->train_count++] = (uint32_t)i;
		f->places[f->labels[i]] = 1;
	}
	for (size_t j = 0; j < f->class_count; j++)
		if (f->places[j]) {
			f->places[j] = (uint32_t)f->present_count;
			f->present[f->present_count++] = (uint32_t)j;
		}
	return ERR_OK;
}

/* What there is to say without two classes to tell apart. */
static void row_constant(const struct fold *f, float *ret)
{
	for (size_t j = 0; j < f->class_count; j++)
		ret[j] = f->present_count ? 0.0f : 1.0f / (float)f->class_count;
	if (f->present_count)
		ret[f->present[0]] = 1.0f;
}

/* `x` (columns) and `logits` (present_count) are scratch. */
static void row_predict(const struct fold *f, const struct linear *l, const float *parameters,
			const float *x, float *logits, float *ret)
{
	size_t skipped = l->present - l->width;
	logits[0] = 0.0f;
	for (size_t j = 0; j < l->width; j++) {
		const float *weights = parameters + j * l->columns;
		double sum = parameters[l->width * l->columns + j];
		for (size_t c = 0; c < l->columns; c++)
			sum += (double)weights[c] * x[c];
		logits[skipped + j] = (float)sum;
	}
	(void)softmax(logits, l->present, logits);
	memset(ret, 0, f->class_count * sizeof *ret);
	for (size_t j = 0; j < l->present; j++)
		ret[f->present[j]] = logits[j];
}

static enum err fold_fit_predict(const struct fold *f, struct linear *l, const struct scaler *s,
				 float *ret_probs)
{
	float *parameters = block_new(l->size);
	float *scratch = malloc((l->columns + l->present) * sizeof *scratch);
	enum err err = parameters && scratch ? ERR_OK : ERR_NO_MEMORY;
	for (size_t i = 0; i < l->rows; i++) {
		scaler_row(s, f->vectors + f->train[i] * l->columns, l->columns,
			   l->x + i * l->columns);
		l->classes[i] = f->places[f->labels[f->train[i]]];
	}
	if (!err)
		err = linear_fit(l, parameters);
	for (size_t i = 0, n = 0; !err && i < f->rows; i++) {
		if (f->folds[i] != f->fold)
			continue;
		scaler_row(s, f->vectors + i * l->columns, l->columns, scratch);
		row_predict(f, l, parameters, scratch, scratch + l->columns,
			    ret_probs + f->class_count * n++);
	}
	free(parameters);
	free(scratch);
	return err;
}

static enum err fold_train(const struct fold *f, const struct linear_config *config,
			   const struct progress *progress, float *ret_probs)
{
	if (f->present_count < 2) {
		for (size_t i = 0, n = 0; i < f->rows; i++)
			if (f->folds[i] == f->fold)
				row_constant(f, ret_probs + f->class_count * n++);
		return ERR_OK;
	}
	struct linear l = {.config = config,
			   .progress = progress,
			   .rows = f->train_count,
			   .columns = f->columns,
			   .present = f->present_count,
			   .width = f->present_count == 2 ? 1 : f->present_count};
	l.size = l.width * (l.columns + 1);
	struct scaler scaler;
	enum err err = scaler_init(&scaler, f->vectors, f->train, f->train_count, f->columns);
	if (err)
		return err;
	l.x = block_new(l.rows * l.columns);
	l.classes = malloc(l.rows * sizeof *l.classes);
	err = l.x && l.classes ? fold_fit_predict(f, &l, &scaler, ret_probs) : ERR_NO_MEMORY;
	free(l.x);
	free(l.classes);
	free(scaler.means);
	return err;
}

enum err linear_fold_train(const float *vectors, size_t columns, const int32_t *labels,
			   const uint32_t *folds, size_t rows, uint32_t fold, size_t class_count,
			   const struct linear_config *config, const struct progress *progress,
			   float *ret_probs, struct err_msg *msg)
{
	assert(columns > 0 && class_count >= 2);
	struct fold f = {.vectors = vectors,
			 .labels = labels,
			 .folds = folds,
			 .fold = fold,
			 .rows = rows,
			 .columns = columns,
			 .class_count = class_count};
	enum err err = fold_init(&f);
	if (!err)
		err = fold_train(&f, config, progress, ret_probs);
	fold_done(&f);
	if (err)
		return err_set(msg, err, "fold %u of the sentence vectors: %s", fold, err_str(err));
	return ERR_OK;
}
