#include "trainer/bayes.h"

#include "math/block.h"
#include "math/parallel.h"
#include "math/softmax.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHARDS = 4,	       /* see logistic.c */
	SCALE_ROWS_MAX = 2000, /* rows that the scale is fitted on */
	SCALE_STEPS = 40,      /* of the golden section: 1e-8 of the bracket */
};

/* Logit of a class that no label names. */
static const float ABSENT = -1e4f;

struct bayes {
	const struct bayes_problem *problem;
	size_t k;
	double *masses;	    /* (k) labelled and soft rows of each class */
	float *class_scale; /* (k) makes the masses equal; 0 where there is no labelled row */
	float *soft;	    /* (unlabelled_count, k) */
	float unlabelled_weight;
	bool with_unlabelled;
	float *sums;	/* (columns, k) F */
	float *shards;	/* (SHARDS, columns, k) */
	double *totals; /* (k) sums of the complement counts */
	float *weights; /* (columns, k), borrowed */
	double scale;
};

static void shard_count(void *context, size_t shard)
{
	struct bayes *b = context;
	const struct bayes_problem *p = b->problem;
	size_t k = b->k;
	float *sums = b->shards + shard * p->rows.column_count * k;
	float *row = b->soft + p->unlabelled_count * k + shard * k; /* scratch */

	memset(sums, 0, p->rows.column_count * k * sizeof(*sums));
	size_t end = p->labelled_count * (shard + 1) / SHARDS;
	for (size_t i = p->labelled_count * shard / SHARDS; i < end; i++) {
		memset(row, 0, k * sizeof(*row));
		row[p->classes[i]] = b->class_scale[p->classes[i]];
		csr_row_outer(&p->rows, p->labelled[i], row, k, sums);
	}
	if (!b->with_unlabelled)
		return;
	end = p->unlabelled_count * (shard + 1) / SHARDS;
	for (size_t i = p->unlabelled_count * shard / SHARDS; i < end; i++) {
		float scale = 0.0f;
		for (size_t j = 0; j < k; j++)
			scale += b->soft[i * k + j] * b->class_scale[j];
		for (size_t j = 0; j < k; j++)
			row[j] = b->unlabelled_weight * scale * b->soft[i * k + j];
		csr_row_outer(&p->rows, p->unlabelled[i], row, k, sums);
	}
}

/* Class masses and the scales that make them equal. */
static void bayes_balance(struct bayes *b)
{
	const struct bayes_problem *p = b->problem;
	size_t k = b->k;
	memset(b->masses, 0, k * sizeof(*b->masses));
	for (size_t i = 0; i < p->labelled_count; i++)
		b->masses[p->classes[i]] += 1.0;
	size_t present = 0;
	double sum = 0.0;
	for (size_t j = 0; j < k; j++) {
		b->class_scale[j] = b->masses[j] > 0.0;
		present += b->masses[j] > 0.0;
	}
	for (size_t i = 0; b->with_unlabelled && i < p->unlabelled_count; i++)
		for (size_t j = 0; j < k; j++)
			b->masses[j] += (double)b->unlabelled_weight * b->soft[i * k + j];
	for (size_t j = 0; j < k; j++)
		sum += b->class_scale[j] > 0.0f ? b->masses[j] : 0.0;
	for (size_t j = 0; j < k; j++)
		if (b->class_scale[j] > 0.0f)
			b->class_scale[j] = (float)(sum / (double)present / b->masses[j]);
}

/* F, the complement totals and the unscaled weights. */
static void bayes_count(struct bayes *b)
{
	const struct bayes_problem *p = b->problem;
	size_t k = b->k;
	size_t size = p->rows.column_count * k;
	bayes_balance(b);
	parallel_for(p->thread_count, SHARDS, shard_count, b);
	memset(b->totals, 0, k * sizeof(*b->totals));
	for (size_t i = 0; i < size; i++) {
		float sum = 0.0f;
		for (size_t s = 0; s < SHARDS; s++)
			sum += b->shards[s * size + i];
		b->sums[i] = sum;
	}
	float smoothing = (float)p->smoothing;
	for (size_t c = 0; c < p->rows.column_count; c++) {
		const float *sums = b->sums + c * k;
		float all = smoothing;
		for (size_t j = 0; j < k; j++)
			all += sums[j];
		for (size_t j = 0; j < k; j++) {
			float count = fmaxf(all - sums[j], smoothing);
			b->totals[j] += count;
			b->weights[c * k + j] = -logf(count);
		}
	}
	for (size_t c = 0; c < p->rows.column_count; c++)
		for (size_t j = 0; j < k; j++)
			b->weights[c * k + j] += (float)log(b->totals[j]);
}

/* Logits of labelled row i under the counts without it. */
static void bayes_leave_out(const struct bayes *b, size_t i, float *ret)
{
	const struct bayes_problem *p = b->problem;
	const struct csr *rows = &p->rows;
	size_t k = b->k;
	uint32_t own = p->classes[i];
	float weight = b->class_scale[own];
	float smoothing = (float)p->smoothing;
	double mass = 0.0;
	memset(ret, 0, k * sizeof(*ret));
	for (uint64_t e = rows->starts[p->labelled[i]]; e < rows->starts[p->labelled[i] + 1]; e++) {
		const float *sums = b->sums + rows->columns[e] * k;
		float value = rows->values[e];
		float all = smoothing - weight * value;
		mass += value;
		for (size_t j = 0; j < k; j++)
			all += sums[j];
		for (size_t j = 0; j < k; j++) {
			float count = all - sums[j] + (j == own ? weight * value : 0.0f);
			ret[j] -= value * logf(fmaxf(count, smoothing));
		}
	}
	for (size_t j = 0; j < k; j++) {
		double total = b->totals[j] - (j == own ? 0.0 : weight * mass);
		ret[j] += (float)(mass * log(total));
		if (b->class_scale[j] == 0.0f)
			ret[j] = ABSENT;
	}
}

/* Negative log-likelihood of the classes under logits * scale, classes balanced. */
static double scale_loss(const struct bayes *b, const float *logits, size_t stride, double scale,
			 float *row)
{
	double loss = 0.0;
	for (size_t i = 0, n = 0; i < b->problem->labelled_count; i += stride, n++) {
		uint32_t own = b->problem->classes[i];
		for (size_t j = 0; j < b->k; j++)
			row[j] = (float)scale * logits[n * b->k + j];
		loss += b->class_scale[own] * (softmax_log_sum(row, b->k) - row[own]);
	}
	return loss;
}

static enum err bayes_fit_scale(struct bayes *b)
{
	size_t count = b->problem->labelled_count;
	size_t stride = (count + SCALE_ROWS_MAX - 1) / SCALE_ROWS_MAX;
	float *logits = malloc((count / stride + 2) * b->k * sizeof(*logits));
	if (!logits)
		return ERR_NO_MEMORY;
	size_t n = 0;
	for (size_t i = 0; i < count; i += stride)
		bayes_leave_out(b, i, logits + n++ * b->k);
	float *row = logits + n * b->k;
	const double golden = 0.6180339887498949;
	double low = log(0.05);
	double high = log(50.0);
	double x[2] = {high - golden * (high - low), low + golden * (high - low)};
	double y[2] = {scale_loss(b, logits, stride, exp(x[0]), row),
		       scale_loss(b, logits, stride, exp(x[1]), row)};
	for (size_t step = 0; step < SCALE_STEPS; step++) {
		size_t worse = y[0] <= y[1];
		if (worse)
			high = x[1];
		else
			low = x[0];
		x[worse] = x[1 - worse];
		y[worse] = y[1 - worse];
		size_t fresh = 1 - worse;
		x[fresh] = fresh ? low + golden * (high - low) : high - golden * (high - low);
		y[fresh] = scale_loss(b, logits, stride, exp(x[fresh]), row);
	}
	b->scale = exp(0.5 * (low + high));
	free(logits);
	return ERR_OK;
}

static void shard_predict(void *context, size_t shard)
{
	struct bayes *b = context;
	const struct bayes_problem *p = b->problem;
	size_t end = p->unlabelled_count * (shard + 1) / SHARDS;
	for (size_t i = p->unlabelled_count * shard / SHARDS; i < end; i++) {
		float *row = b->soft + i * b->k;
		memset(row, 0, b->k * sizeof(*row));
		csr_row_times(&p->rows, p->unlabelled[i], (float)b->scale, b->weights, b->k, row);
		for (size_t j = 0; j < b->k; j++)
			if (b->class_scale[j] == 0.0f)
				row[j] = ABSENT;
		(void)softmax(row, b->k, row);
	}
}

static enum err bayes_run(struct bayes *b)
{
	const struct bayes_problem *p = b->problem;
	for (uint32_t round = 0; round <= p->self_rounds; round++) {
		if (progress_cancelled(p->progress))
			return ERR_CANCELLED;
		b->with_unlabelled = round > 0;
		bayes_count(b);
		enum err err = bayes_fit_scale(b);
		if (err)
			return err;
		if (p->unlabelled_count == 0)
			break;
		if (round < p->self_rounds)
			parallel_for(p->thread_count, SHARDS, shard_predict, b);
	}
	for (size_t i = 0; i < p->rows.column_count * b->k; i++)
		b->weights[i] *= (float)b->scale;
	return ERR_OK;
}

enum err bayes_fit(const struct bayes_problem *problem, float *ret_weights)
{
	size_t k = problem->class_count;
	size_t size = problem->rows.column_count * k;
	assert(problem->labelled_count > 0 && problem->smoothing > 0.0);
	double weight_max =
	    2.0 * (double)problem->labelled_count / ((double)problem->unlabelled_count + 1.0);
	struct bayes b = {
	    .problem = problem,
	    .k = k,
	    .unlabelled_weight = (float)fmin(problem->unlabelled_weight, weight_max),
	    .weights = ret_weights,
	    .masses = malloc(k * sizeof(*b.masses)),
	    .class_scale = malloc(k * sizeof(*b.class_scale)),
	    .soft = malloc((problem->unlabelled_count + SHARDS) * k * sizeof(*b.soft)),
	    .sums = block_new(size + 1),
	    .shards = block_new(SHARDS * size + 1),
	    .totals = malloc(k * sizeof(*b.totals)),
	};
	enum err err = ERR_NO_MEMORY;
	if (b.masses && b.class_scale && b.soft && b.sums && b.shards && b.totals)
		err = bayes_run(&b);
	free(b.masses);
	free(b.class_scale);
	free(b.soft);
	free(b.sums);
	free(b.shards);
	free(b.totals);
	return err;
}
