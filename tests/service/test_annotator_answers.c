/* libs: wire base proto freeal-annotator annotator_bench.c annotator_llm.c jansson */
#include "annotator_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_words(ProtobufCBinaryData words, const char *expected)
{
	assert_int_equal(words.len, strlen(expected));
	assert_memory_equal(words.data, expected, words.len);
}

static void test_forms(void **state)
{
	struct bench *b = *state;
	b->candidates = b->reasoning = true;
	bench_start(b);
	bench_lease(b, 0, "say So.\\nLabel: positive");
	bench_lease(b, 1, "say {\\\"label\\\": \\\"positive\\\"}");
	bench_lease(b, 2, "say <think>hm</think>negative");
	bench_lease(b, 3, "say Label: negative, positive");
	bench_lease(b, 4, "say Label: positive?|Label: positive");
	bench_wait_results(b, 5);
	bench_expect_class(b, 0, 1, 1);
	expect_words(bench_annotation(b, 0)->reasoning, "So.");
	bench_expect_class(b, 1, 1, 1);
	bench_expect_class(b, 2, 0, 1);
	expect_words(bench_annotation(b, 2)->reasoning, "hm");
	/* All labels say nothing. */
	bench_expect_reason(b, 3, "undecided", 2);
	/* Asked again, it is told what was wrong, behind all that stays the same. */
	bench_expect_class(b, 4, 1, 2);
	struct llm_request last;
	assert_int_equal(llm_text_count("say Label: positive?|Label: positive", &last), 2);
	assert_true(last.corrected);
	assert_int_equal(last.turns, 1);
}

/* The server knows no `n`, so that each vote is a request; unusable ones count as none. */
static void test_votes(void **state)
{
	struct bench *b = *state;
	b->samples = 3;
	bench_start(b);
	bench_lease(b, 0, "say negative|positive|positive");
	bench_lease(b, 1, "say maybe|positive|negative");
	bench_lease(b, 2, "say maybe|maybe|maybe|maybe|negative");
	bench_lease(b, 3, "say maybe");
	bench_wait_results(b, 4);
	bench_expect_class(b, 0, 1, 3);
	const Freeal__Annotation *a = bench_annotation(b, 0);
	assert_int_equal(a->votes, 3);
	assert_int_equal(a->n_probabilities, 2);
	assert_true(a->probabilities[1] > 0.66f && a->probabilities[1] < 0.67f);
	expect_words(a->answer, "positive");
	bench_expect_class(b, 1, 1, 3);
	assert_int_equal(bench_annotation(b, 1)->votes, 2);
	bench_expect_class(b, 2, 0, 6);
	assert_int_equal(bench_annotation(b, 2)->votes, 2);
	bench_expect_reason(b, 3, "not_a_label", 6);
}

/* Four texts in one request; what is missing or unusable is asked alone. */
static void test_several_texts(void **state)
{
	struct bench *b = *state;
	b->batch = 4;
	b->endpoints[0].concurrency = 1;
	llm_delay_set(300);
	bench_start(b);
	bench_lease(b, 0, "say positive"); /* holds the place while the others come */
	bench_play(b, NULL, 0, 100);
	bench_lease(b, 1, "say positive|x");
	bench_lease(b, 2, "say negative");
	bench_lease(b, 3, "say positive|y");
	bench_lease(b, 4, "say positive|z");
	bench_wait_results(b, 5);
	const struct {
		uint32_t class_id, requests;
	} expected[] = {{1, 1}, {1, 1}, {0, 1}, {0, 0}, {1, 1}};
	for (size_t i = 0; i < 5; i++)
		bench_expect_class(b, i, expected[i].class_id, expected[i].requests);
	struct llm_request request;
	assert_int_equal(llm_request_count(), 4);
	assert_int_equal(llm_text_count("say positive|x", NULL), 0);
	assert_int_equal(llm_text_count("say negative", &request), 1);
	assert_false(request.corrected);
	assert_int_equal(llm_text_count("say positive|z", NULL), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {TEST(test_forms), TEST(test_votes),
					   TEST(test_several_texts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
