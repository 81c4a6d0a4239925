#include "trainer/logistic.h"

#include "math/block.h"
#include "math/lbfgs.h"
#include "math/parallel.h"
#include "math/softmax.h"
#include "math/vector.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * Rows are cut into this many shards with a gradient each, added in their order:
 * so sums don't depend on the number of threads.
 */
enum { SHARDS = 4 };

struct logistic {
	const struct logistic_problem *problem;
	size_t width;	  /* columns of weights: 1 for two classes, else class_count */
	size_t size;	  /* parameters: column_count * width weights, width biases */
	const float *x;	  /* the parameters of this evaluation */
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

static double logistic_evaluate(void *context, const float *x, float *ret_gradient)
{
	struct logistic *l = context;
	const struct logistic_problem *p = l->problem;
	size_t weight_count = p->rows.column_count * l->width;
	double penalty = 1.0 / p->inverse_penalty;
	double loss = 0.0;
	double bias_square = 0.0;

	l->x = x;
	parallel_for(p->thread_count, SHARDS, shard_evaluate, l);
	for (size_t s = 0; s < SHARDS; s++)
		loss += l->losses[s];
	double square = vector_sum(l->space, ret_gradient, penalty, x, l->gradients, SHARDS);
	/* The bias is free. */
	for (size_t i = weight_count; i < l->size; i++) {
		ret_gradient[i] -= (float)penalty * x[i];
		bias_square += (double)x[i] * x[i];
	}
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
	float *x = block_new(l.size);
	enum err err = ERR_NO_MEMORY;
	if (l.gradients && l.logits && x)
		err = vector_space_new(l.size, problem->thread_count, &l.space);
	if (!err) {
		struct lbfgs_problem inner = {.size = l.size,
					      .thread_count = problem->thread_count,
					      .evaluate = logistic_evaluate,
					      .cancelled = logistic_cancelled,
					      .context = &l,
					      .iterations_max = problem->iterations_max,
					      .tolerance = problem->tolerance};
		err = lbfgs_minimize(&inner, x);
	}
	if (!err)
		logistic_unpack(&l, x, ret_weights, ret_bias);
	vector_space_free(l.space);
	free(l.gradients);
	free(l.logits);
	free(x);
	return err;
}
