/* libs: freeal-annotator-lib */
#include "base/limits.h"
#include "llm/answer.h"
#include "llm/answer_view.h"
#include "llm/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 0 negative (neg, "-"), 1 positive, 2 positive review, 3 N.A., 4 Öl (ÄÖ), 5 "quoted" */
static struct answer_labels *labels;

static int setup(void **state)
{
	(void)state;
	static char *names[] = {"negative", "positive",	 "Positive Review",
				"N.A.",	    "\xc3\x96l", "\"quoted\""};
	static char *aliases0[] = {"neg", "-"}, *aliases4[] = {"\xc3\x84\xc3\x96"};
	Freeal__Label items[6], *list[6];
	for (size_t i = 0; i < 6; i++) {
		freeal__label__init(&items[i]);
		items[i].name = names[i];
		list[i] = &items[i];
	}
	items[0].aliases = aliases0;
	items[0].n_aliases = 2;
	items[4].aliases = aliases4;
	items[4].n_aliases = 1;
	Freeal__Project p = FREEAL__PROJECT__INIT;
	p.labels = list;
	p.n_labels = 6;
	return answer_labels_new(&p, &labels) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	answer_labels_free(labels);
	return 0;
}

static void test_label_table(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int32_t class_id;
		const char *reason;
	} rows[] = {
	    /* Forgiven: case, white space, one pair of quotes, one full stop. */
	    {"negative", 0, ""},
	    {"NEGATIVE", 0, ""},
	    {" \n\tNegative \r\n", 0, ""},
	    {"\xc2\xa0negative\xe2\x80\x89", 0, ""},
	    {"negative.", 0, ""},
	    {"\"negative\"", 0, ""},
	    {"'negative'", 0, ""},
	    {"`negative`", 0, ""},
	    {"\xe2\x80\x9cnegative\xe2\x80\x9d", 0, ""},
	    {"\"negative.\"", 0, ""},
	    {"\"negative\".", 0, ""},
	    {" \" Negative \" . ", 0, ""},
	    {"neg", 0, ""},
	    {"Neg.", 0, ""},
	    {"-", 0, ""},
	    /* One name is the beginning of another. */
	    {"positive", 1, ""},
	    {"positive review", 2, ""},
	    {"POSITIVE REVIEW.", 2, ""},
	    {"positive rev", ANSWER_NONE, "not_a_label"},
	    {"posit", ANSWER_NONE, "not_a_label"},
	    /* What is forgiven may belong to the name. */
	    {"n.a.", 3, ""},
	    {"N.A..", 3, ""},
	    {"N.A", ANSWER_NONE, "not_a_label"},
	    {"\"quoted\"", 5, ""},
	    {"\"\"quoted\"\".", 5, ""},
	    {"quoted", ANSWER_NONE, "not_a_label"},
	    /* Letters outside ASCII fold too. */
	    {"\xc3\xb6L", 4, ""},
	    {"\xc3\xa4\xc3\xb6", 4, ""},
	    {"ol", ANSWER_NONE, "not_a_label"},
	    /* Never a guess. */
	    {"negative..", ANSWER_NONE, "not_a_label"},
	    {"\"\"negative\"\"", ANSWER_NONE, "not_a_label"},
	    {"\"negative", ANSWER_NONE, "not_a_label"},
	    {"\"negative'", ANSWER_NONE, "not_a_label"},
	    {"negative!", ANSWER_NONE, "not_a_label"},
	    {"**negative**", ANSWER_NONE, "not_a_label"},
	    {"Label: negative", ANSWER_NONE, "not_a_label"},
	    {"The label is negative.", ANSWER_NONE, "not_a_label"},
	    {"not negative", ANSWER_NONE, "not_a_label"},
	    {"negatively", ANSWER_NONE, "not_a_label"},
	    {"negativo", ANSWER_NONE, "not_a_label"},
	    {"neutral", ANSWER_NONE, "not_a_label"},
	    {"unknown", ANSWER_NONE, "not_a_label"},
	    {"0", ANSWER_NONE, "not_a_label"},
	    {"negative or positive", ANSWER_NONE, "several_labels"},
	    {"negative, positive", ANSWER_NONE, "several_labels"},
	    {"neg/Positive", ANSWER_NONE, "several_labels"},
	    {"negative\npositive", ANSWER_NONE, "several_labels"},
	    {"negative, neg", ANSWER_NONE, "not_a_label"},
	    {"", ANSWER_NONE, "empty"},
	    {" \n ", ANSWER_NONE, "empty"},
	    {".", ANSWER_NONE, "not_a_label"},
	    {"\"\"", ANSWER_NONE, "not_a_label"},
	    {"I'm sorry, but I can't label this.", ANSWER_NONE, "refused"},
	    {"I cannot help with positive or negative.", ANSWER_NONE, "refused"},
	    {"\xff\xfe", ANSWER_NONE, "not_a_label"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *reason;
		int32_t class_id =
		    answer_label(labels, rows[i].text, strlen(rows[i].text), &reason);
		if (class_id != rows[i].class_id || strcmp(reason, rows[i].reason) != 0)
			fail_msg("\"%s\": class %d, reason \"%s\"", rows[i].text, class_id, reason);
	}
}

static void test_label_bytes(void **state)
{
	(void)state;
	const char *reason;
	/* A NUL is no end of the text. */
	assert_int_equal(answer_label(labels, "negative\0x", 10, &reason), ANSWER_NONE);
	assert_int_equal(answer_label(labels, "negative\0", 9, &reason), ANSWER_NONE);
	size_t size = 1u << 20;
	char *text = malloc(size);
	assert_non_null(text);
	memset(text, 'a', size);
	assert_int_equal(answer_label(labels, text, size, &reason), ANSWER_NONE);
	assert_string_equal(reason, "not_a_label");
	/* White space is trimmed however much there is. */
	memset(text, ' ', size);
	memcpy(text + size / 2, "neg", 3);
	assert_int_equal(answer_label(labels, text, size, &reason), 0);
	/* A label followed by more than is ever looked at is none. */
	memset(text, 'a', size);
	memcpy(text, "neg ", 4);
	assert_int_equal(answer_label(labels, text, size, &reason), ANSWER_NONE);
	free(text);
}

static void test_texts_table(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t count;
		bool cut;
		size_t want;
		const char *first, *last, *reason;
	} rows[] = {
	    {"[\"a\",\"b\"]", 10, false, 2, "a", "b", ""},
	    {" [\"a\"] ", 10, false, 1, "a", "a", ""},
	    {"```json\n[\"a\",\"b\"]\n```", 10, false, 2, "a", "b", ""},
	    {"```\n[\"a\"]\n```\n", 10, false, 1, "a", "a", ""},
	    {"[\" a \",\"a\",\"\",\"  \",\"b\"]", 10, false, 2, "a", "b", ""},
	    {"[\"a\",1,null,[\"x\"],\"b\"]", 10, false, 2, "a", "b", ""},
	    {"[\"a\",\"b\",\"c\"]", 2, false, 2, "a", "b", ""},
	    {"[\"a\",\"b\",\"c", 9, true, 2, "a", "b", ""},
	    {"[\"a\",\"b\",", 9, true, 2, "a", "b", ""},
	    {"[\"a\",\"b\\\"c", 9, true, 1, "a", "a", ""},
	    {"```json\n[\"a\",\"b\",\"c", 9, true, 2, "a", "b", ""},
	    {"[\"a\",\"b\",\"c", 9, false, 0, NULL, NULL, "not_a_list"},
	    {"[\"a", 9, true, 0, NULL, NULL, "not_a_list"},
	    {"[]", 9, false, 0, NULL, NULL, "empty"},
	    {"[\"\"]", 9, false, 0, NULL, NULL, "empty"},
	    {"", 9, false, 0, NULL, NULL, "empty"},
	    {"{\"a\":[\"b\"]}", 9, false, 0, NULL, NULL, "not_a_list"},
	    {"Here you are: [\"a\"]", 9, false, 0, NULL, NULL, "not_a_list"},
	    {"1. a\n2. b", 9, false, 0, NULL, NULL, "not_a_list"},
	    {"I'm sorry, I can't do that.", 9, false, 0, NULL, NULL, "refused"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct answer_texts t;
		const char *reason;
		assert_int_equal(answer_texts(rows[i].text, strlen(rows[i].text), rows[i].count,
					      rows[i].cut, &t, &reason),
				 ERR_OK);
		if (t.count != rows[i].want || strcmp(reason, rows[i].reason) != 0)
			fail_msg("%s: %zu texts, reason \"%s\"", rows[i].text, t.count, reason);
		if (t.count > 0) {
			assert_string_equal(t.items[0], rows[i].first);
			assert_string_equal(t.items[t.count - 1], rows[i].last);
		}
		answer_texts_done(&t);
	}
}

static void test_texts_bounded(void **state)
{
	(void)state;
	size_t size = 1u << 20;
	char *text = malloc(size);
	assert_non_null(text);
	struct answer_texts t;
	const char *reason;
	/* Nothing but quotes, cut off: given up soon. */
	memset(text, '"', size);
	text[0] = '[';
	assert_int_equal(answer_texts(text, size, 10, true, &t, &reason), ERR_OK);
	assert_int_equal(t.count, 0);
	answer_texts_done(&t);
	memset(text, '[', size);
	assert_int_equal(answer_texts(text, size, 10, false, &t, &reason), ERR_OK);
	assert_int_equal(t.count, 0);
	answer_texts_done(&t);
	/* One text too long, one that fits. */
	size_t long_size = GENERATED_BYTES_MAX + 1;
	memset(text, 'a', size);
	memcpy(text, "[\"", 2);
	memcpy(text + 2 + long_size, "\",\"b\"]", 6);
	assert_int_equal(answer_texts(text, 2 + long_size + 6, 10, false, &t, &reason), ERR_OK);
	assert_int_equal(t.count, 1);
	assert_string_equal(t.items[0], "b");
	answer_texts_done(&t);
	free(text);
}

#define MESSAGE(content) "{\"choices\":[{\"message\":{\"content\":" content "}}]}"

static void test_reply_table(void **state)
{
	(void)state;
	static const struct {
		const char *body, *content, *reason;
	} rows[] = {
	    {MESSAGE("\"positive\""), "positive", ""},
	    {"\xef\xbb\xbf" MESSAGE("\"positive\""), "positive", ""},
	    {MESSAGE("null"), NULL, "empty"},
	    {MESSAGE("\"\""), "", "empty"},
	    {MESSAGE("3"), NULL, "malformed"},
	    {MESSAGE("[\"positive\"]"), NULL, "malformed"},
	    {"{\"choices\":[{\"message\":{}}]}", NULL, "empty"},
	    {"{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"pos\"}}]}",
	     "pos", "length"},
	    {"{\"choices\":[{\"finish_reason\":\"content_filter\",\"message\":{\"content\":\"\"}}]"
	     "}",
	     "", "refused"},
	    {"{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"}}]}", NULL,
	     "refused"},
	    {"{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"1\"}]}}]}",
	     NULL, "tool_call"},
	    {"{\"choices\":[{\"finish_reason\":\"tool_calls\",\"message\":{\"content\":\"x\"}}]}",
	     "x", "tool_call"},
	    {"{\"choices\":[]}", NULL, "empty"},
	    {"{\"choices\":[7]}", NULL, "malformed"},
	    {"{\"choices\":[{}]}", NULL, "malformed"},
	    {"{\"choices\":{}}", NULL, "malformed"},
	    {"{}", NULL, "malformed"},
	    {"[]", NULL, "malformed"},
	    {"", NULL, "malformed"},
	    {"{\"choices\":[{\"mess", NULL, "malformed"},
	    {MESSAGE("\"positive\"") " x", NULL, "malformed"},
	    {MESSAGE("\"\\ud800\""), NULL, "malformed"},
	    {"{\"usage\":{\"prompt_tokens\":1e999}}", NULL, "malformed"},
	    {"<html>", NULL, "malformed"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct reply r;
		reply_parse(rows[i].body, strlen(rows[i].body), &r);
		if (strcmp(r.reason, rows[i].reason) != 0)
			fail_msg("%s: \"%s\"", rows[i].body, r.reason);
		assert_int_equal(r.content != NULL, rows[i].content != NULL);
		if (r.content)
			assert_string_equal(r.content, rows[i].content);
		reply_done(&r);
	}
}

static void test_reply_usage(void **state)
{
	(void)state;
	static const char body[] = "{\"choices\":[{\"message\":{\"content\":\"x\"}}],"
				   "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":-3}}";
	struct reply r;
	reply_parse(body, sizeof body - 1, &r);
	assert_int_equal(r.tokens_in, 12);
	assert_int_equal(r.tokens_out, 0);
	reply_done(&r);
	size_t size = 200000;
	char *nested = malloc(size);
	assert_non_null(nested);
	memset(nested, '[', size);
	reply_parse(nested, size, &r);
	assert_string_equal(r.reason, "malformed");
	reply_done(&r);
	free(nested);
}

static void test_reply_choices(void **state)
{
	(void)state;
	static const char body[] =
	    "{\"choices\":[{\"message\":{\"content\":\"a\",\"reasoning_content\":\"hm\"},"
	    "\"logprobs\":{\"content\":[{\"token\":\"a\"}]}},"
	    "{\"message\":{\"content\":null,\"refusal\":\"No.\"},\"logprobs\":{\"content\":[]}},"
	    "{\"message\":{\"content\":\"c\",\"reasoning\":\"so\"},\"logprobs\":null},7],"
	    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":64},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":21}}}";
	struct reply r;
	reply_parse(body, sizeof body - 1, &r);
	assert_int_equal(r.choice_count, 4);
	assert_string_equal(r.content, "a");
	assert_string_equal(r.choices[0].reasoning, "hm");
	assert_non_null(r.choices[0].logprobs);
	assert_string_equal(r.choices[1].reason, "refused");
	assert_null(r.choices[1].logprobs);
	assert_string_equal(r.choices[2].content, "c");
	assert_string_equal(r.choices[2].reasoning, "so");
	assert_string_equal(r.choices[3].reason, "malformed");
	assert_int_equal(r.tokens_cached, 64);
	/* A part is not more than the whole. */
	assert_int_equal(r.tokens_reasoning, 20);
	reply_done(&r);
}

static void test_reply_error(void **state)
{
	(void)state;
	static const struct {
		const char *body, *code, *message;
	} rows[] = {
	    {"{\"error\":{\"message\":\"No\\ncredit\",\"type\":\"t\",\"code\":\"insufficient_"
	     "quota\"}}",
	     "insufficient_quota", "No credit"},
	    {"{\"error\":{\"type\":\"insufficient_quota\",\"code\":null}}", "insufficient_quota",
	     ""},
	    {"{\"error\":\"model is loading\"}", "", "model is loading"},
	    {"{\"error\":{\"code\":401}}", "", ""},
	    {"Not Found", "", ""},
	    {"", "", ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct reply_error e;
		reply_error_parse(rows[i].body, strlen(rows[i].body), &e);
		assert_string_equal(e.code, rows[i].code);
		assert_string_equal(e.message, rows[i].message);
	}
}

static void test_views(void **state)
{
	(void)state;
	static const struct {
		const char *answer, *view, *reason;
	} table[] = {
	    {"  said otherwise\n", "said otherwise", ""},
	    {"\"said otherwise\"", "said otherwise", ""},
	    {"\"one\" and \"two\"", "\"one\" and \"two\"", ""},
	    {" \n", NULL, "empty"},
	    {"\"\"", NULL, "empty"},
	    {"I can't praise it enough.", "I can't praise it enough.", ""},
	    {"I'm sorry, but I can't help with that.", NULL, "refused"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t size;
		const char *reason;
		const char *view =
		    answer_view(table[i].answer, strlen(table[i].answer), &size, &reason);
		assert_string_equal(reason, table[i].reason);
		assert_int_equal(view == NULL, table[i].view == NULL);
		if (view) {
			assert_int_equal(size, strlen(table[i].view));
			assert_memory_equal(view, table[i].view, size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_label_table),	  cmocka_unit_test(test_label_bytes),
	    cmocka_unit_test(test_texts_table),	  cmocka_unit_test(test_texts_bounded),
	    cmocka_unit_test(test_reply_table),	  cmocka_unit_test(test_reply_usage),
	    cmocka_unit_test(test_reply_choices), cmocka_unit_test(test_reply_error),
	    cmocka_unit_test(test_views),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
