/* libs: text base */
/* CSV: fields, line numbers, errors, and going on after them. */
#include "text/csv.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct csv_options csv_quoted = {
    .separator = ',', .quotes = true, .record_bytes_max = 1000};

/* Everything in it as "LINE[a|b]...", errors as "LINE!". */
static char *parse(struct csv *c)
{
	static char out[20000];
	size_t used = 0;
	out[0] = '\0';
	for (;;) {
		struct csv_record record;
		uint64_t line;
		struct err_msg msg;
		enum err err = csv_next(c, &record, &line, &msg);
		if (err) {
			assert_true(err == ERR_INVALID || err == ERR_LIMIT);
			assert_true(strlen(msg.text) > 0);
			used += (size_t)sprintf(out + used, "%llu!", (unsigned long long)line);
			continue;
		}
		assert_int_equal(line, record.line);
		if (record.field_count == 0)
			break;
		used += (size_t)sprintf(out + used, "%llu%s", (unsigned long long)line,
					record.blank ? "-" : "[");
		for (size_t i = 0; i < record.field_count && !record.blank; i++) {
			assert_int_equal(record.fields[i].data[record.fields[i].size], '\0');
			used += (size_t)sprintf(out + used, "%s%.*s", i ? "|" : "",
						(int)record.fields[i].size, record.fields[i].data);
		}
		if (!record.blank)
			used += (size_t)sprintf(out + used, "]");
	}
	csv_free(c);
	return out;
}

static struct input *memory(const char *text, size_t size)
{
	struct input *input;
	assert_int_equal(input_open_memory(text, size, &input), ERR_OK);
	return input;
}

static void check(const char *text, const struct csv_options *options, const char *expected)
{
	struct csv *c;
	struct input *input = memory(text, strlen(text));
	assert_int_equal(csv_new(input, options, &c), ERR_OK);
	assert_string_equal(parse(c), expected);
	input_free(input);
	/* The same from a pipe that gives one byte at a time. */
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	char path[32];
	snprintf(path, sizeof path, "/dev/fd/%d", fds[0]);
	assert_int_equal(input_open(path, INPUT_WAIT, &input, NULL), ERR_OK);
	assert_int_equal(csv_new(input, options, &c), ERR_OK);
	assert_string_equal(parse(c), expected);
	input_free(input);
	close(fds[0]);
}

static void test_records(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"", ""},
	    {"a", "1[a]"},
	    {"a\n", "1[a]"},
	    {"a,b\nc,d\n", "1[a|b]2[c|d]"},
	    {"a,b\r\nc,d\r\n", "1[a|b]2[c|d]"},
	    {"a,b\r\nc,d\r", "1[a|b]2[c|d]"},
	    {"\xef\xbb\xbf"
	     "a,b\n",
	     "1[a|b]"},
	    {"\xef\xbb\xbf", ""},
	    {",\n,,", "1[|]2[||]"},
	    {"a,\n", "1[a|]"},
	    {"\n\na\n\n", "1-2-3[a]4-"},
	    {"\r\na", "1-2[a]"},
	    {"\"\"\n", "1[]"},
	    {"\"a\",\"b\"", "1[a|b]"},
	    {"\"a,b\",c", "1[a,b|c]"},
	    {"\"a\"\"b\"\"\",c\n", "1[a\"b\"|c]"},
	    {"\"\"\"\"", "1[\"]"},
	    {"\"a\nb\",c\nd\n", "1[a\nb|c]3[d]"},
	    {"\"a\r\nb\"\r\nd\r\n", "1[a\r\nb]3[d]"},
	    {"x,\"a\n\n\",\"\nb\"\ny", "1[x|a\n\n|\nb]5[y]"},
	    {"a\"b,c\"\n", "1[a\"b|c\"]"},
	    {" \"a\"\n", "1[ \"a\"]"},
	    {"a\rb\n", "1[a\rb]"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(cases[i][0], &csv_quoted, cases[i][1]);
}

static void test_tabs(void **state)
{
	(void)state;
	const struct csv_options tsv = {.separator = '\t', .record_bytes_max = 1000};
	check("a \"b\t\"c\nd,e\tf\r\n", &tsv, "1[a \"b|\"c]2[d,e|f]");
}

static void test_errors_and_going_on(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"a,b\nc,\"d\ne,f\n", "1[a|b]2!3[e|f]"}, /* never closed */
	    {"\"a\n\",\"b\nc\n", "2!2!3[c]"},	     /* the second quote's own line */
	    {"a\n\"b\"c\nd\n", "1[a]2!3[d]"},	     /* text after a closing quote */
	    {"\"a\"\rb\nc", "1!2[c]"},
	    {"\"", "1!"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(cases[i][0], &csv_quoted, cases[i][1]);
}

static void test_message_of_unterminated_quote(void **state)
{
	(void)state;
	const char *text = "a,b\n1,2\n3,\"x\ny\n";
	struct csv *c;
	struct csv_record record;
	uint64_t line;
	struct err_msg msg;
	struct input *input = memory(text, strlen(text));
	assert_int_equal(csv_new(input, &csv_quoted, &c), ERR_OK);
	assert_int_equal(csv_next(c, &record, &line, &msg), ERR_OK);
	assert_int_equal(csv_next(c, &record, &line, &msg), ERR_OK);
	assert_int_equal(csv_next(c, &record, &line, &msg), ERR_INVALID);
	assert_int_equal(line, 3);
	assert_non_null(strstr(msg.text, "never closed"));
	csv_free(c);
	input_free(input);
}

static void test_ceiling(void **state)
{
	(void)state;
	const struct csv_options small = {.separator = ',', .quotes = true, .record_bytes_max = 10};
	check("123456789\n1\n", &small, "1[123456789]2[1]");
	check("1234567890", &small, "1[1234567890]");
	check("12345678901", &small, "1!");
	check("1234567890\n1\n", &small, "1!2[1]");
	check("12345678901234567890\n1\n", &small, "1!2[1]");
	check("\"3456789\"\n1\n", &small, "1[3456789]2[1]");
	check("\"34567890\"\n1\n", &small, "1!2[1]");

	/* Long records move and grow the window. */
	size_t size = 3u << 20;
	char *text = malloc(size + 3);
	memset(text, 'x', size);
	memcpy(text + size, "\ny", 3);
	const struct csv_options large = {
	    .separator = ',', .quotes = true, .record_bytes_max = RECORD_BYTES_MAX};
	struct csv *c;
	struct csv_record record;
	uint64_t line;
	struct input *input = memory(text, size + 2);
	assert_int_equal(csv_new(input, &large, &c), ERR_OK);
	assert_int_equal(csv_next(c, &record, &line, NULL), ERR_OK);
	assert_int_equal(record.fields[0].size, size);
	assert_int_equal(csv_next(c, &record, &line, NULL), ERR_OK);
	assert_int_equal(record.fields[0].size, 1);
	csv_free(c);
	input_free(input);
	free(text);
}

static void test_too_many_columns(void **state)
{
	(void)state;
	char text[FIELD_COUNT_MAX + 10];
	const struct csv_options options = {
	    .separator = ',', .quotes = true, .record_bytes_max = 10000};
	memset(text, ',', sizeof text);
	memcpy(text + FIELD_COUNT_MAX, "\na\n", 4);
	check(text, &options, "1!2[a]");
}

static void test_rest_is_blank(void **state)
{
	(void)state;
	struct csv *c;
	struct csv_record record;
	uint64_t line;
	bool blank;
	struct input *input = memory("a\n\r\n\nb\n\n", 8);
	assert_int_equal(csv_new(input, &csv_quoted, &c), ERR_OK);
	assert_int_equal(csv_next(c, &record, &line, NULL), ERR_OK);
	assert_int_equal(csv_rest_is_blank(c, &blank), ERR_OK);
	assert_false(blank);
	for (int i = 0; i < 3; i++)
		assert_int_equal(csv_next(c, &record, &line, NULL), ERR_OK);
	assert_string_equal(record.fields[0].data, "b");
	assert_int_equal(csv_rest_is_blank(c, &blank), ERR_OK);
	assert_true(blank);
	csv_free(c);
	input_free(input);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_tabs),
	    cmocka_unit_test(test_errors_and_going_on),
	    cmocka_unit_test(test_message_of_unterminated_quote),
	    cmocka_unit_test(test_ceiling),
	    cmocka_unit_test(test_too_many_columns),
	    cmocka_unit_test(test_rest_is_blank),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
