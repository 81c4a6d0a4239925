#include "trainer/robust.h"

#include "math/block.h"
#include "math/simd.h"
#include "math/softmax.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct robust {
	const struct robust_data *data;
	const struct robust_config *config;
	float *weights; /* (columns, k), borrowed */
	float *bias;	/* (k), borrowed */
	size_t k;
	float *squares;	 /* (columns + 1, k) sums of squared gradients; the bias last */
	uint32_t *order; /* (rows) this epoch's */
	bool *clean;	 /* (rows) this epoch's */
	float *losses;	 /* (rows), for refit */
	/* One batch. */
	size_t capacity;	  /* terms in the arrays of the second views */
	uint64_t *second_starts;  /* (batch + 1) */
	uint32_t *second_columns; /* (capacity) */
	float *second_values;	  /* (capacity) */
	float *logits;		  /* (2, batch, k): first views, second views */
	float *gradients;	  /* (2, batch, k) */
	float *mixed;		  /* (3, k): logits, target, gradient of a mixture */
	size_t *members;	  /* (2, batch): clean places of the batch, and their partners */
};

struct robust_config robust_config_default(void)
{
	return (struct robust_config){
	    .epochs = 8,
	    .batch_rows = 32,
	    .rate = 0.1,
	    .warmup_share = 0.2,
	    .ramp_share = 0.4,
	    .mixup_shape = 4.0,
	    .temperature = 0.85,
	    .dropout = 0.3,
	    .noisy_weight = 0.25,
	    .seed = 1,
	};
}

double robust_ramp(const struct robust_config *config, uint32_t epoch)
{
	double span = config->ramp_share * config->epochs;
	return span > 0.0 ? fmin(1.0, epoch / span) : 1.0;
}

bool robust_warm(const struct robust_config *config, uint32_t epoch)
{
	return epoch < config->warmup_share * config->epochs;
}

double robust_mixup_share(const struct robust_config *config, struct rng *rng)
{
	double share = rng_beta(rng, config->mixup_shape);
	return fmax(share, 1.0 - share);
}

double robust_cross_entropy(const float *logits, const float *target, size_t class_count,
			    double scale, float *gradient)
{
	double log_sum = softmax_log_sum(logits, class_count);
	double loss = 0.0;
	for (size_t j = 0; j < class_count; j++) {
		double log_p = logits[j] - log_sum;
		loss -= target[j] * log_p;
		gradient[j] += (float)(scale * (exp(log_p) - target[j]));
	}
	return loss;
}

/* KL(target || student) where both are softmaxes of scaled logits; the target is constant. */
static double divergence(const float *target, double target_scale, const float *student,
			 double student_scale, size_t k, double scale, float *gradient)
{
	double target_max = target[softmax_argmax(target, k)] * target_scale;
	double student_max = student[softmax_argmax(student, k)] * student_scale;
	double target_sum = 0.0;
	double student_sum = 0.0;
	for (size_t j = 0; j < k; j++) {
		target_sum += exp(target[j] * target_scale - target_max);
		student_sum += exp(student[j] * student_scale - student_max);
	}
	double loss = 0.0;
	for (size_t j = 0; j < k; j++) {
		double log_t = target[j] * target_scale - target_max - log(target_sum);
		double log_s = student[j] * student_scale - student_max - log(student_sum);
		loss += exp(log_t) * (log_t - log_s);
		gradient[j] += (float)(scale * student_scale * (exp(log_s) - exp(log_t)));
	}
	return loss;
}

double robust_consistency(const float *logits_a, const float *logits_b, size_t class_count,
			  const struct robust_config *config, double scale, float *gradient_a,
			  float *gradient_b)
{
	/* p^(1/t) renormalised is the softmax of logits / t. */
	double sharp = config->flatten ? 1.0 : 1.0 / config->temperature;
	double flat = config->flatten ? 1.0 / config->temperature : 1.0;
	return divergence(logits_a, sharp, logits_b, flat, class_count, scale, gradient_b) +
	       divergence(logits_b, sharp, logits_a, flat, class_count, scale, gradient_a);
}

static float row_weight(const struct robust *r, uint32_t row)
{
	return r->data->weights ? r->data->weights[row] : 1.0f;
}

static enum err robust_reserve(struct robust *r, size_t terms)
{
	if (terms <= r->capacity)
		return ERR_OK;
	size_t capacity = terms * 2;
	uint32_t *columns = realloc(r->second_columns, capacity * sizeof(*columns));
	if (columns)
		r->second_columns = columns;
	float *values = realloc(r->second_values, capacity * sizeof(*values));
	if (values)
		r->second_values = values;
	if (!columns || !values)
		return ERR_NO_MEMORY;
	r->capacity = capacity;
	return ERR_OK;
}

/* The second view of a row: the given one, or the row with terms dropped. */
static enum err second_add(struct robust *r, uint32_t row, uint32_t epoch, size_t place)
{
	const struct csr *given = r->data->second;
	bool drop = !given || given->starts[row] == given->starts[row + 1];
	const struct csr *from = drop ? &r->data->rows : given;
	uint64_t start = from->starts[row];
	uint64_t count = from->starts[row + 1] - start;
	uint64_t out = r->second_starts[place];
	enum err err = robust_reserve(r, out + count);
	if (err)
		return err;
	struct rng rng = rng_make(hash_mix(hash_mix(r->config->seed, epoch), row));
	float scale = drop ? (float)(1.0 / (1.0 - r->config->dropout)) : 1.0f;
	for (uint64_t i = start; i < start + count; i++) {
		if (drop && rng_double(&rng) < r->config->dropout)
			continue;
		r->second_columns[out] = from->columns[i];
		r->second_values[out++] = from->values[i] * scale;
	}
	r->second_starts[place + 1] = out;
	return ERR_OK;
}

static struct csr second_rows(const struct robust *r, size_t count)
{
	return (struct csr){.row_count = count,
			    .column_count = r->data->rows.column_count,
			    .starts = r->second_starts,
			    .columns = r->second_columns,
			    .values = r->second_values};
}

static void view_logits(const struct robust *r, const struct csr *rows, size_t row, float *ret)
{
	memcpy(ret, r->bias, r->k * sizeof(*ret));
	csr_row_times(rows, row, 1.0f, r->weights, r->k, ret);
}

/* AdaGrad (Duchi et al. 2011) on the gradients value * gradient[0 .. k-1]. */
SIMD_VERSIONS
static void coordinates_step(float *restrict weights, float *restrict squares,
			     const float *restrict gradient, float value, float rate, size_t k)
{
	for (size_t j = 0; j < k; j++) {
		float g = value * gradient[j];
		float square = squares[j] + g * g;
		squares[j] = square;
		weights[j] -= rate * g / sqrtf(square + 1e-12f);
	}
}

/* The entries of a row lie far apart: fetched some of them ahead. */
static void step_fetch(const struct robust *r, const struct csr *rows, uint64_t i, uint64_t end)
{
	enum { AHEAD = 4, LINE_FLOATS = 16 };
	if (i + AHEAD >= end)
		return;
	size_t at = rows->columns[i + AHEAD] * r->k;
	for (size_t j = 0; j < r->k; j += LINE_FLOATS) {
		__builtin_prefetch(r->weights + at + j, 1);
		__builtin_prefetch(r->squares + at + j, 1);
	}
}

static void view_step(struct robust *r, const struct csr *rows, size_t row, const float *gradient,
		      float rate)
{
	size_t k = r->k;
	uint64_t end = rows->starts[row + 1];
	for (uint64_t i = rows->starts[row]; i < end; i++) {
		size_t at = rows->columns[i] * k;
		step_fetch(r, rows, i, end);
		coordinates_step(r->weights + at, r->squares + at, gradient, rows->values[i], rate,
				 k);
	}
	coordinates_step(r->bias, r->squares + rows->column_count * k, gradient, 1.0f, rate, k);
}

/* Mixture of the clean places `a` and `b` of the batch. */
static void batch_mix(struct robust *r, const uint32_t *rows, size_t a, size_t b, double lambda,
		      double scale)
{
	size_t k = r->k;
	float *logits = r->mixed;
	float *target = r->mixed + k;
	float *gradient = r->mixed + 2 * k;
	float part = (float)lambda;
	for (size_t j = 0; j < k; j++) {
		logits[j] = part * r->logits[a * k + j] + (1.0f - part) * r->logits[b * k + j];
		target[j] = 0.0f;
		gradient[j] = 0.0f;
	}
	target[r->data->labels[rows[a]]] += part;
	target[r->data->labels[rows[b]]] += 1.0f - part;
	double weight = lambda * row_weight(r, rows[a]) + (1.0 - lambda) * row_weight(r, rows[b]);
	(void)robust_cross_entropy(logits, target, k, scale * weight, gradient);
	for (size_t j = 0; j < k; j++) {
		r->gradients[a * k + j] += part * gradient[j];
		r->gradients[b * k + j] += (1.0f - part) * gradient[j];
	}
}

/* Gradients of one batch with respect to its logits. */
static void batch_gradients(struct robust *r, const uint32_t *rows, size_t count, double ramp,
			    struct rng *rng)
{
	size_t k = r->k;
	size_t batch = r->config->batch_rows;
	float *second_logits = r->logits + batch * k;
	float *second_gradients = r->gradients + batch * k;
	float *target = r->mixed + k;
	size_t *partners = r->members + batch;
	double scale = 1.0 / (double)count;
	size_t clean_count = 0;

	for (size_t i = 0; i < count; i++) {
		double weighted = scale * row_weight(r, rows[i]);
		memset(target, 0, k * sizeof(*target));
		if (r->data->labels[rows[i]] >= 0)
			target[r->data->labels[rows[i]]] = 1.0f;
		if (!r->clean[rows[i]]) {
			(void)robust_consistency(r->logits + i * k, second_logits + i * k, k,
						 r->config, scale * ramp, r->gradients + i * k,
						 second_gradients + i * k);
			if (r->data->labels[rows[i]] >= 0 && !r->data->refit)
				(void)robust_cross_entropy(r->logits + i * k, target, k,
							   weighted * r->config->noisy_weight,
							   r->gradients + i * k);
			continue;
		}
		partners[clean_count] = i;
		r->members[clean_count++] = i;
		(void)robust_cross_entropy(r->logits + i * k, target, k, weighted,
					   r->gradients + i * k);
		(void)robust_cross_entropy(second_logits + i * k, target, k, weighted * ramp,
					   second_gradients + i * k);
	}
	double lambda = robust_mixup_share(r->config, rng);
	for (size_t i = 0; i < clean_count; i++) {
		size_t other = i + rng_below(rng, clean_count - i);
		size_t swapped = partners[i];
		partners[i] = partners[other];
		partners[other] = swapped;
		batch_mix(r, rows, r->members[i], partners[i], lambda, scale * ramp);
	}
}

static enum err batch_train(struct robust *r, const uint32_t *rows, size_t count, uint32_t epoch,
			    float rate, struct rng *rng)
{
	size_t k = r->k;
	size_t batch = r->config->batch_rows;
	double ramp = robust_ramp(r->config, epoch);
	for (size_t i = 0; i < count; i++) {
		enum err err = second_add(r, rows[i], epoch, i);
		if (err)
			return err;
	}
	struct csr second = second_rows(r, count);
	memset(r->gradients, 0, 2 * batch * k * sizeof(*r->gradients));
	for (size_t i = 0; i < count; i++) {
		view_logits(r, &r->data->rows, rows[i], r->logits + i * k);
		if (ramp > 0.0)
			view_logits(r, &second, i, r->logits + (batch + i) * k);
	}
	batch_gradients(r, rows, count, ramp, rng);
	for (size_t i = 0; i < count; i++) {
		view_step(r, &r->data->rows, rows[i], r->gradients + i * k, rate);
		if (ramp > 0.0)
			view_step(r, &second, i, r->gradients + (batch + i) * k, rate);
	}
	return ERR_OK;
}

/* The epoch's clean set. */
static enum err epoch_clean(struct robust *r, uint32_t epoch)
{
	const struct robust_data *d = r->data;
	size_t row_count = d->rows.row_count;
	bool warm = robust_warm(r->config, epoch);
	if (!warm && d->refit) {
		for (size_t i = 0; i < row_count; i++) {
			r->losses[i] = NAN;
			if (d->labels[i] < 0)
				continue;
			view_logits(r, &d->rows, i, r->mixed);
			r->losses[i] =
			    (float)(softmax_log_sum(r->mixed, r->k) - r->mixed[d->labels[i]]);
		}
		enum err err = d->refit(d->refit_context, epoch, r->losses, row_count, r->clean);
		if (err)
			return err;
	}
	for (size_t i = 0; i < row_count; i++) {
		if (warm)
			r->clean[i] = true;
		else if (!d->refit)
			r->clean[i] = d->clean[i];
		r->clean[i] = r->clean[i] && d->labels[i] >= 0;
	}
	return ERR_OK;
}

static enum err epoch_train(struct robust *r, uint32_t epoch, const struct progress *progress)
{
	size_t row_count = r->data->rows.row_count;
	struct rng rng = rng_make(hash_mix(r->config->seed, 0x65706f6368ULL + epoch));
	for (size_t i = 0; i < row_count; i++)
		r->order[i] = (uint32_t)i;
	rng_shuffle(&rng, r->order, row_count);
	enum err err = epoch_clean(r, epoch);
	size_t all = row_count * r->config->epochs;
	for (size_t at = 0; !err && at < row_count; at += r->config->batch_rows) {
		if (progress_cancelled(progress))
			return ERR_CANCELLED;
		size_t done = row_count * epoch + at;
		size_t count = row_count - at;
		if (count > r->config->batch_rows)
			count = r->config->batch_rows;
		double left = 1.0 - (double)done / (double)all;
		progress_set(progress, done, all);
		err = batch_train(r, r->order + at, count, epoch, (float)(r->config->rate * left),
				  &rng);
	}
	return err;
}

enum err robust_train(const struct robust_data *data, const struct robust_config *config,
		      const struct progress *progress, float *weights, float *bias)
{
	assert(config->batch_rows > 0 && config->dropout >= 0.0 && config->dropout < 1.0);
	size_t k = data->class_count;
	size_t rows = data->rows.row_count + 1;
	size_t batch = config->batch_rows;
	struct robust r = {
	    .data = data,
	    .config = config,
	    .weights = weights,
	    .bias = bias,
	    .k = k,
	    .squares = block_new((data->rows.column_count + 1) * k),
	    .order = malloc(rows * sizeof(uint32_t)),
	    .clean = calloc(rows, sizeof(bool)),
	    .losses = malloc(rows * sizeof(float)),
	    .second_starts = calloc(batch + 1, sizeof(uint64_t)),
	    .logits = calloc(2 * batch * k, sizeof(float)),
	    .gradients = malloc(2 * batch * k * sizeof(float)),
	    .mixed = malloc(3 * k * sizeof(float)),
	    .members = malloc(2 * batch * sizeof(size_t)),
	};
	enum err err = ERR_NO_MEMORY;
	if (r.squares && r.order && r.clean && r.losses && r.second_starts && r.logits &&
	    r.gradients && r.mixed && r.members)
		err = ERR_OK;
	for (uint32_t epoch = 0; !err && epoch < config->epochs; epoch++)
		err = epoch_train(&r, epoch, progress);
	free(r.squares);
	free(r.order);
	free(r.clean);
	free(r.losses);
	free(r.second_starts);
	free(r.second_columns);
	free(r.second_values);
	free(r.logits);
	free(r.gradients);
	free(r.mixed);
	free(r.members);
	return err;
}
