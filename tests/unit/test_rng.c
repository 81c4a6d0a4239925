/* libs: base */
/* Random numbers and hashes: fixed by their seed, and of the right shape. */
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_same_seed_gives_the_same_numbers(void **state)
{
	(void)state;
	struct rng a = rng_make(5), b = rng_make(5), c = rng_make(6);
	int differ = 0;
	for (int i = 0; i < 100; i++) {
		uint64_t x = rng_u64(&a);
		assert_int_equal(x, rng_u64(&b));
		differ += x != rng_u64(&c);
	}
	assert_int_equal(differ, 100);
}

static void draws_below_are_even(void **state)
{
	(void)state;
	struct rng r = rng_make(1);
	int counts[7] = {0};
	for (int i = 0; i < 70000; i++)
		counts[rng_below(&r, 7)]++;
	for (int i = 0; i < 7; i++)
		assert_in_range(counts[i], 9600, 10400);
}

static void beta_has_its_mean_and_variance(void **state)
{
	(void)state;
	struct rng r = rng_make(2);
	double sum = 0, squares = 0;
	for (int i = 0; i < 50000; i++) {
		double x = rng_beta(&r, 4.0);
		assert_true(x >= 0.0 && x <= 1.0);
		sum += x;
		squares += (x - 0.5) * (x - 0.5);
	}
	assert_true(fabs(sum / 50000 - 0.5) < 0.005);
	assert_true(fabs(squares / 50000 - 1.0 / 36.0) < 0.001); /* 1 / (4 (2a + 1)) */
}

static void a_shuffle_keeps_the_items_and_is_even(void **state)
{
	(void)state;
	struct rng r = rng_make(3);
	int places[4][4] = {{0}};
	for (int n = 0; n < 40000; n++) {
		uint32_t items[4] = {0, 1, 2, 3};
		rng_shuffle(&r, items, 4);
		assert_int_equal(1 << items[0] | 1 << items[1] | 1 << items[2] | 1 << items[3], 15);
		for (int i = 0; i < 4; i++)
			places[i][items[i]]++;
	}
	for (int i = 0; i < 16; i++)
		assert_in_range(places[i / 4][i % 4], 9600, 10400);
}

static void every_byte_changes_the_hash(void **state)
{
	(void)state;
	unsigned char data[37] = {0};
	uint64_t h = hash_bytes(1, data, sizeof data);
	assert_int_not_equal(h, hash_bytes(2, data, sizeof data));
	assert_int_not_equal(h, hash_bytes(1, data, sizeof data - 1));
	for (size_t i = 0; i < sizeof data; i++) {
		data[i] = 1;
		assert_int_not_equal(h, hash_bytes(1, data, sizeof data));
		data[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_same_seed_gives_the_same_numbers),
	    cmocka_unit_test(draws_below_are_even),
	    cmocka_unit_test(beta_has_its_mean_and_variance),
	    cmocka_unit_test(a_shuffle_keeps_the_items_and_is_even),
	    cmocka_unit_test(every_byte_changes_the_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
