/* libs: freeal-trainer-lib m */
/* Gradients of the robust losses by finite differences; schedule, clean set, refit. */
#include "trainer/robust.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { K = 4, ROWS = 200, COLUMNS = 6 };

static void test_cross_entropy_gradient(void **state)
{
	(void)state;
	const float target[K] = {0.7f, 0.0f, 0.3f, 0.0f};
	float logits[K] = {0.5f, -1.0f, 2.0f, 0.1f};
	float gradient[K] = {0};
	float unused[K] = {0};
	(void)robust_cross_entropy(logits, target, K, 2.0, gradient);
	for (size_t j = 0; j < K; j++) {
		const float step = 1e-2f;
		float kept = logits[j];
		logits[j] = kept + step;
		double above = robust_cross_entropy(logits, target, K, 0.0, unused);
		logits[j] = kept - step;
		double below = robust_cross_entropy(logits, target, K, 0.0, unused);
		logits[j] = kept;
		assert_true(fabs(2.0 * (above - below) / (2.0 * step) - gradient[j]) < 1e-4);
	}
}

static void probabilities(const float *logits, double scale, double *ret)
{
	double sum = 0.0;
	for (size_t j = 0; j < K; j++)
		sum += exp(logits[j] * scale);
	for (size_t j = 0; j < K; j++)
		ret[j] = exp(logits[j] * scale) / sum;
}

/* The definition, with the targets handed in so that they can be held fast. */
static double consistency(const double *target_a, const double *target_b, const float *a,
			  const float *b, double student_scale)
{
	double p[K];
	double q[K];
	double loss = 0.0;
	probabilities(a, student_scale, p);
	probabilities(b, student_scale, q);
	for (size_t j = 0; j < K; j++) {
		loss += target_a[j] * log(target_a[j] / q[j]);
		loss += target_b[j] * log(target_b[j] / p[j]);
	}
	return loss;
}

static void check_consistency(bool flatten)
{
	struct robust_config config = robust_config_default();
	config.flatten = flatten;
	double target_scale = flatten ? 1.0 : 1.0 / 0.85;
	double student_scale = flatten ? 1.0 / 0.85 : 1.0;
	float a[K] = {0.5f, -1.0f, 2.0f, 0.1f};
	float b[K] = {1.5f, 0.3f, -0.4f, 0.2f};
	float gradient_a[K] = {0};
	float gradient_b[K] = {0};
	double target_a[K];
	double target_b[K];
	probabilities(a, target_scale, target_a);
	probabilities(b, target_scale, target_b);
	double loss = robust_consistency(a, b, K, &config, 0.5, gradient_a, gradient_b);
	assert_true(fabs(loss - consistency(target_a, target_b, a, b, student_scale)) < 1e-6);
	for (size_t side = 0; side < 2; side++)
		for (size_t j = 0; j < K; j++) {
			const float step = 1e-2f;
			float *at = side ? &b[j] : &a[j];
			float kept = *at;
			*at = kept + step;
			double above = consistency(target_a, target_b, a, b, student_scale);
			*at = kept - step;
			double below = consistency(target_a, target_b, a, b, student_scale);
			*at = kept;
			double expected = 0.5 * (above - below) / (2.0 * step);
			assert_true(fabs(expected - (side ? gradient_b : gradient_a)[j]) < 1e-4);
		}
}

static void test_consistency_gradient(void **state)
{
	(void)state;
	check_consistency(false);
	check_consistency(true);
}

static void test_consistency_of_equal_views(void **state)
{
	(void)state;
	struct robust_config config = robust_config_default();
	const float a[K] = {0.5f, -1.0f, 2.0f, 0.1f};
	float g[K] = {0};
	float h[K] = {0};
	(void)robust_consistency(a, a, K, &config, 1.0, g, h);
	/* Sharpened targets raise the likeliest class, where flattened students lower it. */
	assert_true(g[2] < 0.0f && h[2] < 0.0f);
	memset(g, 0, sizeof g);
	config.flatten = true;
	(void)robust_consistency(a, a, K, &config, 1.0, g, h);
	assert_true(g[2] > 0.0f);
}

static void test_ramp(void **state)
{
	(void)state;
	struct robust_config config = robust_config_default();
	config.epochs = 10;
	assert_true(robust_ramp(&config, 0) == 0.0);
	assert_true(fabs(robust_ramp(&config, 2) - 0.5) < 1e-9);
	assert_true(robust_ramp(&config, 4) == 1.0);
	assert_true(robust_ramp(&config, 9) == 1.0);
}

/* Class = the larger of columns 0 and 1; every fifth label wrong, every seventh missing. */
struct world {
	uint64_t starts[ROWS + 1];
	uint32_t columns[ROWS * COLUMNS];
	float values[ROWS * COLUMNS];
	int32_t gold[ROWS];
	int32_t labels[ROWS];
	bool clean[ROWS];
	struct robust_data data;
	uint32_t calls;
};

static void world_init(struct world *w)
{
	struct rng rng = rng_make(11);
	*w = (struct world){0};
	for (size_t r = 0; r < ROWS; r++) {
		for (size_t c = 0; c < COLUMNS; c++) {
			w->columns[r * COLUMNS + c] = (uint32_t)c;
			w->values[r * COLUMNS + c] = (float)rng_double(&rng);
		}
		w->starts[r + 1] = (r + 1) * COLUMNS;
		w->gold[r] = w->values[r * COLUMNS + 1] > w->values[r * COLUMNS];
		w->clean[r] = r % 5 != 0;
		w->labels[r] = r % 7 == 0 ? -1 : w->clean[r] ? w->gold[r] : 1 - w->gold[r];
	}
	w->data = (struct robust_data){
	    .rows = {ROWS, COLUMNS, w->starts, w->columns, w->values},
	    .labels = w->labels,
	    .clean = w->clean,
	    .class_count = 2,
	};
}

static size_t world_right(const struct world *w, const float *weights, const float *bias)
{
	size_t right = 0;
	for (size_t r = 0; r < ROWS; r++) {
		float z[2] = {bias[0], bias[1]};
		csr_row_times(&w->data.rows, r, 1.0f, weights, 2, z);
		right += (z[1] > z[0]) == w->gold[r];
	}
	return right;
}

static struct robust_config long_config(void)
{
	struct robust_config config = robust_config_default();
	config.epochs = 60;
	config.rate = 0.5;
	return config;
}

static void test_training_learns_and_repeats(void **state)
{
	(void)state;
	struct world w;
	struct robust_config config = long_config();
	float weights[2][COLUMNS * 2] = {{0}};
	float bias[2][2] = {{0}};
	world_init(&w);
	for (size_t turn = 0; turn < 2; turn++)
		assert_int_equal(robust_train(&w.data, &config, NULL, weights[turn], bias[turn]),
				 ERR_OK);
	assert_memory_equal(weights[0], weights[1], sizeof weights[0]);
	assert_memory_equal(bias[0], bias[1], sizeof bias[0]);
	assert_true(world_right(&w, weights[0], bias[0]) >= ROWS * 93 / 100);
}

static enum err refit(void *context, uint32_t epoch, const float *losses, size_t row_count,
		      bool *clean)
{
	struct world *w = context;
	(void)epoch;
	w->calls++;
	assert_int_equal(row_count, ROWS);
	for (size_t r = 0; r < ROWS; r++) {
		assert_int_equal(!isnan(losses[r]), w->labels[r] >= 0);
		clean[r] = r % 5 != 0;
	}
	return ERR_OK;
}

static void test_refit_before_each_epoch_after_the_warm_up(void **state)
{
	(void)state;
	struct world w;
	struct robust_config config = long_config();
	float weights[COLUMNS * 2] = {0};
	float bias[2] = {0};
	world_init(&w);
	w.data.clean = NULL;
	w.data.refit = refit;
	w.data.refit_context = &w;
	assert_int_equal(robust_train(&w.data, &config, NULL, weights, bias), ERR_OK);
	assert_int_equal(w.calls, 48);
	assert_true(world_right(&w, weights, bias) >= ROWS * 93 / 100);
}

/* With no clean sample and no label at all there is nothing to divide by. */
static void test_nothing_clean(void **state)
{
	(void)state;
	struct world w;
	struct robust_config config = robust_config_default();
	float weights[COLUMNS * 2] = {0};
	float bias[2] = {0};
	world_init(&w);
	for (size_t r = 0; r < ROWS; r++)
		w.labels[r] = -1;
	assert_int_equal(robust_train(&w.data, &config, NULL, weights, bias), ERR_OK);
	for (size_t i = 0; i < COLUMNS * 2; i++)
		assert_true(isfinite(weights[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cross_entropy_gradient),
	    cmocka_unit_test(test_consistency_gradient),
	    cmocka_unit_test(test_consistency_of_equal_views),
	    cmocka_unit_test(test_ramp),
	    cmocka_unit_test(test_training_learns_and_repeats),
	    cmocka_unit_test(test_refit_before_each_epoch_after_the_warm_up),
	    cmocka_unit_test(test_nothing_clean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
