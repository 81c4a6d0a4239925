/* libs: freeal-annotator-lib */
#include "annotator/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PROBE_MS 30000

static struct outcome outcome_status(uint32_t status, const char *code)
{
	return (struct outcome){.status = status, .code = code, .retry_after_ms = RETRY_AFTER_NONE};
}

static void test_judge_status(void **state)
{
	(void)state;
	static const struct {
		uint32_t status;
		const char *code;
		enum verdict verdict;
		const char *reason;
	} rows[] = {
	    {200, "", VERDICT_ANSWER, ""},
	    {201, "", VERDICT_ANSWER, ""},
	    {301, "", VERDICT_BLOCK, "url"},
	    {307, "", VERDICT_BLOCK, "url"},
	    {400, "", VERDICT_UNUSABLE, "rejected"},
	    {400, "content_filter", VERDICT_UNUSABLE, "refused"},
	    {400, "model_not_found", VERDICT_BLOCK, "settings"},
	    {400, "unsupported_parameter", VERDICT_BLOCK, "settings"},
	    {401, "invalid_api_key", VERDICT_BLOCK, "key_refused"},
	    {402, "", VERDICT_BLOCK, "no_credit"},
	    {403, "", VERDICT_BLOCK, "forbidden"},
	    {404, "model_not_found", VERDICT_BLOCK, "not_found"},
	    {405, "", VERDICT_BLOCK, "url"},
	    {408, "", VERDICT_RETRY, "server_error"},
	    {413, "", VERDICT_UNUSABLE, "rejected"},
	    {422, "", VERDICT_UNUSABLE, "rejected"},
	    {429, "", VERDICT_PAUSE, "rate_limit"},
	    {429, "rate_limit_exceeded", VERDICT_PAUSE, "rate_limit"},
	    {429, "insufficient_quota", VERDICT_BLOCK, "no_credit"},
	    {500, "", VERDICT_RETRY, "server_error"},
	    {502, "", VERDICT_RETRY, "server_error"},
	    {503, "", VERDICT_RETRY, "server_error"},
	    {504, "", VERDICT_RETRY, "server_error"},
	    {529, "", VERDICT_RETRY, "server_error"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outcome o = outcome_status(rows[i].status, rows[i].code);
		struct judgement j = throttle_judge(&o);
		if (j.verdict != rows[i].verdict || strcmp(j.reason, rows[i].reason) != 0)
			fail_msg("status %u %s: verdict %d %s", rows[i].status, rows[i].code,
				 (int)j.verdict, j.reason);
	}
}

static void test_judge_transfer(void **state)
{
	(void)state;
	static const struct {
		enum transfer transfer;
		enum verdict verdict;
	} rows[] = {
	    {TRANSFER_UNREACHABLE, VERDICT_RETRY}, {TRANSFER_TIMEOUT, VERDICT_RETRY},
	    {TRANSFER_TOO_LARGE, VERDICT_RETRY},   {TRANSFER_CERTIFICATE, VERDICT_BLOCK},
	    {TRANSFER_URL, VERDICT_BLOCK},	   {TRANSFER_NO_KEY, VERDICT_BLOCK},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outcome o = outcome_status(0, "");
		o.transfer = rows[i].transfer;
		assert_int_equal(throttle_judge(&o).verdict, rows[i].verdict);
	}
	struct outcome o = outcome_status(200, "");
	o.malformed = true;
	assert_int_equal(throttle_judge(&o).verdict, VERDICT_RETRY);
	o = outcome_status(503, "");
	o.retry_after_ms = 2000;
	assert_int_equal(throttle_judge(&o).verdict, VERDICT_PAUSE);
}

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

static uint64_t note(struct throttle *t, uint32_t status, uint64_t retry_after_ms, uint64_t sent_ms,
		     uint64_t now_ms)
{
	struct outcome o = outcome_status(status, "");
	o.retry_after_ms = retry_after_ms;
	struct judgement j = throttle_judge(&o);
	return throttle_note(t, &j, &o, 0, sent_ms, now_ms);
}

static void test_pause_with_retry_after(void **state)
{
	(void)state;
	struct throttle t;
	throttle_init(&t, 64, PROBE_MS, 1);
	t.window.size = 64;
	assert_int_equal(throttle_room(&t, 0, 1000), 64);
	assert_int_equal(throttle_room(&t, 60, 1000), 4);
	assert_int_equal(throttle_room(&t, 70, 1000), 0);
	(void)note(&t, 429, 2000, 900, 1000);
	assert_int_equal(throttle_room(&t, 0, 1000), 0);
	assert_int_equal(throttle_room(&t, 0, 2999), 0);
	uint64_t due_ms = throttle_due_ms(&t, 1000);
	assert_true(due_ms >= 3000 && due_ms <= 3200);
	assert_int_equal(throttle_room(&t, 0, due_ms), 32);
	/* The others that were in flight don't halve it again. */
	for (int i = 0; i < 30; i++)
		(void)note(&t, 429, 2000, 900, 1010);
	assert_int_equal(throttle_room(&t, 0, 4000), 32);
	/* Answers open it again. */
	for (uint64_t i = 0; i < 10000; i++) {
		(void)note(&t, 200, RETRY_AFTER_NONE, 4000 + i, 4100 + i);
		throttle_answered(&t, (uint32_t)t.window.size, 4000 + i, 4100 + i);
	}
	assert_int_equal(throttle_room(&t, 0, 20000), 64);
}

static void test_spent(void **state)
{
	(void)state;
	struct throttle t;
	throttle_init(&t, 8, PROBE_MS, 1);
	throttle_spent(&t, 0, 1000);
	assert_int_equal(throttle_room(&t, 0, 1000), 8);
	throttle_spent(&t, 500, 1000);
	throttle_spent(&t, 100, 1000);
	assert_int_equal(throttle_room(&t, 0, 1499), 0);
	assert_int_equal(throttle_due_ms(&t, 1000), 1500);
	/* No other sign of too much: the window stays. */
	assert_int_equal(throttle_room(&t, 0, 1500), 8);
	throttle_spent(&t, UINT64_MAX, 2000);
	assert_int_equal(throttle_due_ms(&t, 2000), 2000 + RETRY_MS_MAX);
}

static void test_pause_endless(void **state)
{
	(void)state;
	struct throttle t;
	throttle_init(&t, 8, PROBE_MS, 1);
	uint64_t now_ms = 1000, longest_ms = 0;
	for (int i = 0; i < 20; i++) {
		(void)note(&t, 429, RETRY_AFTER_NONE, now_ms, now_ms);
		uint64_t due_ms = throttle_due_ms(&t, now_ms);
		assert_true(due_ms > now_ms && due_ms - now_ms <= RETRY_MS_MAX);
		longest_ms = due_ms - now_ms > longest_ms ? due_ms - now_ms : longest_ms;
		now_ms = due_ms;
		/* Never shut for good. */
		assert_true(throttle_room(&t, 0, now_ms) >= 1);
	}
	assert_true(longest_ms > RETRY_MS_MAX / 2);
	(void)note(&t, 200, RETRY_AFTER_NONE, now_ms, now_ms);
	(void)note(&t, 429, RETRY_AFTER_NONE, now_ms, now_ms);
	assert_true(throttle_due_ms(&t, now_ms) - now_ms < 300);
}

static void test_rejects_all(void **state)
{
	(void)state;
	struct throttle t;
	throttle_init(&t, 8, 1000, 1);
	const struct outcome bad = {.status = 400, .code = "", .retry_after_ms = RETRY_AFTER_NONE};
	const struct outcome filtered = {
	    .status = 400, .code = "content_filter", .retry_after_ms = RETRY_AFTER_NONE};
	const struct outcome good = {.status = 200, .code = "", .retry_after_ms = RETRY_AFTER_NONE};
	struct judgement rejected = throttle_judge(&bad), refused = throttle_judge(&filtered);
	struct judgement answer = throttle_judge(&good);
	assert_true(throttle_rejects_all(&t, &rejected));
	assert_false(throttle_rejects_all(&t, &refused));
	throttle_block(&t, 10);
	(void)throttle_note(&t, &rejected, &bad, 0, 20, 30);
	assert_true(t.blocked);
	(void)throttle_note(&t, &answer, &good, 0, 40, 50);
	assert_false(t.blocked);
	assert_false(throttle_rejects_all(&t, &rejected));
}

static void test_block_and_probe(void **state)
{
	(void)state;
	struct throttle t;
	throttle_init(&t, 32, PROBE_MS, 1);
	(void)note(&t, 401, RETRY_AFTER_NONE, 1000, 1100);
	assert_true(t.blocked);
	assert_int_equal(throttle_room(&t, 0, 1100), 0);
	assert_int_equal(throttle_due_ms(&t, 1100), 1100 + PROBE_MS);
	/* The others in flight come back and change nothing. */
	(void)note(&t, 401, RETRY_AFTER_NONE, 1000, 5000);
	assert_int_equal(throttle_due_ms(&t, 5000), 1100 + PROBE_MS);
	assert_int_equal(throttle_room(&t, 1, 1100 + PROBE_MS), 0);
	assert_int_equal(throttle_room(&t, 0, 1100 + PROBE_MS), 1);
	throttle_probe_sent(&t, 1100 + PROBE_MS);
	(void)note(&t, 401, RETRY_AFTER_NONE, 1100 + PROBE_MS, 1200 + PROBE_MS);
	assert_int_equal(throttle_room(&t, 0, 1200 + PROBE_MS), 0);
	/* The next one goes through. */
	throttle_probe_sent(&t, 1100 + 2 * PROBE_MS);
	(void)note(&t, 200, RETRY_AFTER_NONE, 1100 + 2 * PROBE_MS, 1200 + 2 * PROBE_MS);
	assert_false(t.blocked);
	assert_int_equal(throttle_room(&t, 0, 1200 + 2 * PROBE_MS), 32);
}

/* Failures in a row: a rest, one request, a longer rest, and in the end it is blocked. */
static void test_breaker(void **state)
{
	(void)state;
	struct throttle t;
	throttle_init(&t, 32, PROBE_MS, 1);
	uint64_t now_ms = 1000, rest_ms = 0;
	for (uint32_t i = 0; i < BREAKER_FAILURES - 1; i++)
		(void)note(&t, 500, RETRY_AFTER_NONE, 900, now_ms);
	assert_int_equal(throttle_room(&t, 0, now_ms), 32);
	(void)note(&t, 200, RETRY_AFTER_NONE, 900, now_ms);
	for (uint32_t i = 0; i < BREAKER_FAILURES; i++)
		(void)note(&t, 500, RETRY_AFTER_NONE, 900, now_ms);
	for (int i = 0; !t.blocked; i++) {
		assert_true(i < 10);
		assert_int_equal(throttle_room(&t, 0, now_ms), 0);
		uint64_t due_ms = throttle_due_ms(&t, now_ms);
		assert_true(due_ms - now_ms > rest_ms && due_ms - now_ms <= BREAKER_OPEN_MS_MAX);
		rest_ms = due_ms - now_ms;
		/* The others that were in flight change nothing. */
		(void)note(&t, 500, RETRY_AFTER_NONE, 900, now_ms);
		now_ms = due_ms;
		assert_int_equal(throttle_room(&t, 5, now_ms), 1);
		throttle_sent(&t, now_ms);
		assert_int_equal(throttle_room(&t, 5, now_ms), 0);
		(void)note(&t, 500, RETRY_AFTER_NONE, now_ms, now_ms + 1);
		now_ms++;
	}
	(void)note(&t, 200, RETRY_AFTER_NONE, now_ms, now_ms);
	assert_false(t.blocked);
	assert_int_equal(throttle_room(&t, 0, now_ms), 32);
	/* What can't be read is no sign of a server that is down. */
	for (int i = 0; i < 100; i++) {
		const struct outcome o = {.status = 200,
					  .code = "",
					  .retry_after_ms = RETRY_AFTER_NONE,
					  .malformed = true};
		struct judgement j = throttle_judge(&o);
		(void)throttle_note(&t, &j, &o, 0, now_ms, now_ms);
	}
	assert_int_equal(throttle_room(&t, 0, now_ms), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_judge_status),
	    cmocka_unit_test(test_judge_transfer),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_delay_bounds),
	    cmocka_unit_test(test_pause_with_retry_after),
	    cmocka_unit_test(test_spent),
	    cmocka_unit_test(test_pause_endless),
	    cmocka_unit_test(test_rejects_all),
	    cmocka_unit_test(test_block_and_probe),
	    cmocka_unit_test(test_breaker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
