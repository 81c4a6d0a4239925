/* libs: llm proto base */
#include "llm/retry_delay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_retry_after(void **state)
{
	(void)state;
	/* 1994-11-06 08:49:07 UTC, half a minute before the date of RFC 9110's examples. */
	const uint64_t wall_ms = (uint64_t)784111747 * 1000;
	static const struct {
		const char *value;
		uint64_t ms;
	} rows[] = {
	    {"2", 2000},
	    {" 2 ", 2000},
	    {"0", 0},
	    {"1.5", 1500},
	    {"Sun, 06 Nov 1994 08:49:37 GMT", 30000},
	    {"Sunday, 06-Nov-94 08:49:37 GMT", 30000},
	    {"Sun Nov  6 08:49:37 1994", 30000},
	    {"Sun, 06 Nov 1994 08:48:37 GMT", 0},
	    {"-5", RETRY_AFTER_NONE},
	    {"", RETRY_AFTER_NONE},
	    {"soon", RETRY_AFTER_NONE},
	    {"2 seconds", RETRY_AFTER_NONE},
	    {"Sun, 06 Nov", RETRY_AFTER_NONE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t ms = retry_after_parse(rows[i].value, wall_ms);
		if (ms != rows[i].ms)
			fail_msg("\"%s\": %llu", rows[i].value, (unsigned long long)ms);
	}
	assert_true(retry_after_parse("1000000000", wall_ms) >= RETRY_MS_MAX);
	assert_true(retry_after_parse("99999999999999999999999999999999", wall_ms) >= RETRY_MS_MAX);
}

static void test_delay_bounds(void **state)
{
	(void)state;
	struct rng rng = rng_make(1);
	static const uint64_t asked[] = {0, 1, 250, 2000, 59000, 60000, 1000000000, UINT64_MAX - 1};
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		for (int k = 0; k < 100; k++) {
			uint64_t ms = retry_delay_ms(0, asked[i], &rng);
			assert_true(ms >= RETRY_MS_MIN && ms <= RETRY_MS_MAX);
			assert_true(ms >= (asked[i] < RETRY_MS_MAX ? asked[i] : RETRY_MS_MAX));
			assert_true(asked[i] >= RETRY_MS_MAX || asked[i] < 250 ||
				    ms <= asked[i] + asked[i] / 10 + 1);
		}
	}
	for (uint32_t tries = 0; tries < 40; tries++) {
		double full = 250.0 * (double)((uint64_t)1 << (tries < 20 ? tries : 20));
		full = full < RETRY_MS_MAX ? full : RETRY_MS_MAX;
		for (int k = 0; k < 100; k++) {
			uint64_t ms = retry_delay_ms(tries, RETRY_AFTER_NONE, &rng);
			assert_true(ms >= RETRY_MS_MIN && ms <= RETRY_MS_MAX);
			assert_true((double)ms >= full / 2 - 1 && (double)ms <= full + 26);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_delay_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
