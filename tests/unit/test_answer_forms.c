/* libs: llm */
#include "llm/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* 0 negative (neg), 1 positive, 2 neutral, 3 "yes, but" */
static struct answer_labels *labels;

static int setup(void **state)
{
	(void)state;
	static char *names[] = {"negative", "positive", "neutral", "yes, but"},
		    *aliases[] = {"neg"};
	Freeal__Label items[4], *list[4];
	for (size_t i = 0; i < 4; i++) {
		freeal__label__init(&items[i]);
		items[i].name = names[i];
		list[i] = &items[i];
	}
	items[0].aliases = aliases;
	items[0].n_aliases = 1;
	Freeal__Project p = FREEAL__PROJECT__INIT;
	p.labels = list;
	p.n_labels = 4;
	return answer_labels_new(&p, &labels) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	answer_labels_free(labels);
	return 0;
}

static void said(const struct answer *a, char *ret, size_t size)
{
	size_t used = 0;
	*ret = '\0';
	for (uint32_t i = 0; i < a->count; i++)
		used += (size_t)snprintf(ret + used, size - used, "%u", a->class_ids[i]);
	if (a->count == 0)
		(void)snprintf(ret, size, "%s", a->reason);
	else
		assert_string_equal(a->reason, "");
}

enum { PLAIN, SETS, THINK, THINK_SETS };

static struct answer_form form_of(int kind)
{
	return (struct answer_form){.reasoning = kind >= THINK, .candidates = kind % 2 == SETS};
}

static void test_forms(void **state)
{
	(void)state;
	static const struct {
		int form;
		const char *text, *said, *label, *reasoning;
	} rows[] = {
	    {PLAIN, " positive.", "1", "positive.", ""},
	    {PLAIN, "{\"label\": \"positive\"}", "1", "positive\"}", ""},
	    {PLAIN, "```json\n{\"label\": \"neg\"}\n```", "0", "neg\"}", ""},
	    {PLAIN, "```\nneutral\n```", "2", "neutral", ""},
	    {PLAIN, "\"neutral\"", "2", NULL, ""},
	    {PLAIN, "[\"neutral\"]", "2", NULL, ""},
	    {PLAIN, "{\"labels\": [\"neutral\"]}", "2", "neutral\"]}", ""},
	    {PLAIN, "{\"reasoning\": \"\\\"label\\\": x\", \"label\" : \"Neg\"}", "0", "Neg\"}",
	     "\"label\": x"},
	    {PLAIN, "{\"label\": \"neg\", \"label\": \"positive\"}", "several_labels", NULL, ""},
	    {PLAIN, "{\"label\": \"neg\", \"labels\": [\"neg\"]}", "not_a_label", NULL, ""},
	    {PLAIN, "{\"label\": 1}", "not_a_label", NULL, ""},
	    {PLAIN, "{\"label\": null}", "not_a_label", NULL, ""},
	    {PLAIN, "{\"label\": \"\"}", "empty", NULL, ""},
	    {PLAIN, "{\"label\": {\"label\": \"neg\"}}", "not_a_label", NULL, ""},
	    {PLAIN, "{\"answer\": \"neg\"}", "not_a_label", NULL, ""},
	    {PLAIN, "{\"label\": \"neg\"", "not_a_label", NULL, ""},
	    {PLAIN, "{\"label\": \"neg\"} positive", "several_labels", NULL, ""},
	    {PLAIN, "{\"label\": \"neg, positive\"}", "several_labels", NULL, ""},
	    {PLAIN, "{\"labels\": [\"neg\", \"positive\"]}", "several_labels", NULL, ""},
	    {PLAIN, "neg, positive", "several_labels", NULL, ""},
	    {PLAIN, "yes, but", "3", "yes, but", ""},
	    {PLAIN, "Label: positive", "not_a_label", NULL, ""},
	    {PLAIN, "<think>negative?</think>\n\npositive", "1", "positive", "negative?"},
	    {PLAIN, "hm\n</think>neg", "0", "neg", "hm"},
	    {PLAIN, "<think>positive", "empty", NULL, "positive"},
	    {PLAIN, "<think></think>", "empty", NULL, ""},
	    {PLAIN, "I cannot say that.", "refused", NULL, ""},
	    {PLAIN, "", "empty", NULL, ""},
	    {SETS, "positive", "1", "positive", ""},
	    {SETS, "neg, positive", "01", "neg, positive", ""},
	    {SETS, "Positive , NEG.", "10", "Positive , NEG.", ""},
	    {SETS, "neg, negative", "0", "neg, negative", ""},
	    {SETS, "yes, but, neg", "30", "yes, but, neg", ""},
	    {SETS, "neg, yes, but", "03", "neg, yes, but", ""},
	    {SETS, "neg, yes", "not_a_label", NULL, ""},
	    {SETS, "neg, positive, or so", "several_labels", NULL, ""},
	    {SETS, "neg or positive", "several_labels", NULL, ""},
	    {SETS, "neg,,positive", "several_labels", NULL, ""},
	    {SETS, "neg, positive, neutral, yes, but", "undecided", NULL, ""},
	    {SETS, "{\"labels\": [\"neg\", \"positive\", \"neg\"]}", "01",
	     "neg\", \"positive\", \"neg\"]}", ""},
	    {SETS, "{\"labels\": [\"neg\", \"other\"]}", "not_a_label", NULL, ""},
	    {SETS, "{\"labels\": []}", "empty", NULL, ""},
	    {SETS, "{\"label\": \"neg, neutral\"}", "02", "neg, neutral\"}", ""},
	    {THINK, "It is not negative.\nLabel: positive", "1", "positive", "It is not negative."},
	    {THINK, "Label: neg\nNo.\n**Label: positive**\n", "1", "positive**\n",
	     "Label: neg\nNo."},
	    {THINK, "So.\n**Label:** positive.", "1", "positive.", "So."},
	    {THINK, "So.\nLABEL: positive or neg", "several_labels", NULL, "So."},
	    {THINK, "So.\nLabel: good", "not_a_label", NULL, "So."},
	    {THINK, "So.\nLabel:", "empty", NULL, "So."},
	    {THINK, "positive", "1", "positive", ""},
	    {THINK, "It is positive", "not_a_label", NULL, ""},
	    {THINK, "<think>a</think>b\nLabel: neg", "0", "neg", "a\nb"},
	    {THINK, "{\"reasoning\": \"r\", \"label\": \"neg\"}", "0", "neg\"}", "r"},
	    {THINK_SETS, "So.\nLabel: neg, positive", "01", "neg, positive", "So."},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf reasoning;
		struct answer a;
		char text[64];
		struct answer_form form = form_of(rows[i].form);
		buf_init(&reasoning, 100);
		answer_parse(labels, &form, rows[i].text, strlen(rows[i].text), &reasoning, &a);
		said(&a, text, sizeof text);
		if (strcmp(text, rows[i].said) != 0)
			fail_msg("\"%s\": %s", rows[i].text, text);
		if (strcmp(buf_str(&reasoning), rows[i].reasoning) != 0)
			fail_msg("\"%s\": reasoning \"%s\"", rows[i].text, buf_str(&reasoning));
		if (rows[i].label &&
		    (!a.label || strncmp(a.label, rows[i].label, strlen(rows[i].label)) != 0))
			fail_msg("\"%s\": label at \"%s\"", rows[i].text,
				 a.label ? a.label : "(none)");
		buf_done(&reasoning);
	}
}

static void test_reasoning_is_cut(void **state)
{
	(void)state;
	static const char text[] = "<think>12345\xc3\xa9</think>neg";
	struct answer_form form = {0};
	struct answer a;
	struct buf reasoning;
	buf_init(&reasoning, 6);
	answer_parse(labels, &form, text, sizeof text - 1, &reasoning, &a);
	assert_string_equal(buf_str(&reasoning), "12345");
	assert_int_equal(a.count, 1);
	buf_done(&reasoning);
}

static void test_items(void **state)
{
	(void)state;
	static const struct {
		int form;
		const char *text, *said[3]; /* of IDs 7, 8 and 9 */
	} rows[] = {
	    {PLAIN, "{\"7\": \"neg\", \"8\": \"positive\", \"9\": \"neutral\"}", {"0", "1", "2"}},
	    /* By ID, in whatever order; what is not asked for is of no account. */
	    {PLAIN,
	     "{\"9\": \"neutral\", \"1\": \"neg\", \"7\": \"neg\", \"8\": \"positive\"}",
	     {"0", "1", "2"}},
	    {PLAIN, "```json\n{\"8\": \"neg\"}\n```", {"missing", "0", "missing"}},
	    {PLAIN,
	     "{\"7\": \"neg\", \"7\": \"positive\", \"8\": \"neg\", \"9\": \"?\"}",
	     {"duplicate", "0", "not_a_label"}},
	    {PLAIN, "{\"7\": \"neg\", \"7\": \"neg\"}", {"duplicate", "missing", "missing"}},
	    {PLAIN,
	     "{\"7\": {\"label\": \"neg\"}, \"8\": 8, \"9\": null}",
	     {"0", "not_a_label", "not_a_label"}},
	    {PLAIN,
	     "{\"a\": {\"7\": \"neg\"}, \"8\": [\"neg\"], \"9\": \"\"}",
	     {"missing", "0", "empty"}},
	    {PLAIN, "{\"07\": \"neg\", \" 8\": \"neg\"}", {"missing", "missing", "missing"}},
	    {PLAIN, "[\"neg\", \"neg\", \"neg\"]", {"malformed", "malformed", "malformed"}},
	    {PLAIN, "neg\nneg\nneg", {"malformed", "malformed", "malformed"}},
	    {PLAIN, "neg", {"malformed", "malformed", "malformed"}},
	    {PLAIN, "{\"7\": \"neg\"", {"malformed", "malformed", "malformed"}},
	    {PLAIN, "so {\"7\": \"neg\"}", {"malformed", "malformed", "malformed"}},
	    {PLAIN, "", {"empty", "empty", "empty"}},
	    {PLAIN, "I'm sorry, no.", {"refused", "refused", "refused"}},
	    {PLAIN,
	     "<think>{\"7\": \"positive\"}</think>{\"7\": \"neg\"}",
	     {"0", "missing", "missing"}},
	    {THINK,
	     "The {first}.\n{\"7\": \"neg\", \"8\": \"positive\", \"9\": \"neg\"}",
	     {"0", "1", "0"}},
	    {SETS,
	     "{\"7\": [\"neg\", \"positive\"], \"8\": \"neg, neutral\", \"9\": []}",
	     {"01", "02", "empty"}},
	    {PLAIN, "{\"7\": [\"neg\", \"positive\"]}", {"several_labels", "missing", "missing"}},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct answer answers[3];
		struct answer_form form = form_of(rows[i].form);
		answer_parse_items(labels, &form, rows[i].text, strlen(rows[i].text), 7, 3, NULL,
				   answers);
		for (size_t j = 0; j < 3; j++) {
			char text[64];
			said(&answers[j], text, sizeof text);
			if (strcmp(text, rows[i].said[j]) != 0)
				fail_msg("%s: %zu: %s", rows[i].text, j + 7, text);
		}
	}
}

static void test_reasons_have_words(void **state)
{
	(void)state;
	static const char *const reasons[] = {
	    "empty",	 "refused",   "several_labels", "undecided", "not_a_label", "missing",
	    "duplicate", "malformed", "not_a_list",	"length",    "tool_call"};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		assert_string_not_equal(answer_reason_words(reasons[i]),
					answer_reason_words("unheard_of"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_reasoning_is_cut),
	    cmocka_unit_test(test_items),
	    cmocka_unit_test(test_reasons_have_words),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
