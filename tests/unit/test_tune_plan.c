/* libs: freeal-trainer-lib m */
/* An epoch's batches: each row once, in an order of the seed, with even numbers of tokens. */
#include "trainer/encoder/tune_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 1000, BATCH = 8 };

static void lengths_make(uint32_t *lengths)
{
	struct rng rng = rng_make(4);
	for (size_t i = 0; i < ROWS; i++)
		lengths[i] = (uint32_t)(3 + rng_below(&rng, 60));
}

static void plan_of(struct tune_plan *p, size_t count, const uint32_t *lengths, uint64_t seed)
{
	uint32_t rows[ROWS];
	struct rng rng = rng_make(seed);
	for (size_t i = 0; i < count; i++)
		rows[i] = (uint32_t)i;
	tune_plan_make(p, rows, count, lengths, &rng);
}

static void check_each_row_once(const struct tune_plan *p, size_t count)
{
	unsigned char seen[ROWS] = {0};
	size_t sum = 0;
	assert_int_equal(p->batch_count, tune_plan_batches(count, BATCH));
	for (size_t b = 0; b < p->batch_count; b++) {
		size_t n;
		const uint32_t *rows = tune_plan_batch(p, b, &n);
		assert_in_range(n, 1, BATCH);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(seen[rows[i]]++, 0);
		sum += n;
	}
	assert_int_equal(sum, count);
}

static void test_each_row_comes_once(void **state)
{
	(void)state;
	static const size_t counts[] = {0, 1, BATCH, BATCH + 1, 16 * BATCH + 3, 999, ROWS};
	uint32_t lengths[ROWS];
	struct tune_plan p;
	lengths_make(lengths);
	assert_int_equal(tune_plan_init(&p, ROWS, BATCH), ERR_OK);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		plan_of(&p, counts[i], lengths, 7);
		check_each_row_once(&p, counts[i]);
	}
	tune_plan_done(&p);
}

static void test_a_seed_is_an_order(void **state)
{
	(void)state;
	uint32_t lengths[ROWS];
	struct tune_plan a, b;
	lengths_make(lengths);
	assert_int_equal(tune_plan_init(&a, ROWS, BATCH), ERR_OK);
	assert_int_equal(tune_plan_init(&b, ROWS, BATCH), ERR_OK);
	plan_of(&a, ROWS, lengths, 1);
	plan_of(&b, ROWS, lengths, 1);
	assert_memory_equal(a.rows, b.rows, sizeof(uint32_t) * ROWS);
	assert_memory_equal(a.order, b.order, sizeof(uint32_t) * a.batch_count);
	plan_of(&b, ROWS, lengths, 2);
	size_t same = 0;
	for (size_t i = 0; i < ROWS; i++)
		same += a.rows[i] == b.rows[i];
	assert_in_range(same, 0, ROWS / 20);
	tune_plan_done(&a);
	tune_plan_done(&b);
}

/* Eight random lengths of 3 to 62 add up to 260 with a deviation of 49. */
static void test_batches_have_even_tokens(void **state)
{
	(void)state;
	uint32_t lengths[ROWS];
	struct tune_plan p;
	lengths_make(lengths);
	assert_int_equal(tune_plan_init(&p, ROWS, BATCH), ERR_OK);
	plan_of(&p, ROWS, lengths, 3);
	for (size_t b = 0; b < p.batch_count; b++) {
		size_t n, tokens = 0;
		const uint32_t *rows = tune_plan_batch(&p, b, &n);
		for (size_t i = 0; i < n; i++)
			tokens += lengths[rows[i]];
		assert_in_range(tokens, 215, 305);
	}
	tune_plan_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_row_comes_once),
	    cmocka_unit_test(test_a_seed_is_an_order),
	    cmocka_unit_test(test_batches_have_even_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
