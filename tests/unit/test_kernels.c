/* libs: math base m */
/* The kernels of shared/math that the small model is made of. */
#include "base/rng.h"
#include "math/csr.h"
#include "math/lbfgs.h"
#include "math/parallel.h"
#include "math/softmax.h"
#include "math/vector.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_csr_products(void **state)
{
	(void)state;
	/* {1 0 2; 0 0 0; 0 3 0} */
	const uint64_t starts[] = {0, 2, 2, 3};
	const uint32_t columns[] = {0, 2, 1};
	const float values[] = {1.0f, 2.0f, 3.0f};
	const struct csr a = {3, 3, starts, columns, values};
	const float w[] = {1.0f, 10.0f, 2.0f, 20.0f, 3.0f, 30.0f};
	const float g[] = {1.0f, -1.0f};
	float ret[2] = {0.5f, 0.5f};
	float outer[6] = {0};
	csr_row_times(&a, 0, 2.0f, w, 2, ret);
	assert_true(ret[0] == 14.5f && ret[1] == 140.5f);
	csr_row_times(&a, 1, 1.0f, w, 2, ret);
	assert_true(ret[0] == 14.5f);
	csr_row_outer(&a, 0, g, 2, outer);
	csr_row_outer(&a, 2, g, 2, outer);
	const float expected[] = {1.0f, -1.0f, 3.0f, -3.0f, 2.0f, -2.0f};
	assert_memory_equal(outer, expected, sizeof outer);
	float one = 0.0f;
	csr_row_times(&a, 0, 1.0f, w, 1, &one);
	assert_true(one == 1.0f + 2.0f * 2.0f);
	memset(outer, 0, sizeof outer);
	csr_row_outer(&a, 0, g, 1, outer);
	assert_true(outer[0] == 1.0f && outer[2] == 2.0f);
}

/* Any width is the same as one product at a time, to the bit. */
static void test_csr_widths(void **state)
{
	(void)state;
	enum { TERMS = 40, COLUMNS = 60, WIDTH_MAX = 83 };
	static float w[COLUMNS * WIDTH_MAX], outer[COLUMNS * WIDTH_MAX];
	float values[TERMS], g[WIDTH_MAX], ret[WIDTH_MAX];
	uint32_t columns[TERMS];
	uint64_t starts[] = {0, TERMS};
	struct rng r = rng_make(3);
	for (size_t i = 0; i < TERMS; i++) {
		columns[i] = (uint32_t)i + (i > 20);
		values[i] = (float)rng_double(&r);
	}
	struct csr a = {1, COLUMNS, starts, columns, values};
	for (size_t k = 1; k <= WIDTH_MAX; k++) {
		for (size_t i = 0; i < COLUMNS * k; i++)
			w[i] = (float)rng_double(&r) - 0.5f;
		for (size_t j = 0; j < k; j++)
			ret[j] = g[j] = (float)rng_double(&r);
		memcpy(outer, w, sizeof outer);
		csr_row_times(&a, 0, 0.7f, w, k, ret);
		csr_row_outer(&a, 0, g, k, outer);
		for (size_t j = 0; j < k; j++) {
			float sum = 0.0f;
			for (size_t i = 0; i < TERMS; i++) {
				float add = values[i] * g[j];
				sum += values[i] * w[columns[i] * k + j];
				assert_true(outer[columns[i] * k + j] ==
					    w[columns[i] * k + j] + add);
			}
			float scaled = 0.7f * sum;
			assert_true(ret[j] == g[j] + scaled);
		}
	}
}

static void test_softmax_is_precise(void **state)
{
	(void)state;
	enum { COUNT = 150 };
	float logits[COUNT], probs[COUNT];
	struct rng r = rng_make(5);
	double sum = 0.0, max = -1e9;
	for (size_t i = 0; i < COUNT; i++) {
		logits[i] = (float)(40.0 * rng_double(&r) - 30.0);
		max = fmax(max, logits[i]);
	}
	for (size_t i = 0; i < COUNT; i++)
		sum += exp(logits[i] - max);
	double log_sum = softmax(logits, COUNT, probs);
	assert_true(fabs(log_sum - max - log(sum)) < 1e-6);
	assert_true(softmax_log_sum(logits, COUNT) - log_sum < 1e-9);
	for (size_t i = 0; i < COUNT; i++) {
		double expected = exp(logits[i] - max) / sum;
		/* The difference of the logits is rounded, too. */
		assert_true(fabs(probs[i] - expected) < 4e-6 * expected);
	}
}

/* The threads change nothing, not even a bit. */
static void test_vectors(void **state)
{
	(void)state;
	enum { SIZE = 300007 };
	float *a = malloc(5 * SIZE * sizeof *a), *b = a + SIZE, *c = b + SIZE, *d = c + SIZE;
	struct rng r = rng_make(9);
	double product = 0.0, first = 0.0;
	assert_non_null(a);
	for (size_t i = 0; i < 2 * SIZE; i++)
		a[i] = (float)rng_double(&r);
	for (size_t i = 0; i < SIZE; i++)
		product += (double)a[i] * b[i];
	for (size_t threads = 1; threads < 4; threads++) {
		struct vector_space *s;
		assert_int_equal(vector_space_new(SIZE, threads, &s), ERR_OK);
		double found = vector_dot(s, a, b);
		assert_true(fabs(found - product) < 1e-9 * product);
		first = threads == 1 ? found : first;
		assert_true(found == first);
		found = vector_combine(s, c, 2.0, a, -1.0, b, a);
		assert_true(found == vector_dot(s, c, a));
		assert_true(c[SIZE - 1] == 2.0f * a[SIZE - 1] - b[SIZE - 1]);
		assert_true(vector_combine(s, c, 0.5, c, 0.0, NULL, NULL) == 0.0);
		assert_true(c[7] == 0.5f * (2.0f * a[7] - b[7]));
		memcpy(d, a, 2 * SIZE * sizeof *d);
		found = vector_sum(s, c, 3.0, a, d, 2);
		assert_true(found == vector_dot(s, a, a));
		assert_true(c[SIZE - 1] == 3.0f * a[SIZE - 1] + a[SIZE - 1] + b[SIZE - 1]);
		vector_space_free(s);
	}
	free(a);
}

static void test_softmax_of_large_logits(void **state)
{
	(void)state;
	float logits[] = {1000.0f, 1000.0f, -1e30f};
	assert_true(fabs(softmax_log_sum(logits, 3) - (1000.0 + log(2.0))) < 1e-9);
	assert_int_equal(softmax_argmax(logits, 3), 0);
	(void)softmax(logits, 3, logits);
	assert_true(logits[0] == 0.5f && logits[1] == 0.5f && logits[2] == 0.0f);
}

/* sum_i i * (x_i - i)^2 + exp(x_0): convex, badly scaled. */
static double bowl(void *context, const float *x, float *ret_gradient)
{
	size_t *calls = context;
	double value = exp(x[0]);
	(*calls)++;
	for (size_t i = 0; i < 50; i++) {
		double off = x[i] - (double)i;
		value += (double)(i + 1) * off * off;
		ret_gradient[i] = (float)(2.0 * (double)(i + 1) * off + (i ? 0.0 : exp(x[0])));
	}
	return value;
}

static bool always(void *context)
{
	(void)context;
	return true;
}

static void test_lbfgs_finds_the_minimum(void **state)
{
	(void)state;
	size_t calls = 0;
	float x[50] = {0};
	struct lbfgs_problem problem = {.size = 50,
					.evaluate = bowl,
					.context = &calls,
					.iterations_max = 200,
					.tolerance = 1e-6};
	assert_int_equal(lbfgs_minimize(&problem, x), ERR_OK);
	/* 2 x + exp(x) = 0 at -0.351734. */
	assert_true(fabs(x[0] + 0.351734) < 1e-3);
	for (size_t i = 1; i < 50; i++)
		assert_true(fabs(x[i] - (double)i) < 1e-3);
	assert_true(calls < 100);
	problem.cancelled = always;
	assert_int_equal(lbfgs_minimize(&problem, x), ERR_CANCELLED);
}

static void mark(void *context, size_t i)
{
	unsigned char *marks = context;
	marks[i]++;
}

static void test_parallel_runs_each_task_once(void **state)
{
	(void)state;
	for (size_t threads = 0; threads < 6; threads++) {
		unsigned char marks[100] = {0};
		parallel_for(threads, 100, mark, marks);
		for (size_t i = 0; i < 100; i++)
			assert_int_equal(marks[i], 1);
		parallel_for(threads, 0, mark, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_csr_products),
	    cmocka_unit_test(test_csr_widths),
	    cmocka_unit_test(test_softmax_is_precise),
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_softmax_of_large_logits),
	    cmocka_unit_test(test_lbfgs_finds_the_minimum),
	    cmocka_unit_test(test_parallel_runs_each_task_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
