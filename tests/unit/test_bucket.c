/* libs: freeal-annotator-lib */
#include "annotator/bucket.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_unlimited(void **state)
{
	(void)state;
	struct bucket b;
	bucket_init(&b);
	assert_true(bucket_has(&b, 1e9, 0));
	assert_int_equal(bucket_room(&b, 1e9, 7, 0), 7);
	bucket_take(&b, 1e9, 0);
	assert_true(bucket_has(&b, 1e9, 0));
	assert_int_equal(bucket_due_ms(&b, 1, 5), 5);
}

static void test_nothing_at_all(void **state)
{
	(void)state;
	struct bucket b;
	bucket_init(&b);
	bucket_limit(&b, 0, 0);
	assert_false(bucket_has(&b, 1, 1000000));
	assert_int_equal(bucket_due_ms(&b, 1, 1000000), UINT64_MAX);
}

static void test_slow(void **state)
{
	(void)state;
	struct bucket b;
	bucket_init(&b);
	bucket_limit(&b, 6, 1000); /* one in ten seconds */
	assert_true(bucket_has(&b, 1, 1000));
	bucket_take(&b, 1, 1000);
	assert_false(bucket_has(&b, 1, 10999));
	assert_int_equal(bucket_due_ms(&b, 1, 1000), 11000);
	assert_true(bucket_has(&b, 1, 11000));
	/* It never holds more than one of them. */
	assert_int_equal(bucket_room(&b, 1, 9, 100000), 1);
	bucket_take(&b, 1, 100000);
	assert_false(bucket_has(&b, 1, 100001));
}

static void test_burst_is_a_second(void **state)
{
	(void)state;
	struct bucket b;
	bucket_init(&b);
	bucket_limit(&b, 600, 0);
	assert_int_equal(bucket_room(&b, 1, 100, 0), 1);
	assert_int_equal(bucket_room(&b, 1, 100, 60000), 10);
	/* Another rate: what it holds is cut to the new second. */
	bucket_limit(&b, 300, 60000);
	assert_int_equal(bucket_room(&b, 1, 100, 60000), 5);
	bucket_limit(&b, 600, 60000);
	assert_int_equal(bucket_room(&b, 1, 100, 60100), 6);
}

/* Larger amounts than a second's rate pass, one after the other at the rate. */
static void test_large_amounts(void **state)
{
	(void)state;
	struct bucket b;
	bucket_init(&b);
	bucket_limit(&b, 60000, 0); /* 1,000 a second */
	uint64_t now_ms = 0;
	for (int i = 0; i < 20; i++) {
		now_ms = bucket_due_ms(&b, 5000, now_ms);
		bucket_take(&b, 5000, now_ms);
	}
	assert_true(now_ms >= 90000 && now_ms <= 100000);
	bucket_correct(&b, 5000, 1000, now_ms);
	assert_true(bucket_due_ms(&b, 5000, now_ms) <= now_ms + 1001);
}

/* Whatever is taken when, no stretch of time sees more than its rate and one burst; and whoever
 * always wants more gets all of it. */
static void test_rate_holds(void **state)
{
	(void)state;
	struct rng rng = rng_make(3);
	for (int round = 0; round < 200; round++) {
		double per_minute = 1 + (double)rng_below(&rng, 100000);
		double amount_max = 1 + (double)rng_below(&rng, 50);
		bool greedy = rng_below(&rng, 2);
		struct bucket b;
		bucket_init(&b);
		bucket_limit(&b, per_minute, 1000);
		double burst = per_minute / 60 > amount_max ? per_minute / 60 : amount_max;
		double taken = 0;
		uint64_t now_ms = 1000;
		for (int i = 0; i < 400; i++) {
			double amount = 1 + rng_double(&rng) * (amount_max - 1);
			uint64_t due_ms = bucket_due_ms(&b, amount, now_ms);
			assert_true(due_ms == now_ms || !bucket_has(&b, amount, due_ms - 2));
			now_ms = due_ms + (greedy ? 0 : rng_below(&rng, 3000));
			assert_true(bucket_has(&b, amount, now_ms));
			bucket_take(&b, amount, now_ms);
			double used = rng_double(&rng) * amount;
			bucket_correct(&b, amount, used, now_ms);
			taken += used;
			double passed = per_minute * (double)(now_ms - 1000) / 60000;
			assert_true(taken <= passed + 2 * burst + 1);
		}
		double passed = per_minute * (double)(now_ms - 1000) / 60000;
		if (greedy && passed > 10 * burst)
			assert_true(taken >= 0.97 * passed - 2 * burst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unlimited),	  cmocka_unit_test(test_nothing_at_all),
	    cmocka_unit_test(test_slow),	  cmocka_unit_test(test_burst_is_a_second),
	    cmocka_unit_test(test_large_amounts), cmocka_unit_test(test_rate_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
