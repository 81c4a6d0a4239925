/* libs: freeal-trainer-lib m */
/* Products against sums in double, for each engine that this machine can run. */
#include "base/rng.h"
#include "trainer/encoder/gemm_engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	ENGINES_MAX = 3,
	TEAM_MAX = 3,
	GAP = 3,	    /* columns between a row and the next */
	BLOCKS_ROWS = 1100, /* of a worker: more than any engine takes at once */
	ROWS_MAX = BLOCKS_ROWS * TEAM_MAX,
};

static size_t engines(const struct gemm_engine *ret[ENGINES_MAX])
{
	const struct gemm_engine *all[ENGINES_MAX] = {gemm_openblas(PRECISION_FP32),
						      gemm_onednn(PRECISION_FP32),
						      gemm_onednn(PRECISION_BF16)};
	size_t count = 0;
	for (size_t i = 0; i < ENGINES_MAX; i++)
		if (all[i])
			ret[count++] = all[i];
	return count;
}

struct matrix {
	size_t rows, columns, stride; /* as they lie in memory */
	float *values;
	bf16 *halves; /* the upper halves of the values, whose lower ones are 0 */
};

static struct matrix matrix_new(size_t rows, size_t columns, struct rng *rng)
{
	struct matrix m = {.rows = rows, .columns = columns, .stride = columns + GAP};
	m.values = calloc(rows * m.stride + 1, sizeof *m.values);
	m.halves = calloc(rows * m.stride + 1, sizeof *m.halves);
	assert_true(m.values && m.halves);
	for (size_t i = 0; i < rows * m.stride; i++) {
		float value = (float)(rng_double(rng) - 0.5);
		uint32_t bits;
		memcpy(&bits, &value, sizeof bits);
		bits &= 0xffff0000;
		memcpy(&m.values[i], &bits, sizeof bits);
		m.halves[i] = (bf16)(bits >> 16);
	}
	return m;
}

static void matrix_done(struct matrix *m)
{
	free(m->values);
	free(m->halves);
}

static double element(const struct matrix *m, bool is_transposed, size_t row, size_t column)
{
	return m->values[is_transposed ? column * m->stride + row : row * m->stride + column];
}

struct product {
	bool transpose_a, transpose_b, accumulate, has_epilogue;
	size_t rows, columns, depth;
};

struct seen {
	const struct matrix *c;
	unsigned char rows[ROWS_MAX]; /* how often each came; a row is its worker's alone */
	float firsts[ROWS_MAX];	      /* its first element at that time */
};

static void see_rows(void *context, size_t worker, size_t row_first, size_t row_count)
{
	(void)worker;
	struct seen *seen = context;
	for (size_t i = row_first; i < row_first + row_count; i++) {
		seen->rows[i]++;
		seen->firsts[i] = seen->c->columns ? seen->c->values[i * seen->c->stride] : 0.0f;
	}
}

static void check_product(struct gemm *g, const struct product *p, struct rng *rng)
{
	struct matrix a = p->transpose_a ? matrix_new(p->depth, p->rows, rng)
					 : matrix_new(p->rows, p->depth, rng);
	struct matrix b = p->transpose_b ? matrix_new(p->columns, p->depth, rng)
					 : matrix_new(p->depth, p->columns, rng);
	struct matrix c = matrix_new(p->rows, p->columns, rng);
	size_t c_size = c.rows * c.stride + 1;
	float *before = malloc(c_size * sizeof *before), *once = malloc(c_size * sizeof *once);
	assert_true(before && once);
	memcpy(before, c.values, c_size * sizeof *before);
	struct seen *seen = calloc(1, sizeof *seen);
	seen->c = &c;
	bool is_half = gemm_precision(g) == PRECISION_BF16;
	struct gemm_call call = {.transpose_a = p->transpose_a,
				 .transpose_b = p->transpose_b,
				 .accumulate = p->accumulate,
				 .rows = p->rows,
				 .columns = p->columns,
				 .depth = p->depth,
				 .a = is_half ? (void *)a.halves : a.values,
				 .b = is_half ? (void *)b.halves : b.values,
				 .stride_a = a.stride,
				 .stride_b = b.stride,
				 .stride_c = c.stride,
				 .c = c.values,
				 .epilogue = p->has_epilogue ? see_rows : NULL,
				 .context = seen};
	gemm_run(g, &call);
	for (size_t i = 0; i < p->rows; i++) {
		assert_int_equal(seen->rows[i], p->has_epilogue);
		if (p->has_epilogue && p->columns)
			assert_true(seen->firsts[i] == c.values[i * c.stride]);
		for (size_t j = 0; j < c.stride; j++) {
			float got = c.values[i * c.stride + j];
			double sum = before[i * c.stride + j];
			if (j >= p->columns) { /* the gap */
				assert_true(got == before[i * c.stride + j]);
				continue;
			}
			if (!p->accumulate)
				sum = 0;
			for (size_t k = 0; k < p->depth; k++)
				sum += element(&a, p->transpose_a, i, k) *
				       element(&b, p->transpose_b, k, j);
			if (!(fabs(got - sum) <= 1e-6 * (double)(p->depth + 1)))
				fail_msg("%s: %d%d%d %zu x %zu x %zu: [%zu][%zu] is %g, not %g",
					 gemm_engine_name(gemm_precision(g)), p->transpose_a,
					 p->transpose_b, p->accumulate, p->rows, p->columns,
					 p->depth, i, j, got, sum);
		}
	}
	/* The same again gives the same bits. */
	memcpy(once, c.values, c_size * sizeof *once);
	memcpy(c.values, before, c_size * sizeof *before);
	gemm_run(g, &call);
	assert_memory_equal(c.values, once, c_size * sizeof *once);
	free(seen);
	free(before);
	free(once);
	matrix_done(&a);
	matrix_done(&b);
	matrix_done(&c);
}

static void check_sizes(struct gemm *g, size_t rows, size_t columns, size_t depth, struct rng *rng)
{
	for (int kind = 0; kind < 16; kind++)
		check_product(g,
			      &(struct product){.transpose_a = kind & 1,
						.transpose_b = kind & 2,
						.accumulate = kind & 4,
						.has_epilogue = kind & 8,
						.rows = rows,
						.columns = columns,
						.depth = depth},
			      rng);
}

static void test_products(void **state)
{
	(void)state;
	static const size_t sizes[][3] = {
	    {1, 1, 1},	 {1, 33, 17},	{33, 1, 3},   {17, 2, 1},   {3, 70, 33},
	    {2, 64, 32}, {47, 15, 100}, {64, 48, 31}, {300, 20, 9}, {20, 300, 8},
	    {0, 5, 5},	 {5, 0, 5},	{5, 17, 0},   {40, 3, 0},
	};
	const struct gemm_engine *all[ENGINES_MAX];
	size_t engine_count = engines(all);
	for (size_t e = 0; e < engine_count; e++)
		for (size_t size = 1; size <= TEAM_MAX; size++) {
			struct rng rng = rng_make(size);
			struct team *team;
			struct gemm *g;
			assert_int_equal(team_new(size, &team), ERR_OK);
			assert_int_equal(gemm_new_engine(team, all[e], &g, NULL), ERR_OK);
			assert_int_equal(gemm_precision(g), all[e]->precision);
			for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
				check_sizes(g, sizes[i][0], sizes[i][1], sizes[i][2], &rng);
			/* Several calls of the epilogue for each worker. */
			assert_true(all[e]->epilogue_rows < BLOCKS_ROWS);
			check_product(g,
				      &(struct product){.has_epilogue = true,
							.transpose_b = true,
							.rows = BLOCKS_ROWS * size,
							.columns = 33,
							.depth = 19},
				      &rng);
			gemm_free(g);
			team_free(team);
		}
	gemm_free(NULL);
}

/* What isn't to be read may hold anything. */
static void test_old_result_is_not_read(void **state)
{
	(void)state;
	const struct gemm_engine *all[ENGINES_MAX];
	size_t engine_count = engines(all);
	const float a[4] = {1, 2, 3, 4};
	const bf16 half[4] = {0x3f80, 0x4000, 0x4040, 0x4080};
	for (size_t e = 0; e < engine_count; e++) {
		struct team *team;
		struct gemm *g;
		float c[4] = {NAN, NAN, NAN, INFINITY};
		assert_int_equal(team_new(2, &team), ERR_OK);
		assert_int_equal(gemm_new_engine(team, all[e], &g, NULL), ERR_OK);
		const void *x = all[e]->precision == PRECISION_BF16 ? (const void *)half : a;
		gemm_run(g, &(struct gemm_call){.rows = 2,
						.columns = 2,
						.depth = 2,
						.a = x,
						.b = x,
						.stride_a = 2,
						.stride_b = 2,
						.stride_c = 2,
						.c = c});
		assert_true(c[0] == 7 && c[1] == 10 && c[2] == 15 && c[3] == 22);
		gemm_free(g);
		team_free(team);
	}
}

static void test_choice(void **state)
{
	(void)state;
	struct team *team;
	struct gemm *g;
	struct err_msg msg;
	assert_int_equal(team_new(1, &team), ERR_OK);
	assert_int_equal(gemm_new(team, PRECISION_FP32, &g, &msg), ERR_OK);
	assert_int_equal(gemm_precision(g), PRECISION_FP32);
	gemm_free(g);
	if (gemm_precision_best() == PRECISION_BF16) {
		assert_int_equal(gemm_new(team, PRECISION_BF16, &g, &msg), ERR_OK);
		assert_int_equal(gemm_precision(g), PRECISION_BF16);
		assert_non_null(strstr(gemm_engine_name(PRECISION_BF16), "bf16"));
		gemm_free(g);
	} else {
		assert_int_equal(gemm_new(team, PRECISION_BF16, &g, &msg), ERR_INVALID);
		assert_non_null(strstr(msg.text, "float32"));
		assert_string_equal(gemm_engine_name(PRECISION_BF16), "none");
	}
	assert_non_null(strstr(gemm_engine_name(PRECISION_FP32), "fp32"));
	team_free(team);
}

static void test_trace(void **state)
{
	(void)state;
	struct team *team;
	struct gemm *g;
	assert_int_equal(team_new(1, &team), ERR_OK);
	assert_int_equal(gemm_new(team, PRECISION_FP32, &g, NULL), ERR_OK);
	const float a = 2;
	float c[3] = {0};
	struct gemm_call call = {.rows = 1,
				 .columns = 1,
				 .depth = 1,
				 .a = &a,
				 .b = &a,
				 .stride_a = 1,
				 .stride_b = 1,
				 .stride_c = 1};
	struct gemm_call calls[2];
	gemm_trace(g, calls, 2);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(gemm_traced(g), i);
		call.c = &c[i];
		gemm_run(g, &call);
	}
	assert_int_equal(gemm_traced(g), 2);
	assert_ptr_equal(calls[0].c, &c[0]);
	assert_ptr_equal(calls[1].c, &c[1]);
	gemm_trace(g, NULL, 0);
	gemm_run(g, &call);
	assert_int_equal(gemm_traced(g), 0);
	gemm_free(g);
	team_free(team);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_products),
	    cmocka_unit_test(test_old_result_is_not_read),
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
