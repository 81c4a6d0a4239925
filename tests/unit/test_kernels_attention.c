/* libs: freeal-trainer-lib m */
/* Attention against a plain one in double precision; that one's gradient against differences. */
#include "base/rng.h"
#include "trainer/encoder/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct dropout_step STEP = {.seed = 7, .step = 3};

/* A problem and its answers, all sizes of which are known when it is made. */
struct problem {
	struct attention a;
	struct dropout dropout;
	size_t hidden, count; /* of out; qkv has three times as many */
	uint64_t *keys;
	float *qkv, *dout;
	double *in, *out, *log_sums, *grad;
	double *weights; /* (tokens): of one query */
};

static void *take(size_t count, size_t size)
{
	void *p = calloc(count, size);
	assert_non_null(p);
	return p;
}

static struct problem problem_make(size_t tokens, size_t heads, size_t head_columns, bool drops)
{
	struct problem p = {.hidden = heads * head_columns, .count = tokens * heads * head_columns};
	struct rng r = rng_make(tokens * 1000 + heads + 10 * head_columns);
	p.keys = take(tokens, sizeof *p.keys);
	p.qkv = take(3 * p.count, sizeof *p.qkv);
	p.dout = take(p.count, sizeof *p.dout);
	p.in = take(3 * p.count, sizeof *p.in);
	p.out = take(p.count, sizeof *p.out);
	p.log_sums = take(tokens * heads, sizeof *p.log_sums);
	p.grad = take(3 * p.count, sizeof *p.grad);
	p.weights = take(tokens, sizeof *p.weights);
	p.dropout = dropout_site_make(&STEP, 1, DROPOUT_ATTENTION, 0.2f);
	for (size_t i = 0; i < 3 * p.count; i++)
		p.in[i] = p.qkv[i] = (float)(3.0 * rng_double(&r) - 1.0);
	for (size_t i = 0; i < p.count; i++)
		p.dout[i] = (float)(2.0 * rng_double(&r) - 1.0);
	for (size_t i = 0; i < tokens; i++)
		p.keys[i] = dropout_row_key(&p.dropout, 5, (uint32_t)i);
	p.a = (struct attention){tokens, heads, head_columns, p.qkv, NULL, p.keys};
	p.a.d = drops ? &p.dropout : NULL;
	return p;
}

static void problem_done(struct problem *p)
{
	free(p->keys);
	free(p->qkv);
	free(p->dout);
	free(p->in);
	free(p->out);
	free(p->log_sums);
	free(p->grad);
	free(p->weights);
}

static double dot(const double *a, const double *b, size_t count)
{
	double sum = 0.0;
	for (size_t i = 0; i < count; i++)
		sum += a[i] * b[i];
	return sum;
}

/* The probabilities of query i, without dropout; returns the log sum. */
static double reference_weights(const struct problem *p, size_t head, size_t i)
{
	size_t stride = 3 * p->hidden, columns = p->a.head_columns;
	const double *query = p->in + head * columns, *key = query + p->hidden;
	double max = -1e300, sum = 0.0;
	for (size_t j = 0; j < p->a.tokens; j++) {
		p->weights[j] =
		    dot(query + i * stride, key + j * stride, columns) / sqrt((double)columns);
		max = fmax(max, p->weights[j]);
	}
	for (size_t j = 0; j < p->a.tokens; j++)
		sum += exp(p->weights[j] - max);
	for (size_t j = 0; j < p->a.tokens; j++)
		p->weights[j] = exp(p->weights[j] - max) / sum;
	return max + log(sum);
}

static double reference_mask(const struct problem *p, size_t head, size_t i, size_t j)
{
	float scale = 1.0f;
	if (p->a.d)
		dropout_row(p->a.d, p->keys[i], (uint32_t)(head << 16 | j), 1, &scale);
	return (double)scale;
}

static void reference_forward(struct problem *p)
{
	size_t stride = 3 * p->hidden, columns = p->a.head_columns;
	memset(p->out, 0, p->count * sizeof *p->out);
	for (size_t head = 0; head < p->a.heads; head++)
		for (size_t i = 0; i < p->a.tokens; i++) {
			double *out = p->out + i * p->hidden + head * columns;
			p->log_sums[i * p->a.heads + head] = reference_weights(p, head, i);
			for (size_t j = 0; j < p->a.tokens; j++) {
				double w = p->weights[j] * reference_mask(p, head, i, j);
				const double *value =
				    p->in + j * stride + 2 * p->hidden + head * columns;
				for (size_t c = 0; c < columns; c++)
					out[c] += w * value[c];
			}
		}
}

static void reference_backward(struct problem *p)
{
	size_t stride = 3 * p->hidden, columns = p->a.head_columns;
	double root = 1.0 / sqrt((double)columns);
	memset(p->grad, 0, 3 * p->count * sizeof *p->grad);
	for (size_t head = 0; head < p->a.heads; head++)
		for (size_t i = 0; i < p->a.tokens; i++) {
			const double *in = p->in + head * columns;
			double *grad = p->grad + head * columns, mean = 0.0;
			const float *dout = p->dout + i * p->hidden + head * columns;
			(void)reference_weights(p, head, i);
			for (int pass = 0; pass < 2; pass++)
				for (size_t j = 0; j < p->a.tokens; j++) {
					size_t key = j * stride + p->hidden,
					       value = key + p->hidden;
					double mask = reference_mask(p, head, i, j), dual = 0.0;
					for (size_t c = 0; c < columns; c++)
						dual += mask * (double)dout[c] * in[value + c];
					if (pass == 0) {
						mean += p->weights[j] * dual;
						continue;
					}
					double ds = p->weights[j] * (dual - mean) * root;
					for (size_t c = 0; c < columns; c++) {
						grad[value + c] +=
						    p->weights[j] * mask * (double)dout[c];
						grad[i * stride + c] += ds * in[key + c];
						grad[key + c] += ds * in[i * stride + c];
					}
				}
		}
}

static void assert_near(const float *found, const double *expected, size_t count, double tolerance)
{
	for (size_t i = 0; i < count; i++)
		if (!(fabs((double)found[i] - expected[i]) <= tolerance))
			fail_msg("%zu of %zu: %.9g instead of %.9g", i, count, (double)found[i],
				 expected[i]);
}

static void the_reference_has_its_gradient(void **state)
{
	(void)state;
	for (int drops = 0; drops < 2; drops++) {
		struct problem p = problem_make(5, 2, 3, drops);
		reference_backward(&p);
		for (size_t i = 0; i < 3 * p.count; i++) {
			double kept = p.in[i], loss[2], h = 1e-5;
			for (int side = 0; side < 2; side++) {
				p.in[i] = kept + (side ? h : -h);
				loss[side] = 0.0;
				reference_forward(&p);
				for (size_t k = 0; k < p.count; k++)
					loss[side] += p.out[k] * (double)p.dout[k];
			}
			p.in[i] = kept;
			assert_true(fabs((loss[1] - loss[0]) / (2 * h) - p.grad[i]) < 1e-8);
		}
		problem_done(&p);
	}
}

/* Both passes, heads shared out, into outputs and a scratch that are full of NaN. */
static void problem_check(struct problem *p)
{
	size_t heads = p->a.heads, tokens = p->a.tokens;
	size_t scratch_size = kernel_attention_scratch(tokens, p->a.head_columns);
	float *scratch = take(scratch_size + 1, sizeof *scratch);
	float *out = take(p->count, sizeof *out), *grad = take(3 * p->count, sizeof *grad);
	float *log_sums = take(tokens * heads, sizeof *log_sums), again;
	bf16 *half = take(3 * p->count, sizeof *half), of_again;
	const float end = 12345.0f;
	reference_forward(p);
	reference_backward(p);
	memset(scratch, 0xff, scratch_size * sizeof *scratch);
	memset(out, 0xff, p->count * sizeof *out);
	memset(grad, 0xff, 3 * p->count * sizeof *grad);
	scratch[scratch_size] = end;
	kernel_attention(&p->a, 0, heads / 2, scratch, out, half, log_sums);
	kernel_attention(&p->a, heads / 2, heads - heads / 2, scratch, out, half, log_sums);
	assert_near(out, p->out, p->count, 3e-6);
	assert_near(log_sums, p->log_sums, tokens * heads, 3e-6);
	for (size_t i = 0; i < p->count; i++) {
		kernel_half(out + i, 1, &of_again);
		assert_int_equal(half[i], of_again);
	}
	memset(scratch, 0xff, scratch_size * sizeof *scratch);
	kernel_attention_backward(&p->a, p->dout, log_sums, 0, heads / 2, scratch, grad, half);
	kernel_attention_backward(&p->a, p->dout, log_sums, heads / 2, heads - heads / 2, scratch,
				  grad, half);
	assert_near(grad, p->grad, 3 * p->count, 2e-5);
	for (size_t i = 0; i < 3 * p->count; i++) {
		kernel_half(grad + i, 1, &of_again);
		assert_int_equal(half[i], of_again);
	}
	/* Into halves alone. */
	memset(half, 0, 3 * p->count * sizeof *half);
	kernel_attention(&p->a, 0, heads, scratch, NULL, half, NULL);
	for (size_t i = 0; i < p->count; i++) {
		kernel_float(half + i, 1, &again);
		assert_true(fabs((double)again - p->out[i]) <= fabs(p->out[i]) / 128 + 1e-5);
	}
	kernel_attention_backward(&p->a, p->dout, log_sums, 0, heads, scratch, NULL, half);
	for (size_t i = 0; i < 3 * p->count; i++) {
		kernel_half(grad + i, 1, &of_again);
		assert_int_equal(half[i], of_again);
	}
	assert_true(scratch[scratch_size] == end);
	free(scratch);
	free(out);
	free(grad);
	free(log_sums);
	free(half);
}

static void all_sizes_are_right(void **state)
{
	(void)state;
	const size_t tokens[] = {1, 2, 3, 15, 16, 27, 31, 32, 33, 50, 64, 129};
	const size_t columns[] = {1, 3, 8, 20, 32, 64, 100};
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		for (size_t j = 0; j < sizeof columns / sizeof *columns; j++) {
			if (tokens[i] > 64 && columns[j] > 32)
				continue;
			for (int drops = 0; drops < 2; drops++) {
				struct problem p =
				    problem_make(tokens[i], 1 + (i + j) % 3, columns[j], drops);
				problem_check(&p);
				problem_done(&p);
			}
		}
}

static void long_texts_are_right(void **state)
{
	(void)state;
	struct problem p = problem_make(512, 1, 64, true);
	problem_check(&p);
	problem_done(&p);
}

/* Scores that no exponential of a float can hold; and what is not a number stays so. */
static void large_scores_are_right(void **state)
{
	(void)state;
	struct problem p = problem_make(20, 1, 16, false);
	for (size_t i = 0; i < 3 * p.count; i++)
		if (i % 48 < 32)
			p.in[i] = p.qkv[i] *= 30.0f;
	reference_forward(&p);
	size_t scratch_size = kernel_attention_scratch(20, 16);
	float *scratch = take(scratch_size, sizeof *scratch);
	float *out = take(p.count, sizeof *out), log_sums[20];
	kernel_attention(&p.a, 0, 1, scratch, out, NULL, log_sums);
	assert_near(out, p.out, p.count, 2e-3);
	p.qkv[48 * 7 + 16 + 3] = NAN; /* a key's: in every query's scores */
	kernel_attention(&p.a, 0, 1, scratch, out, NULL, log_sums);
	for (size_t i = 0; i < p.count; i++)
		assert_true(isnan(out[i]));
	free(scratch);
	free(out);
	problem_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_reference_has_its_gradient),
	    cmocka_unit_test(all_sizes_are_right),
	    cmocka_unit_test(long_texts_are_right),
	    cmocka_unit_test(large_scores_are_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
