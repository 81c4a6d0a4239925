/* libs: wire base proto freeal-annotator annotator_bench.c annotator_llm.c jansson */
#include "annotator_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_labels(void **state)
{
	struct bench *b = *state;
	b->endpoints[0].key_env = "TEST_KEY";
	bench_start(b);
	for (uint64_t i = 0; i < 1000; i++) {
		char text[32];
		(void)snprintf(text, sizeof text, "%s %d", i % 3 ? "negative" : "positive", (int)i);
		bench_lease(b, i, text);
		if (i % 50 == 0)
			bench_play(b, NULL, 0, 1);
	}
	bench_wait_results(b, 1000);
	for (size_t i = 0; i < 1000; i++)
		bench_expect_class(b, i, i % 3 ? 0 : 1, 1);
	const Freeal__Annotation *a = bench_annotation(b, 0);
	assert_memory_equal(a->answer.data, "Positive.", 9);
	assert_string_equal(a->model, "m");
	assert_int_equal(a->usage->tokens_in, 10);
	assert_int_equal(a->usage->tokens_out, 2);
	assert_int_equal(a->usage->nano_usd, 10 * 3 + 2 * 5);
	assert_int_equal(llm_request_count(), 1000);
	assert_string_equal(llm_request_at(0)->authorization, "Bearer " KEY);
	/* Never more at once than allowed, and over connections that are used again. */
	assert_true(llm_busy_max() <= 16);
	assert_true(llm_connection_count() <= 17);
	assert_int_equal(bench_stop(b), 0);
}

static void test_many_in_flight(void **state)
{
	struct bench *b = *state;
	b->endpoints[0].concurrency = 200;
	llm_delay_set(200);
	bench_start(b);
	bench_play(b, &b->credit, 200, WAIT_MS_MAX);
	assert_true(b->credit >= 200);
	uint64_t begin = bench_now();
	for (uint64_t i = 0; i < 400; i++)
		bench_lease(b, i, i % 2 ? "positive" : "negative");
	bench_wait_results(b, 400);
	/* Two hundred at a time: two waits of 200 ms and some work. */
	assert_true(bench_now() - begin < 3000);
	assert_true(llm_busy_max() > 100);
	assert_true(llm_busy_max() <= 200);
}

static void test_faults(void **state)
{
	struct bench *b = *state;
	bench_start(b);
	/* Before the first answer a request that is rejected blocks the endpoint. */
	bench_lease(b, 10, "positive");
	bench_wait_results(b, 1);
	bench_lease(b, 0, "500-twice");
	bench_lease(b, 1, "hang-once");
	bench_lease(b, 2, "close-once");
	bench_lease(b, 3, "large-once");
	bench_lease(b, 4, "bad");
	bench_lease(b, 5, "bad-once");
	bench_lease(b, 6, "malformed");
	bench_lease(b, 7, "length");
	bench_lease(b, 8, "filter");
	bench_lease(b, 9, "rejected");
	bench_wait_results(b, 11);
	bench_expect_class(b, 0, 0, 3);
	bench_expect_class(b, 1, 0, 2);
	/* A connection that is used again and closed is tried once more by curl itself. */
	assert_int_equal(bench_annotation(b, 2)->class_label->class_id, 0);
	bench_expect_class(b, 3, 0, 2);
	bench_expect_reason(b, 4, "not_a_label", 2);
	assert_memory_equal(bench_annotation(b, 4)->answer.data, "maybe", 5);
	bench_expect_class(b, 5, 0, 2);
	bench_expect_reason(b, 6, "malformed", 4);
	bench_expect_reason(b, 7, "length", 2);
	bench_expect_reason(b, 8, "refused", 1);
	bench_expect_reason(b, 9, "rejected", 1);
	bench_expect_class(b, 10, 1, 1);
	assert_false(b->blocked);
	assert_int_equal(b->return_count, 0);
	assert_int_equal(bench_stop(b), 0);
}

static void test_retry_after(void **state)
{
	struct bench *b = *state;
	bench_start(b);
	bench_lease(b, 0, "429-once 2");
	bench_play(b, NULL, 0, 300);
	for (uint64_t i = 1; i < 20; i++)
		bench_lease(b, i, "positive");
	bench_wait_results(b, 20);
	bench_expect_class(b, 0, 0, 2);
	struct llm_request last;
	(void)llm_text_count("429-once 2", &last);
	uint64_t first_ms = llm_request_at(0)->at_ms;
	assert_true(last.at_ms - first_ms >= 2000 && last.at_ms - first_ms < 3000);
	/* Nobody else hammers it either. */
	for (int i = 1; i < llm_request_count(); i++)
		assert_true(llm_request_at(i)->at_ms - first_ms >= 2000);
	assert_int_equal(b->return_count, 0);
}

static void pool_send(struct bench *b)
{
	Freeal__Demonstration items[2], *list[2] = {&items[0], &items[1]};
	for (uint32_t i = 0; i < 2; i++) {
		freeal__demonstration__init(&items[i]);
		items[i].text.data = (uint8_t *)(i ? "lovely" : "dull");
		items[i].text.len = i ? 6 : 4;
		items[i].class_id = i;
	}
	Freeal__Pool pool = FREEAL__POOL__INIT;
	pool.version = 1;
	pool.demonstrations = list;
	pool.n_demonstrations = 2;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_POOL;
	e.pool = &pool;
	bench_send(b, &e);
}

static void test_demonstrations(void **state)
{
	struct bench *b = *state;
	bench_start(b);
	pool_send(b);
	bench_lease_shots(b, 0, "positive", 1, (uint32_t[]){1, 0}, 2);
	bench_lease_shots(b, 1, "positive", 1, (uint32_t[]){7}, 1);
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__GENERATE;
	name.item = 2;
	Freeal__GenerateOrder order = FREEAL__GENERATE_ORDER__INIT;
	order.class_id = 1;
	order.count = 5;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.attempt = 1;
	work.order_case = FREEAL__WORK__ORDER_GENERATE;
	work.generate = &order;
	bench_lease_work(b, &work);
	bench_wait_results(b, 3);
	bench_expect_class(b, 0, 1, 1);
	assert_int_equal(bench_annotation(b, 0)->n_demonstrations, 2);
	assert_int_equal(bench_annotation(b, 0)->pool_version, 1);
	struct llm_request last;
	assert_int_equal(llm_text_count("positive", &last), 1);
	assert_int_equal(last.turns, 5);
	assert_non_null(strstr(b->results[1]->error, "demonstration 7"));
	const Freeal__GenerateResult *g = b->results[2]->generate;
	assert_non_null(g);
	assert_int_equal(g->n_texts, 2);
	assert_memory_equal(g->texts[1].data, "two", 3);
	assert_int_equal(g->usage->requests, 1);
}

static void test_stop_returns_leases(void **state)
{
	struct bench *b = *state;
	b->endpoints[0].concurrency = 4;
	llm_delay_set(400);
	bench_start(b);
	for (uint64_t i = 0; i < 20; i++)
		bench_lease(b, i, "positive");
	bench_play(b, NULL, 0, 100);
	assert_int_equal(bench_stop(b), 0);
	bench_play(b, NULL, 0, 300);
	assert_int_equal(b->leaving_count, 1);
	assert_true(b->result_count < 20);
	/* The lease of another one goes on where this one stopped. */
	bench_start(b);
	bench_lease(b, 100, "positive");
	bench_play(b, NULL, 0, 1000);
	bench_expect_class(b, 100, 1, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_labels),	    TEST(test_many_in_flight), TEST(test_faults),
	    TEST(test_retry_after), TEST(test_demonstrations), TEST(test_stop_returns_leases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
