/* libs: freeal-trainer-lib m */
/* The encoder's row kernels against plain ones in double precision, which are below, and their
 * gradients against differences of those. */
#include "base/rng.h"
#include "trainer/encoder/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, COLUMNS_MAX = 768, SIZE = ROWS * COLUMNS_MAX };

static const size_t COLUMNS[] = {1, 2, 3, 17, 100, 257, 384, 768};
static const struct dropout_step STEP = {.seed = 7, .step = 3};

static float gamma_[COLUMNS_MAX], beta[COLUMNS_MAX], bias[COLUMNS_MAX];
static float x[SIZE], residual[SIZE], dy[SIZE];
static float mask[SIZE];
static uint64_t keys[ROWS];
static struct dropout dropout;
static struct norm norm;

static float uniform(struct rng *r, double low, double high)
{
	return (float)(low + (high - low) * rng_double(r));
}

/* New values, and the mask that they are dropped with (none: ones). */
static const struct dropout *values_make(size_t columns, bool drops)
{
	struct rng r = rng_make(columns + 1000 * drops);
	for (size_t j = 0; j < columns; j++) {
		gamma_[j] = uniform(&r, 0.5, 1.5);
		beta[j] = uniform(&r, -1.0, 1.0);
		bias[j] = uniform(&r, -1.0, 1.0);
	}
	dropout = dropout_site_make(&STEP, 1, DROPOUT_OUT, 0.25f);
	for (size_t i = 0; i < ROWS; i++) {
		keys[i] = dropout_row_key(&dropout, 77, (uint32_t)i);
		dropout_row(&dropout, keys[i], 0, columns, mask + i * columns);
	}
	for (size_t i = 0; i < ROWS * columns; i++) {
		x[i] = uniform(&r, -2.0, 3.0);
		residual[i] = uniform(&r, -2.0, 2.0);
		dy[i] = uniform(&r, -1.0, 1.0);
		mask[i] = drops ? mask[i] : 1.0f;
	}
	/* Few columns may be nearly the same, which a small epsilon makes badly conditioned. */
	norm = (struct norm){gamma_, beta, columns < 10 ? 1e-2f : 1e-5f, columns};
	return drops ? &dropout : NULL;
}

static void assert_near(const float *found, const double *expected, size_t count, double tolerance)
{
	for (size_t i = 0; i < count; i++)
		if (!(fabs((double)found[i] - expected[i]) <=
		      tolerance * (1.0 + fabs(expected[i]))))
			fail_msg("%zu of %zu: %.9g instead of %.9g", i, count, (double)found[i],
				 expected[i]);
}

/* To nearest, ties to even, by arithmetic. */
static bf16 reference_half(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	if (isnan(value))
		return (bf16)(bits >> 16 | 0x40);
	uint32_t rest = bits & 0xffff, up = rest > 0x8000 || (rest == 0x8000 && (bits >> 16 & 1));
	return (bf16)((bits >> 16) + up);
}

static void assert_halves(const bf16 *found, const float *of, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(found[i], reference_half(of[i]));
}

static void reference_norm(const double *row, size_t columns, double *ret)
{
	double mean = 0.0, variance = 0.0;
	for (size_t j = 0; j < columns; j++)
		mean += row[j] / (double)columns;
	for (size_t j = 0; j < columns; j++)
		variance += (row[j] - mean) * (row[j] - mean) / (double)columns;
	for (size_t j = 0; j < columns; j++)
		ret[j] =
		    (row[j] - mean) / sqrt(variance + (double)norm.epsilon) * (double)gamma_[j] +
		    (double)beta[j];
}

static void test_norm(void **state)
{
	(void)state;
	static float ret[SIZE];
	static double in[SIZE], expected[SIZE];
	static bf16 half[SIZE], half_alone[SIZE];
	struct norm_stats stats[ROWS];
	for (size_t k = 0; k < 2 * sizeof COLUMNS / sizeof *COLUMNS; k++) {
		size_t columns = COLUMNS[k / 2], count = ROWS * columns;
		const struct dropout *d = values_make(columns, k % 2);
		for (size_t i = 0; i < count; i++)
			in[i] = (double)x[i];
		for (size_t i = 0; i < ROWS; i++)
			reference_norm(in + i * columns, columns, expected + i * columns);
		for (size_t i = 0; i < count; i++)
			expected[i] *= (double)mask[i];
		kernel_norm(&norm, x, ROWS, d, keys, ret, half, stats);
		assert_near(ret, expected, count, 1e-5);
		assert_halves(half, ret, count);
		kernel_norm(&norm, x, ROWS, d, keys, NULL, half_alone, NULL);
		assert_memory_equal(half, half_alone, count * sizeof *half);
		for (size_t i = 0; i < ROWS; i++) {
			double mean = 0.0;
			for (size_t j = 0; j < columns; j++)
				mean += in[i * columns + j] / (double)columns;
			assert_true(fabs((double)stats[i].mean - mean) < 1e-5);
		}
		/* In place. */
		memcpy(ret, x, count * sizeof *x);
		kernel_norm(&norm, ret, ROWS, d, keys, ret, NULL, NULL);
		assert_near(ret, expected, count, 1e-5);
	}
}

static void test_residual_norm(void **state)
{
	(void)state;
	static float sum[SIZE], ret[SIZE];
	static double in[SIZE], expected[SIZE];
	static bf16 half[SIZE], half_alone[SIZE];
	for (size_t k = 0; k < 2 * sizeof COLUMNS / sizeof *COLUMNS; k++) {
		size_t columns = COLUMNS[k / 2], count = ROWS * columns;
		const struct dropout *d = values_make(columns, k % 2);
		struct norm_stats stats[ROWS];
		for (size_t i = 0; i < count; i++)
			in[i] = (double)residual[i] +
				((double)x[i] + (double)bias[i % columns]) * (double)mask[i];
		for (size_t i = 0; i < ROWS; i++)
			reference_norm(in + i * columns, columns, expected + i * columns);
		memcpy(sum, x, sizeof sum);
		kernel_residual_norm(&norm, bias, residual, ROWS, d, keys, sum, ret, half, stats);
		assert_near(sum, in, count, 1e-6);
		assert_near(ret, expected, count, 1e-5);
		assert_halves(half, ret, count);
		memcpy(sum, x, sizeof sum);
		kernel_residual_norm(&norm, bias, residual, ROWS, d, keys, sum, NULL, half_alone,
				     NULL);
		assert_memory_equal(half, half_alone, count * sizeof *half);
	}
}

/* sum of dy * LN(row), of which the gradient is wanted. */
static double norm_loss(const double *row, size_t i, size_t columns)
{
	static double out[COLUMNS_MAX];
	double loss = 0.0;
	reference_norm(row, columns, out);
	for (size_t j = 0; j < columns; j++)
		loss += out[j] * (double)dy[i * columns + j];
	return loss;
}

static void test_norm_backward(void **state)
{
	(void)state;
	static float dx[SIZE], branch[SIZE], again[SIZE], sums[3][COLUMNS_MAX];
	static double row[COLUMNS_MAX], dx_expected[SIZE], branch_expected[SIZE],
	    sums_expected[3][COLUMNS_MAX];
	static bf16 half[SIZE], half_alone[SIZE];
	for (size_t k = 0; k < 2 * sizeof COLUMNS / sizeof *COLUMNS; k++) {
		size_t columns = COLUMNS[k / 2], count = ROWS * columns;
		const struct dropout *d = values_make(columns, k % 2);
		struct norm_stats stats[ROWS];
		for (size_t j = 0; j < columns; j++)
			for (size_t s = 0; s < 3; s++)
				sums_expected[s][j] = sums[s][j] = 0.5f; /* is added to */
		for (size_t i = 0; i < ROWS; i++) {
			double out[COLUMNS_MAX];
			for (size_t j = 0; j < columns; j++)
				row[j] = (double)x[i * columns + j];
			reference_norm(row, columns, out);
			for (size_t j = 0; j < columns; j++) {
				size_t at = i * columns + j;
				double kept = row[j], h = 1e-4;
				row[j] = kept + h;
				double above = norm_loss(row, i, columns);
				row[j] = kept - h;
				dx_expected[at] = (above - norm_loss(row, i, columns)) / (2 * h);
				row[j] = kept;
				branch_expected[at] = dx_expected[at] * (double)mask[at];
				sums_expected[0][j] +=
				    (double)dy[at] * (out[j] - (double)beta[j]) / (double)gamma_[j];
				sums_expected[1][j] += (double)dy[at];
				sums_expected[2][j] += branch_expected[at];
			}
		}
		kernel_norm(&norm, x, ROWS, NULL, NULL, dx, NULL, stats);
		kernel_norm_backward(&norm, dy, x, stats, ROWS, d, keys, sums[0], sums[1], dx,
				     branch, half, sums[2]);
		assert_near(dx, dx_expected, count, 2e-5);
		assert_near(branch, branch_expected, count, 2e-5);
		assert_halves(half, branch, count);
		for (size_t s = 0; s < 3; s++)
			assert_near(sums[s], sums_expected[s], columns, 2e-5);
		/* In place, and without floats of the branch. */
		memcpy(again, dy, sizeof again);
		kernel_norm_backward(&norm, again, x, stats, ROWS, d, keys, sums[0], sums[1], again,
				     NULL, half_alone, sums[2]);
		assert_memory_equal(again, dx, count * sizeof *dx);
		assert_memory_equal(half, half_alone, count * sizeof *half);
		/* Without a branch. */
		kernel_norm_backward(&norm, dy, x, stats, ROWS, NULL, NULL, sums[0], sums[1], again,
				     NULL, NULL, NULL);
		assert_memory_equal(again, dx, count * sizeof *dx);
	}
}

static void test_dropout(void **state)
{
	(void)state;
	static float y[SIZE];
	for (size_t k = 0; k < sizeof COLUMNS / sizeof *COLUMNS; k++) {
		size_t columns = COLUMNS[k];
		const struct dropout *d = values_make(columns, true);
		memcpy(y, x, sizeof y);
		kernel_dropout(ROWS, columns, d, keys, y);
		for (size_t i = 0; i < ROWS * columns; i++)
			assert_true(y[i] == x[i] * mask[i]);
		memcpy(y, x, sizeof y);
		kernel_dropout(ROWS, columns, NULL, NULL, y);
		assert_memory_equal(y, x, ROWS * columns * sizeof *y);
	}
}

static double gelu(double u)
{
	return u * 0.5 * erfc(-u / sqrt(2.0));
}

static double gelu_slope(double u)
{
	return 0.5 * erfc(-u / sqrt(2.0)) + u * exp(-u * u / 2.0) / sqrt(2.0 * acos(-1.0));
}

static void test_gelu(void **state)
{
	(void)state;
	static float u[SIZE], ret[SIZE], sums[COLUMNS_MAX];
	static double expected[SIZE], sums_expected[COLUMNS_MAX];
	static bf16 half[SIZE], half_alone[SIZE];
	for (size_t k = 0; k < sizeof COLUMNS / sizeof *COLUMNS; k++) {
		size_t columns = COLUMNS[k], count = ROWS * columns;
		(void)values_make(columns, false);
		memcpy(u, x, sizeof u);
		kernel_gelu(bias, ROWS, columns, u, ret, half);
		for (size_t i = 0; i < count; i++) {
			assert_true(u[i] == x[i] + bias[i % columns]);
			expected[i] = gelu((double)u[i]);
		}
		assert_near(ret, expected, count, 3e-7);
		assert_halves(half, ret, count);
		memcpy(ret, x, sizeof ret);
		kernel_gelu(bias, ROWS, columns, ret, NULL, half_alone);
		assert_memory_equal(half, half_alone, count * sizeof *half);
		for (size_t j = 0; j < columns; j++)
			sums_expected[j] = sums[j] = 0.5f;
		for (size_t i = 0; i < count; i++) {
			expected[i] = (double)dy[i] * gelu_slope((double)u[i]);
			sums_expected[i % columns] += expected[i];
		}
		kernel_gelu_backward(u, dy, ROWS, columns, ret, half, sums);
		assert_near(ret, expected, count, 4e-7);
		assert_near(sums, sums_expected, columns, 1e-6);
		assert_halves(half, ret, count);
		memcpy(ret, dy, sizeof ret);
		kernel_gelu_backward(u, ret, ROWS, columns, ret, NULL, sums);
		assert_near(ret, expected, count, 4e-7);
		kernel_gelu_backward(u, dy, ROWS, columns, NULL, half_alone, sums);
		assert_memory_equal(half, half_alone, count * sizeof *half);
	}
}

/* Small, large, endless and undefined numbers. */
static void test_gelu_at_the_ends(void **state)
{
	(void)state;
	enum { COUNT = 4096 };
	static float u[COUNT], ret[COUNT], slope[COUNT], ones[COUNT], none[COUNT], sums[COUNT];
	for (size_t i = 0; i < COUNT; i++) {
		u[i] = (float)((double)i - COUNT / 2) / 128.0f;
		ones[i] = 1.0f;
	}
	const float ends[] = {0.0f, -0.0f,  1e-30f, -1e-30f, 1e-40f, 50.0f,
			      1e5f, -50.0f, -1e5f,  1e30f,   -1e30f, INFINITY};
	enum { END_COUNT = sizeof ends / sizeof *ends };
	memcpy(u, ends, sizeof ends);
	u[END_COUNT] = NAN;
	kernel_gelu(none, 1, COUNT, u, ret, NULL);
	kernel_gelu_backward(u, ones, 1, COUNT, slope, NULL, sums);
	assert_true(isnan(ret[END_COUNT]) && isnan(slope[END_COUNT]));
	assert_true(ret[END_COUNT - 1] == INFINITY);
	for (size_t i = 0; i < COUNT; i++) {
		if (!isfinite(u[i]))
			continue;
		double expected = gelu((double)u[i]), bound = 3e-7 * (1.0 + fabs(expected));
		assert_true(fabs((double)ret[i] - expected) <= bound);
		assert_true(fabs((double)slope[i] - gelu_slope((double)u[i])) <= 4e-7);
	}
}

static void test_halves(void **state)
{
	(void)state;
	const uint32_t rests[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
	enum { REST_COUNT = sizeof rests / sizeof *rests, COUNT = 65536 * REST_COUNT };
	float *values = malloc(COUNT * sizeof *values);
	bf16 *halves = malloc(COUNT * sizeof *halves);
	assert_true(values && halves);
	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t bits = i / REST_COUNT << 16 | rests[i % REST_COUNT];
		memcpy(values + i, &bits, sizeof bits);
	}
	kernel_half(values, COUNT, halves);
	assert_halves(halves, values, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		float back;
		kernel_float(halves + i, 1, &back);
		assert_int_equal(isnan(values[i]), isnan(back));
		if (isfinite(back))
			assert_true(fabs((double)back - (double)values[i]) <=
				    fabs((double)values[i]) / 256.0 + 1e-40);
	}
	free(values);
	free(halves);
}

static void test_sums(void **state)
{
	(void)state;
	static float sums[COLUMNS_MAX], y[SIZE], back[SIZE];
	static bf16 half[SIZE];
	for (size_t k = 0; k < sizeof COLUMNS / sizeof *COLUMNS; k++) {
		size_t columns = COLUMNS[k], count = ROWS * columns;
		double squares = 0.0;
		(void)values_make(columns, false);
		memcpy(y, x, sizeof y);
		kernel_bias(bias, ROWS, columns, y);
		for (size_t i = 0; i < count; i++) {
			assert_true(y[i] == x[i] + bias[i % columns]);
			squares += (double)x[i] * (double)x[i];
		}
		assert_true(fabs(kernel_square_sum(x, count) - squares) <= 1e-12 * squares);
		kernel_half(x, count, half);
		kernel_float(half, count, back);
		for (int of_half = 0; of_half < 2; of_half++) {
			const float *of = of_half ? back : x;
			for (size_t j = 0; j < columns; j++)
				sums[j] = 0.5f;
			kernel_column_sums(of_half ? NULL : x, of_half ? half : NULL, ROWS, columns,
					   sums);
			for (size_t j = 0; j < columns; j++)
				assert_true(sums[j] ==
					    0.5f + of[j] + of[columns + j] + of[2 * columns + j]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_norm),    cmocka_unit_test(test_residual_norm),
	    cmocka_unit_test(test_dropout), cmocka_unit_test(test_norm_backward),
	    cmocka_unit_test(test_gelu),    cmocka_unit_test(test_gelu_at_the_ends),
	    cmocka_unit_test(test_halves),  cmocka_unit_test(test_sums),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
