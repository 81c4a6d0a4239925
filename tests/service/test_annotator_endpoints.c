/* libs: wire base proto freeal-annotator annotator_bench.c annotator_llm.c jansson */
#include "annotator_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Several endpoints of one round, and the shares of their limits that are granted. */

static void lease_many(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		bench_lease(b, i, "positive");
}

static void test_load_is_shared(void **state)
{
	struct bench *b = *state;
	b->endpoint_count = 2;
	b->endpoints[0].concurrency = 8;
	b->endpoints[1].concurrency = 24;
	llm_delay_set(50);
	bench_start(b);
	lease_many(b, 0, 800);
	bench_wait_results(b, 800);
	/* By what each may take: a quarter and three. */
	int first = llm_endpoint_count("m");
	assert_int_equal(llm_request_count(), 800);
	assert_true(first >= 160 && first <= 240);
	assert_true(llm_busy_max() > 24 && llm_busy_max() <= 32);
	for (size_t i = 0; i < 800; i++)
		bench_expect_class(b, i, 1, 1);
}

static void test_one_is_blocked(void **state)
{
	struct bench *b = *state;
	b->endpoint_count = 2;
	llm_endpoint_status_set("m", 401);
	bench_start(b);
	lease_many(b, 0, 200);
	bench_wait_results(b, 200);
	bench_wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "401"));
	/* The other one did it all; no lease went back. */
	assert_int_equal(b->return_count, 0);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(bench_annotation(b, i)->class_label->class_id, 1);
	int first = llm_endpoint_count("m");
	assert_true(first >= 1 && first <= 16 + 10);
	assert_true(b->credit > 1);
	/* Both: all is handed back but the probe, and both are named. */
	llm_status_set(402);
	lease_many(b, 200, 240);
	bench_play(b, &b->return_count, 39, WAIT_MS_MAX);
	assert_int_equal(b->return_count, 39);
	for (uint64_t end = bench_now() + WAIT_MS_MAX;
	     bench_now() < end && (!strstr(b->reason, "402") || !strstr(b->reason, "; "));)
		bench_play(b, NULL, 0, 20);
	assert_non_null(strstr(b->reason, "402"));
	llm_status_set(0);
	bench_wait_results(b, 201);
	/* The second one is probed with what comes. */
	for (uint64_t i = 240; i < 1000 && b->blocked; i++) {
		bench_lease(b, i, "positive");
		bench_play(b, NULL, 0, 20);
	}
	assert_false(b->blocked);
}

static void test_retry_goes_elsewhere(void **state)
{
	struct bench *b = *state;
	b->endpoint_count = 2;
	b->endpoints[0].concurrency = b->endpoints[1].concurrency = 1;
	llm_endpoint_status_set("m", 500);
	bench_start(b);
	bench_lease(b, 0, "positive");
	bench_wait_results(b, 1);
	bench_expect_class(b, 0, 1, 2);
	assert_int_equal(llm_endpoint_count("n"), 1);
}

static void test_grants(void **state)
{
	struct bench *b = *state;
	b->grant_ttl_ms = 0;
	bench_start(b);
	lease_many(b, 0, 20);
	/* No grant: nothing is sent, and after a while people are told. */
	bench_wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "grants no share"));
	assert_int_equal(llm_request_count(), 0);
	/* Of another version of the project, or of an endpoint that is not there. */
	b->grant_ttl_ms = 60000;
	b->version = 77;
	bench_grant(b);
	b->version = 1;
	bench_play(b, NULL, 0, 200);
	assert_int_equal(llm_request_count(), 0);
	b->endpoints[0].concurrency = 3;
	llm_delay_set(20);
	bench_grant(b);
	bench_wait_results(b, 20);
	bench_wait_blocked(b, false);
	assert_true(llm_busy_max() <= 3);
	/* It ends. */
	b->grant_ttl_ms = 1;
	bench_grant(b);
	bench_play(b, NULL, 0, 100);
	lease_many(b, 20, 30);
	bench_play(b, NULL, 0, 300);
	assert_int_equal(llm_request_count(), 20);
	b->grant_ttl_ms = 60000;
	bench_grant(b);
	bench_wait_results(b, 30);
}

/* A share of nothing: the leases go back, to somebody who has one. */
static void test_grant_of_nothing(void **state)
{
	struct bench *b = *state;
	b->grant_ttl_ms = 0;
	bench_start(b);
	lease_many(b, 0, 5);
	Freeal__Grant grant = FREEAL__GRANT__INIT;
	grant.project_version = b->version;
	grant.ttl_ms = 60000;
	grant.limits = 4;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_GRANT;
	e.grant = &grant;
	bench_send(b, &e);
	bench_play(b, &b->return_count, 5, WAIT_MS_MAX);
	assert_int_equal(b->return_count, 5);
	assert_int_equal(llm_request_count(), 0);
}

static void test_rate_is_kept(void **state)
{
	struct bench *b = *state;
	b->endpoints[0].requests_per_minute = 1200;
	bench_start(b);
	lease_many(b, 0, 61);
	bench_wait_results(b, 61);
	/* Twenty a second: 60 of them take 3 s, however fast the server is. */
	uint64_t took_ms = llm_request_at(60)->at_ms - llm_request_at(0)->at_ms;
	assert_true(took_ms >= 2950 && took_ms < 4000);
	for (int i = 20; i < 61; i++) {
		uint64_t ms = llm_request_at(i)->at_ms - llm_request_at(i - 20)->at_ms;
		assert_true(ms >= 900);
	}
}

static void test_tokens_are_kept(void **state)
{
	struct bench *b = *state;
	/* An answer uses 12 tokens, though more are taken beforehand: 100 answers a second. */
	b->endpoints[0].tokens_per_minute = 72000;
	bench_start(b);
	lease_many(b, 0, 300);
	bench_wait_results(b, 300);
	uint64_t took_ms = llm_request_at(299)->at_ms - llm_request_at(0)->at_ms;
	assert_true(took_ms >= 2500 && took_ms < 4500);
}

/* A parameter that a server does not take is left out after the first refusals. */
static void test_dialect_is_learned(void **state)
{
	struct bench *b = *state;
	llm_refuse_set("max_tokens");
	bench_start(b);
	bench_lease(b, 0, "positive");
	bench_wait_results(b, 1);
	bench_expect_class(b, 0, 1, 2);
	lease_many(b, 1, 100);
	bench_wait_results(b, 100);
	for (size_t i = 1; i < 100; i++)
		bench_expect_class(b, i, 1, 1);
	llm_refuse_set("temperature");
	lease_many(b, 100, 200);
	bench_wait_results(b, 200);
	assert_true(llm_request_count() <= 201 + 16);
	assert_int_equal(b->return_count, 0);
	assert_false(b->blocked);
	assert_int_equal(bench_log_count(b, "parameter_refused"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_load_is_shared),	     TEST(test_one_is_blocked),
	    TEST(test_retry_goes_elsewhere), TEST(test_grants),
	    TEST(test_grant_of_nothing),     TEST(test_rate_is_kept),
	    TEST(test_tokens_are_kept),	     TEST(test_dialect_is_learned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
