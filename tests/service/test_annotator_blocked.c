/* libs: wire base proto freeal-annotator annotator_bench.c annotator_llm.c jansson */
#include "annotator_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_blocked_and_resumed(void **state)
{
	struct bench *b = *state;
	b->endpoints[0].key_env = "TEST_KEY";
	llm_status_set(401);
	bench_start(b);
	for (uint64_t i = 0; i < 40; i++)
		bench_lease(b, i, "positive");
	bench_wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "TEST_KEY"));
	assert_non_null(strstr(b->reason, "401"));
	assert_null(strstr(b->reason, KEY));
	/* All but the probe go back; nothing but a probe is sent; no credit is given. */
	bench_play(b, &b->return_count, 39, 2000);
	assert_int_equal(b->return_count, 39);
	int requests = llm_request_count();
	bench_play(b, NULL, 0, 4 * PROBE_MS);
	int probes = llm_request_count() - requests;
	assert_true(probes >= 2 && probes <= 5);
	assert_int_equal(b->credit, 1);
	assert_int_equal(b->result_count, 0);
	llm_status_set(0);
	bench_wait_blocked(b, false);
	bench_wait_results(b, 1);
	bench_play(b, NULL, 0, 300);
	assert_true(b->credit >= 16);
	assert_int_equal(bench_log_count(b, KEY), 0);
	assert_int_equal(bench_log_count(b, "endpoint_blocked"), 1);
}

static void test_blocked_no_credit(void **state)
{
	struct bench *b = *state;
	bench_start(b);
	bench_lease(b, 0, "quota-once");
	bench_wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "credit"));
	bench_wait_blocked(b, false);
	bench_wait_results(b, 1);
	bench_expect_class(b, 0, 0, 2);
}

static void test_blocked_no_key(void **state)
{
	struct bench *b = *state;
	b->endpoints[0].key_env = "MISSING_KEY";
	bench_start(b);
	bench_lease(b, 0, "positive");
	bench_wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "set MISSING_KEY"));
	assert_int_equal(llm_request_count(), 0);
	/* A project with other settings is tried at once. */
	b->endpoints[0].key_env = "TEST_KEY";
	b->version++;
	bench_welcome(b);
	bench_wait_blocked(b, false);
	bench_wait_results(b, 1);
	bench_expect_class(b, 0, 1, 1);
}

static void test_endpoint_down(void **state)
{
	struct bench *b = *state;
	bench_start(b);
	/* It hangs on everything: a pause, then this work fails, to be leased again. */
	bench_lease(b, 0, "hang");
	bench_wait_blocked(b, true);
	assert_int_equal(llm_text_count("hang", NULL), 4);
	bench_wait_results(b, 1);
	assert_non_null(strstr(b->results[0]->error, "timeout"));
	/* The last lease of a work ends as unusable, so that it does not end the run. */
	bench_lease_shots(b, 1, "hang", WORK_ATTEMPTS_MAX, NULL, 0);
	bench_wait_results(b, 2);
	assert_string_equal(bench_annotation(b, 1)->reason, "timeout");
	bench_lease(b, 2, "positive");
	bench_wait_results(b, 3);
	bench_wait_blocked(b, false);
	bench_expect_class(b, 2, 1, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_blocked_and_resumed),
	    TEST(test_blocked_no_credit),
	    TEST(test_blocked_no_key),
	    TEST(test_endpoint_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
