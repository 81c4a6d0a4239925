/* libs: text base */
/* JSON Lines: objects, line numbers, refusals, and going on after them. */
#include "text/jsonl.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything in it as "LINE{keys}", errors as "LINE!". */
static void check(const char *text, size_t line_bytes_max, const char *expected)
{
	char out[2000] = "";
	size_t used = 0;
	struct jsonl *j;
	struct input *input;
	assert_int_equal(input_open_memory(text, strlen(text), &input), ERR_OK);
	assert_int_equal(jsonl_new(input, line_bytes_max, &j), ERR_OK);
	for (;;) {
		const json_t *object;
		uint64_t line;
		struct err_msg msg = {""};
		enum err err = jsonl_next(j, &object, &line, &msg);
		if (!err && !object)
			break;
		if (err)
			assert_true(strlen(msg.text) > 0);
		used += (size_t)(err ? sprintf(out + used, "%llu!", (unsigned long long)line)
				     : sprintf(out + used, "%llu{%zu}", (unsigned long long)line,
					       json_object_size(object)));
	}
	jsonl_free(j);
	input_free(input);
	assert_string_equal(out, expected);
}

static void test_lines(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"", ""},
	    {"\n \n\t\r\n", ""},
	    {"{}", "1{0}"},
	    {"{\"a\":1}\n{\"a\":1,\"b\":2}\n", "1{1}2{2}"},
	    {"{\"a\":1}\r\n\r\n{\"b\":2}\r\n", "1{1}3{1}"},
	    {"\xef\xbb\xbf{\"a\":1}\n", "1{1}"},
	    {"{\"a\":\"x\\u0000y\"}", "1{1}"},
	    {"[1]\n{}\n", "1!2{0}"},
	    {"\"a\"\n{}\n", "1!2{0}"},
	    {"{\"a\":1,\"a\":2}\n{}\n", "1!2{0}"},
	    {"{\"a\":1\n{}\n", "1!2{0}"},
	    {"{\"a\":1} {\"b\":2}\n{}\n", "1!2{0}"},
	    {"{\"a\":\"\xff\"}\n{}\n", "1!2{0}"},
	    {"{\"a\":\"\\ud800\"}\n{}\n", "1!2{0}"},
	    {"{'a':1}", "1!"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(cases[i][0], 1000, cases[i][1]);
}

static void test_line_limit(void **state)
{
	(void)state;
	check("{\"a\":10}\n{\"a\":100}\n{}", 8, "1{1}2!3{0}");
	check("{\"a\":100000000000000000000}", 8, "1!");
}

static void test_depth(void **state)
{
	(void)state;
	char text[1000];
	for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		size_t used = (size_t)sprintf(text, "{\"a\":");
		for (size_t i = 1; i < depth; i++)
			text[used++] = '[';
		for (size_t i = 1; i < depth; i++)
			text[used++] = ']';
		used += (size_t)sprintf(text + used, "}\n{\"[[[\":\"\\\"[[[[\"}");
		check(text, 1000, depth > JSON_DEPTH_MAX ? "1!2{1}" : "1{1}2{1}");
	}
}

static void test_long_line(void **state)
{
	(void)state;
	size_t size = 1u << 20;
	char *text = malloc(size + 100);
	size_t used = (size_t)sprintf(text, "{\"a\":\"");
	memset(text + used, 'x', size);
	sprintf(text + used + size, "\"}\n{\"b\":1}\n");
	check(text, RECORD_BYTES_MAX, "1{1}2{1}");
	check(text, size, "1!2{1}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_line_limit),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_long_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
