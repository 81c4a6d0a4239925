#include "trainer/logistic.h"

#include "math/block.h"
#include "math/lbfgs.h"
#include "math/parallel.h"
#include "math/simd.h"
#include "math/softmax.h"
#include "math/vector.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Rows are cut into this many shards with a gradient each, added in their order:
 * so sums don't depend on the number of threads.
 */
enum { SHARDS = 4, SCALE_TASKS = 16 };

/*
 * Columns differ in how often they occur, and with it the curvature by a factor of
 * thousands. The solver works on parameters that are divided by `scales`, which makes the
 * diagonal of the Hessian, as it is where all classes are equally likely, 1 everywhere: a
 * third of the steps get further.
 */
struct logistic {
	const struct logistic_problem *problem;
	size_t width;  /* columns of weights: 1 for two classes, else class_count */
	size_t size;   /* parameters: column_count * width weights, width biases */
	float *scales; /* (column_count + 1), the bias last */
	float *x;      /* (size) the parameters of this evaluation */
	const float *scale_from;
	float *scale_to;
	float *gradients; /* (SHARDS, size) */
	float *logits;	  /* (SHARDS, class_count) */
	struct vector_space *space;
	double losses[SHARDS];
};

static void shard_evaluate(void *context, size_t shard)
{
	struct logistic *l = context;
	const struct logistic_problem *p = l->problem;
	size_t k = p->class_count;
	size_t skipped = k - l->width; /* the first class's logit is 0 where it has no column */
	float *gradient = l->gradients + shard * l->size;
	float *logits = l->logits + shard * k;
	size_t bias = p->rows.column_count * l->width;
	double loss = 0.0;

	memset(gradient, 0, l->size * sizeof(*gradient));
	for (size_t i = p->count * shard / SHARDS; i < p->count * (shard + 1) / SHARDS; i++) {
		float weight = p->weights[i];
		if (weight == 0.0f)
			continue;
		logits[0] = 0.0f;
		memcpy(logits + skipped, l->x + bias, l->width * sizeof(*logits));
		csr_row_times(&p->rows, p->row_numbers[i], 1.0f, l->x, l->width, logits + skipped);
		float own = logits[p->classes[i]];
		loss += weight * (softmax(logits, k, logits) - own);
		logits[p->classes[i]] -= 1.0f;
		for (size_t j = 0; j < l->width; j++) {
			logits[skipped + j] *= weight;
			gradient[bias + j] += logits[skipped + j];
		}
		csr_row_outer(&p->rows, p->row_numbers[i], logits + skipped, l->width, gradient);
	}
	l->losses[shard] = loss;
}

SIMD_VERSIONS
static void columns_scale(float *to, const float *from, const float *scales, size_t count,
			  size_t width)
{
	for (size_t c = 0; c < count; c++)
		for (size_t j = 0; j < width; j++)
			to[c * width + j] = scales[c] * from[c * width + j];
}

static void task_scale(void *context, size_t task)
{
	struct logistic *l = context;
	size_t columns = l->problem->rows.column_count + 1;
	size_t first = columns * task / SCALE_TASKS, end = columns * (task + 1) / SCALE_TASKS;
	size_t at = first * l->width;
	columns_scale(l->scale_to + at, l->scale_from + at, l->scales + first, end - first,
		      l->width);
}

static void parameters_scale(struct logistic *l, float *to, const float *from)
{
	l->scale_to = to;
	l->scale_from = from;
	parallel_for(l->problem->thread_count, SCALE_TASKS, task_scale, l);
}

static void scales_make(struct logistic *l)
{
	const struct logistic_problem *p = l->problem;
	size_t columns = p->rows.column_count;
	double k = (double)p->class_count;
	for (size_t i = 0; i < p->count; i++) {
		uint32_t r = p->row_numbers[i];
		for (uint64_t e = p->rows.starts[r]; e < p->rows.starts[r + 1]; e++)
			l->scales[p->rows.columns[e]] +=
			    p->weights[i] * p->rows.values[e] * p->rows.values[e];
		l->scales[columns] += p->weights[i];
	}
	for (size_t c = 0; c <= columns; c++) {
		double curvature = l->scales[c] * (1.0 / k) * (1.0 - 1.0 / k);
		l->scales[c] = (float)(1.0 / sqrt(1.0 / p->inverse_penalty + curvature));
	}
}

static double logistic_evaluate(void *context, const float *x, float *ret_gradient)
{
	struct logistic *l = context;
	const struct logistic_problem *p = l->problem;
	size_t weight_count = p->rows.column_count * l->width;
	double penalty = 1.0 / p->inverse_penalty;
	double loss = 0.0;
	double bias_square = 0.0;

	parameters_scale(l, l->x, x);
	x = l->x;
	parallel_for(p->thread_count, SHARDS, shard_evaluate, l);
	for (size_t s = 0; s < SHARDS; s++)
		loss += l->losses[s];
	double square = vector_sum(l->space, ret_gradient, penalty, x, l->gradients, SHARDS);
	/* The bias is free. */
	for (size_t i = weight_count; i < l->size; i++) {
		ret_gradient[i] -= (float)penalty * x[i];
		bias_square += (double)x[i] * x[i];
	}
	parameters_scale(l, ret_gradient, ret_gradient);
	return loss + 0.5 * penalty * (square - bias_square);
}

static bool logistic_cancelled(void *context)
{
	struct logistic *l = context;
	return progress_cancelled(l->problem->progress);
}

static void logistic_unpack(const struct logistic *l, const float *x, float *ret_weights,
			    float *ret_bias)
{
	size_t k = l->problem->class_count;
	size_t skipped = k - l->width;
	size_t columns = l->problem->rows.column_count;
	for (size_t c = 0; c <= columns; c++) {
		float *row = c < columns ? ret_weights + c * k : ret_bias;
		row[0] = 0.0f;
		memcpy(row + skipped, x + c * l->width, l->width * sizeof(*row));
	}
}

enum err logistic_fit(const struct logistic_problem *problem, float *ret_weights, float *ret_bias)
{
	size_t k = problem->class_count;
	assert(k >= 2);
	struct logistic l = {.problem = problem, .width = k == 2 ? 1 : k};
	l.size = (problem->rows.column_count + 1) * l.width;
	l.gradients = block_new(SHARDS * l.size);
	l.logits = malloc(SHARDS * k * sizeof(*l.logits));
	l.scales = block_new(problem->rows.column_count + 1);
	l.x = block_new(l.size);
	float *x = block_new(l.size);
	enum err err = ERR_NO_MEMORY;
	if (l.gradients && l.logits && l.scales && l.x && x)
		err = vector_space_new(l.size, problem->thread_count, &l.space);
	if (!err) {
		scales_make(&l);
		struct lbfgs_problem inner = {.size = l.size,
					      .thread_count = problem->thread_count,
					      .evaluate = logistic_evaluate,
					      .cancelled = logistic_cancelled,
					      .context = &l,
					      .iterations_max = problem->iterations_max,
					      .tolerance = problem->tolerance};
		err = lbfgs_minimize(&inner, x);
	}
	if (!err) {
		parameters_scale(&l, l.x, x);
		logistic_unpack(&l, l.x, ret_weights, ret_bias);
	}
	vector_space_free(l.space);
	free(l.gradients);
	free(l.logits);
	free(l.scales);
	free(l.x);
	free(x);
	return err;
}
