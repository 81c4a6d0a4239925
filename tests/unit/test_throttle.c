/* libs: freeal-annotator-lib */
#include "annotator/throttle.h"

#include "llm/retry_delay.h"

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

static uint64_t note(struct throttle *t, uint32_t status, uint64_t retry_after_ms, uint64_t sent_ms,
		     uint64_t now_ms)
{
	struct outcome o = outcome_status(status, "");
	o.retry_after_ms = retry_after_ms;
	struct judgement j = judgement_of(&o);
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
	struct judgement rejected = judgement_of(&bad), refused = judgement_of(&filtered);
	struct judgement answer = judgement_of(&good);
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
		struct judgement j = judgement_of(&o);
		(void)throttle_note(&t, &j, &o, 0, now_ms, now_ms);
	}
	assert_int_equal(throttle_room(&t, 0, now_ms), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pause_with_retry_after), cmocka_unit_test(test_spent),
	    cmocka_unit_test(test_pause_endless),	   cmocka_unit_test(test_rejects_all),
	    cmocka_unit_test(test_block_and_probe),	   cmocka_unit_test(test_breaker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
