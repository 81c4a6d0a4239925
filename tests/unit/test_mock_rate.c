/* libs: freeal-mockllm-lib */
/* How many requests and tokens a minute pass, whatever their pace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mockllm/rate.h"

static void test_none(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, 0, 5);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(rate_take(&r, 1000000, 5), 0);
}

static void test_requests(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 600, 0, 1000);
	assert_int_equal(rate_remaining(&r.requests, 1000), 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(rate_take(&r, 1, 1000), 0);
	assert_int_equal(rate_remaining(&r.requests, 1000), 0);
	assert_int_equal(rate_reset_ms(&r.requests, 1000), 1000);
	assert_int_equal(rate_take(&r, 1, 1000), 100);
	assert_int_equal(rate_take(&r, 1, 1040), 60);
	assert_int_equal(rate_take(&r, 1, 1100), 0); /* what it was told to wait was enough */
	assert_int_equal(rate_take(&r, 1, 1100), 100);
	assert_int_equal(rate_remaining(&r.requests, 60000), 10); /* no more than a second's */
}

/* Whoever asks as soon as it may gets a minute's worth a minute, and the burst once. */
static void test_minute(void **state)
{
	(void)state;
	static const uint64_t limits[] = {1, 7, 59, 60, 90, 1000, 4321};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rate r;
		uint64_t passed = 0;
		rate_init(&r, limits[i], 0, 0);
		for (uint64_t now_ms = 0; now_ms < 600000;) {
			uint64_t wait_ms = rate_take(&r, 1, now_ms);
			passed += wait_ms == 0;
			now_ms += wait_ms;
		}
		uint64_t burst = limits[i] > 60 ? limits[i] / 60 : 1;
		assert_true(passed <= 10 * limits[i] + burst);
		/* Waits are whole milliseconds: the fastest loses half of one for each request. */
		assert_true(passed * 100 >= 10 * limits[i] * 96);
	}
}

static void test_tokens(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 0, 6000, 0);
	assert_int_equal(rate_take(&r, 60, 0), 0);
	assert_int_equal(rate_take(&r, 60, 0), 200); /* 40 are left, 20 come in 200 ms */
	assert_int_equal(rate_remaining(&r.tokens, 0), 40);
	/* Larger than the bucket: passes when it is full, and is paid back by the next. */
	assert_int_equal(rate_take(&r, 500, 0), 600);
	assert_int_equal(rate_take(&r, 500, 600), 0);
	assert_int_equal(rate_remaining(&r.tokens, 600), 0);
	assert_int_equal(rate_take(&r, 1, 600), 4010);
	assert_int_equal(rate_reset_ms(&r.tokens, 600), 5000);
}

/* One that is refused for its tokens takes no request. */
static void test_both(void **state)
{
	(void)state;
	struct rate r;
	rate_init(&r, 60, 60, 0);
	assert_int_equal(rate_take(&r, 1, 0), 0);
	assert_int_equal(rate_take(&r, 1, 500), 500);
	assert_int_equal(rate_take(&r, 1, 1000), 0);
	assert_int_equal(rate_take(&r, 1, 1000), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none),   cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_minute), cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
