/* libs: freeal-selector-lib */
#include "selector/mixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "../golden/selector.inc"
#pragma GCC diagnostic pop

static void same_as_sklearn(const float *losses, size_t n, const double *means,
			    const double *variances, const double *weights, const double *posterior,
			    int iterations)
{
	struct mixture m;
	assert_int_equal(mixture_fit(losses, n, NULL, 0, 0, &m), ERR_OK);
	assert_int_equal(m.iterations, iterations);
	for (int k = 0; k < 2; k++) {
		assert_float_equal(m.part[k].mean, means[k], 1e-6);
		assert_float_equal(m.part[k].variance, variances[k], 1e-6);
		assert_float_equal(m.part[k].weight, weights[k], 1e-6);
	}
	/* Between the means, where no side of the parabola is held. */
	for (size_t i = 0; i < n; i++) {
		double x = (losses[i] - m.offset) / m.span;
		if (x > means[0] && x < means[1])
			assert_float_equal(mixture_posterior(&m, losses[i]), posterior[i], 1e-5);
	}
}

static void golden(void **state)
{
	(void)state;
	same_as_sklearn(apart_losses, 200, apart_means, apart_variances, apart_weights,
			apart_posterior, apart_iterations);
	same_as_sklearn(skewed_losses, 150, skewed_means, skewed_variances, skewed_weights,
			skewed_posterior, skewed_iterations);
}

static void posterior_is_monotone(void **state)
{
	(void)state;
	const struct mixture cases[] = {
	    {.part = {{0.1, 0.001, 0.8}, {0.7, 0.1, 0.2}}, .span = 1},
	    {.part = {{0.1, 0.1, 0.5}, {0.7, 0.001, 0.5}}, .span = 1},
	    {.part = {{0.3, 0.02, 0.5}, {0.4, 0.02, 0.5}}, .span = 1},
	};
	for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
		double before = 1;
		for (int i = -50; i < 150; i++) {
			double p = mixture_posterior(&cases[k], i / 100.0);
			assert_true(p <= before + 1e-12);
			assert_true(p >= 0 && p <= 1);
			before = p;
		}
	}
}

static void separation(void **state)
{
	(void)state;
	struct mixture m;
	assert_int_equal(mixture_fit(apart_losses, 200, NULL, 0, 0, &m), ERR_OK);
	assert_true(mixture_separated(&m));
	float even[100];
	for (int i = 0; i < 100; i++)
		even[i] = (float)i;
	assert_int_equal(mixture_fit(even, 100, NULL, 0, 0, &m), ERR_OK);
	assert_false(m.part[0].mean > m.part[1].mean);
}

static void degenerate(void **state)
{
	(void)state;
	float same[3] = {0.5f, 0.5f, 0.5f};
	for (size_t n = 1; n <= 3; n++) {
		struct mixture m;
		assert_int_equal(mixture_fit(same, n, NULL, 0, 0, &m), ERR_OK);
		assert_false(mixture_separated(&m));
		assert_true(isfinite(mixture_posterior(&m, 0.5)));
		assert_true(isfinite(mixture_posterior(&m, 1e9)));
	}
}

static void small_class_is_shrunk(void **state)
{
	(void)state;
	float few[2] = {0.1f, 0.2f};
	struct mixture all, m;
	assert_int_equal(mixture_fit(apart_losses, 200, NULL, 0, 0, &all), ERR_OK);
	assert_int_equal(mixture_fit(few, 2, apart_losses, 200, 48, &m), ERR_OK);
	assert_float_equal(m.part[1].mean, all.part[1].mean, 0.05);
	assert_true(m.part[1].weight < all.part[1].weight);
	assert_true(mixture_separated(&m));
}

static void large_input_is_sampled(void **state)
{
	(void)state;
	size_t n = 300000;
	float *many = malloc(n * sizeof(*many));
	assert_non_null(many);
	for (size_t i = 0; i < n; i++)
		many[i] = (float)mixture_quantile(apart_losses, 200, (double)i / (double)(n - 1));
	struct mixture small, large;
	assert_int_equal(mixture_fit(apart_losses, 200, NULL, 0, 0, &small), ERR_OK);
	assert_int_equal(mixture_fit(many, n, NULL, 0, 0, &large), ERR_OK);
	for (int k = 0; k < 2; k++) {
		assert_float_equal(small.part[k].mean, large.part[k].mean, 0.02);
		assert_float_equal(small.part[k].weight, large.part[k].weight, 0.02);
	}
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden),
	    cmocka_unit_test(posterior_is_monotone),
	    cmocka_unit_test(separation),
	    cmocka_unit_test(degenerate),
	    cmocka_unit_test(small_class_is_shrunk),
	    cmocka_unit_test(large_input_is_sampled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
