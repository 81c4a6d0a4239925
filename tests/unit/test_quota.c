/* libs: freeal-annotator-lib */
#include "annotator/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct quota quota_make(uint32_t concurrency, uint32_t requests, uint64_t tokens)
{
	Freeal__Endpoint e = FREEAL__ENDPOINT__INIT;
	e.concurrency = concurrency;
	e.requests_per_minute = requests;
	e.tokens_per_minute = tokens;
	struct quota q;
	quota_init(&q, &e);
	return q;
}

static void grant(struct quota *q, uint32_t limits, uint32_t share, uint64_t now_ms)
{
	Freeal__Grant g = FREEAL__GRANT__INIT;
	g.limits = limits;
	g.concurrency = g.requests_per_minute = share;
	g.tokens_per_minute = share;
	g.ttl_ms = 1000;
	quota_grant(q, &g, now_ms);
}

static void test_no_limits(void **state)
{
	(void)state;
	struct quota q = quota_make(0, 0, 0);
	assert_true(quota_valid(&q, 5));
	assert_int_equal(quota_room(&q, 900, 100, 5), 100);
	assert_int_equal(quota_depth(&q, 64, 0, 5), 64);
	quota_take(&q, 1000000, 5);
	assert_int_equal(quota_room(&q, 900, 100, 5), 100);
}

static void test_grant_ends(void **state)
{
	(void)state;
	struct quota q = quota_make(8, 0, 0);
	assert_false(quota_valid(&q, 0));
	assert_int_equal(quota_room(&q, 0, 100, 0), 0);
	assert_false(quota_empty(&q, 0));
	grant(&q, QUOTA_CONCURRENCY, 3, 50);
	assert_int_equal(quota_room(&q, 0, 100, 1049), 3);
	assert_int_equal(quota_room(&q, 2, 100, 1049), 1);
	assert_int_equal(quota_room(&q, 5, 100, 1049), 0);
	assert_int_equal(quota_depth(&q, 64, 0, 1049), 3);
	assert_int_equal(quota_room(&q, 0, 100, 1050), 0);
	assert_false(quota_valid(&q, 1050));
	/* The other two don't hold, whatever the numbers are. */
	grant(&q, QUOTA_CONCURRENCY, 0, 2000);
	assert_true(quota_empty(&q, 2000));
	assert_int_equal(quota_depth(&q, 64, 0, 2000), 0);
	assert_int_equal(quota_room(&q, 0, 100, 2000), 0);
}

static void test_renewal_gives_nothing_away(void **state)
{
	(void)state;
	struct quota q = quota_make(0, 600, 0);
	uint32_t sent = 0;
	uint64_t now_ms = 0;
	for (; now_ms < 60000; now_ms++) {
		if (now_ms % 300 == 0)
			grant(&q, QUOTA_REQUESTS, now_ms % 600 ? 600 : 598, now_ms);
		while (quota_room(&q, 0, 1, now_ms)) {
			quota_take(&q, 10, now_ms);
			sent++;
		}
	}
	assert_true(sent >= 582 && sent <= 600);
}

/* Unused tokens come back, and the bucket's room follows the size of a call. */
static void test_tokens_settle(void **state)
{
	(void)state;
	struct quota q = quota_make(0, 0, 60000);
	uint64_t used = 0;
	for (uint64_t now_ms = 0; now_ms < 120000; now_ms++) {
		if (now_ms % 500 == 0)
			grant(&q, QUOTA_TOKENS, 60000, now_ms);
		while (quota_room(&q, 0, 1, now_ms)) {
			quota_take(&q, 300, now_ms);
			quota_settle(&q, 300, 40, now_ms);
			used += 40;
		}
	}
	assert_true(used >= 2 * 60000 * 97 / 100 && used <= 2 * 60000);
	assert_true(quota_depth(&q, 1000, 0, 120000) < 64);
	assert_true(quota_depth(&q, 1000, 20000, 120000) > 100);
}

static void test_prompt_tokens(void **state)
{
	(void)state;
	assert_int_equal(quota_tokens_of(0), 1);
	assert_int_equal(quota_tokens_of(4), 1);
	assert_int_equal(quota_tokens_of(5), 2);
	assert_int_equal(quota_tokens_of(400), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_limits),
	    cmocka_unit_test(test_grant_ends),
	    cmocka_unit_test(test_renewal_gives_nothing_away),
	    cmocka_unit_test(test_tokens_settle),
	    cmocka_unit_test(test_prompt_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
