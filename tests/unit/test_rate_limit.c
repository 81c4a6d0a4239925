/* libs: llm */
#include "llm/rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
	    {"1s", 1000},
	    {"6m0s", 360000},
	    {"20ms", 20},
	    {"12.5", 12500},
	    {"0", 0},
	    {"1h2m3.5s", 3723500},
	    {"250us", 1},
	    {"", UINT64_MAX},
	    {"s", UINT64_MAX},
	    {"1x", UINT64_MAX},
	    {"1s5", UINT64_MAX},
	    {"-1s", UINT64_MAX},
	    {"inf", UINT64_MAX},
	    {"0x10s", UINT64_MAX},
	    {"1e99s", UINT64_MAX},
	    {"2026-01-01T00:00:00Z", UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rate_limit_duration_ms(rows[i].text) != rows[i].ms)
			fail_msg("\"%s\": %llu", rows[i].text,
				 (unsigned long long)rate_limit_duration_ms(rows[i].text));
	}
}

static void take(struct rate_limit *r, const char *line)
{
	rate_limit_header(r, line, strlen(line));
}

static void test_pause(void **state)
{
	(void)state;
	struct rate_limit r = {0};
	assert_int_equal(rate_limit_pause_ms(&r), 0);
	take(&r, "X-RateLimit-Reset-Requests: 2s");
	take(&r, "x-ratelimit-reset-tokens: 7s");
	take(&r, "x-ratelimit-remaining-requests: 1");
	take(&r, "x-ratelimit-remaining-tokens: 150000");
	take(&r, "x-ratelimit-limit-tokens: 0");
	assert_int_equal(rate_limit_pause_ms(&r), 0);
	take(&r, "x-ratelimit-remaining-requests:0");
	assert_int_equal(rate_limit_pause_ms(&r), 2000);
	take(&r, "x-ratelimit-remaining-tokens: 0 ");
	assert_int_equal(rate_limit_pause_ms(&r), 7000);
	/* Nothing else is taken for it. */
	struct rate_limit none = {0};
	take(&none, "x-ratelimit-remaining-requests");
	take(&none, "x-ratelimit-");
	take(&none, "");
	take(&none, "y-ratelimit-remaining-requests: 0");
	take(&none, "x-ratelimit-remaining-requests: 00");
	take(&none, "x-ratelimit-reset-requests: soon");
	assert_int_equal(rate_limit_pause_ms(&none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_durations),
	    cmocka_unit_test(test_pause),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
