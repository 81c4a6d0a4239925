/* libs: text base */
#include "text/escape.h"
#include "text/prompt_template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_check(void **state)
{
	(void)state;
	static const struct {
		enum prompt_template which;
		const char *text, *message; /* NULL: accepted */
	} rows[] = {
	    {PROMPT_TEMPLATE_SYSTEM, "", NULL},
	    {PROMPT_TEMPLATE_SYSTEM, "{description}\n{labels}\n{names}", NULL},
	    {PROMPT_TEMPLATE_SYSTEM, "{{\"a\": {{}}}}", NULL},
	    {PROMPT_TEMPLATE_SYSTEM, "{text}", "no placeholder {text} here, but {description}"},
	    {PROMPT_TEMPLATE_SYSTEM, "{ labels }", "no placeholder { labels }"},
	    {PROMPT_TEMPLATE_SYSTEM, "{}", "no placeholder {}"},
	    {PROMPT_TEMPLATE_SYSTEM, "a {", "a single {"},
	    {PROMPT_TEMPLATE_SYSTEM, "a } b", "a single } at \"} b\""},
	    {PROMPT_TEMPLATE_SYSTEM, "{names", "a single {"},
	    {PROMPT_TEMPLATE_SYSTEM, "{na\nmes}", "a single {"},
	    {PROMPT_TEMPLATE_SYSTEM, "{a{names}", "a single {"},
	    {PROMPT_TEMPLATE_SYSTEM, "{names}}", "a single }"},
	    {PROMPT_TEMPLATE_SYSTEM, "{{{names}}}", NULL},
	    {PROMPT_TEMPLATE_USER, "Review: {text}", NULL},
	    {PROMPT_TEMPLATE_USER, "Review: {{text}}", "{text} is missing"},
	    {PROMPT_TEMPLATE_USER, "Review:", "{text} is missing"},
	    {PROMPT_TEMPLATE_USER, "{text} {label}", "no placeholder {label}"},
	    {PROMPT_TEMPLATE_GENERATE_SYSTEM, "{styles}", "no placeholder {styles}"},
	    {PROMPT_TEMPLATE_GENERATE_USER, "{label} {label_description} {count} {styles}", NULL},
	    {PROMPT_TEMPLATE_GENERATE_USER, "{count}", "{label} is missing"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err_msg msg = {""};
		enum err e = prompt_template_check(rows[i].text, rows[i].which, &msg);
		assert_int_equal(e, rows[i].message ? ERR_INVALID : ERR_OK);
		if (rows[i].message && !strstr(msg.text, rows[i].message))
			fail_msg("\"%s\": %s", rows[i].text, msg.text);
	}
}

static void test_add(void **state)
{
	(void)state;
	const struct prompt_value values[] = {{"names", "a, {labels}", 11},
					      {"labels", "{names}", 7}};
	struct buf out;
	buf_init(&out, 1000);
	prompt_template_add("{{{names}}} {labels}{description}}}", values, 2, &out);
	assert_string_equal(buf_str(&out), "{a, {labels}} {names}}");
	buf_done(&out);
}

static void test_escape(void **state)
{
	(void)state;
	static const char text[] = "a\0\"\\\n\r\t\b\f\x01\x1f\x7f\xc3\xa9/";
	struct buf out;
	buf_init(&out, 1000);
	escape_add(&out, text, sizeof text - 1);
	assert_string_equal(buf_str(&out),
			    "a\\u0000\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\xc3\xa9/");
	buf_reset(&out);
	escape_add(&out, NULL, 0);
	assert_int_equal(out.size, 0);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_check),
	    cmocka_unit_test(test_add),
	    cmocka_unit_test(test_escape),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
