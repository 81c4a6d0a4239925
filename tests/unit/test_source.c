/* libs: text base */
/* Sources: columns, ids, gold labels, and the message of every kind of bad row. */
#include "text/source.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const labels[] = {"negative", "Positive", "7"};

static struct source_options options_make(enum source_format format)
{
	return (struct source_options){
	    .columns = {.text = "text", .id = "id", .gold = "gold", .augmented = "augmented"},
	    .format = format,
	    .labels = labels,
	    .label_count = 3,
	    .optional_missing = true,
	};
}

/* All rows as "LINE[id|text|gold|augmented]", then an error's message. */
static const char *parse(const char *text, size_t size, const struct source_options *options)
{
	static char out[10000];
	size_t used = 0;
	struct source *s;
	struct err_msg msg = {""};
	enum err err = source_open_memory("f", text, size, options, &s, &msg);
	out[0] = '\0';
	if (err) {
		assert_true(err == ERR_INVALID);
		strcpy(out, msg.text);
		return out;
	}
	struct source_row row;
	while (!(err = source_next(s, &row, &msg)) && row.text) {
		bool hashed = row.id_size >= 32;
		used +=
		    (size_t)sprintf(out + used, "%llu[%s|%.*s|%d|%s]", (unsigned long long)row.line,
				    hashed ? "hash" : row.id, (int)row.text_size, row.text,
				    row.gold, row.augmented ? row.augmented : "");
		if (hashed && row.id_size > 32)
			used += (size_t)sprintf(out + used, "%s", row.id + 32);
		assert_int_equal(row.text[row.text_size], '\0');
		assert_int_equal(strlen(row.id), row.id_size);
	}
	if (err) {
		assert_true(err == ERR_INVALID || err == ERR_LIMIT);
		strcpy(out + used, msg.text);
	}
	source_free(s);
	return out;
}

static void check(enum source_format format, const char *text, const char *expected)
{
	struct source_options options = options_make(format);
	assert_string_equal(parse(text, strlen(text), &options), expected);
}

static void test_csv_rows(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"id,text\na,hello\n\nb,\" x \"\n", "2[a|hello|-1|]4[b| x |-1|]"},
	    {"other,text,id\n1,t1,a\n2,t2,b\n", "2[a|t1|-1|]3[b|t2|-1|]"},
	    {"id,text,gold,augmented\na,t,negative,u\nb,t,POSITIVE,\nc,t,1,\nd,t,7,\ne,t,,\n",
	     "2[a|t|0|u]3[b|t|1|]4[c|t|1|]5[d|t|2|]6[e|t|-1|]"},
	    {"id,text\na,t\na,t\nb,t\n", "2[a|t|-1|]4[b|t|-1|]"},
	    {"id,text\na,\"two\nlines\"\nb,t\n", "2[a|two\nlines|-1|]4[b|t|-1|]"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(SOURCE_CSV, cases[i][0], cases[i][1]);
	check(SOURCE_TSV, "id\ttext\na\tsay \"x\", y\n", "2[a|say \"x\", y|-1|]");
}

static void test_jsonl_rows(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"{\"id\":\"a\",\"text\":\"t\",\"more\":[1]}\n", "1[a|t|-1|]"},
	    {"{\"id\":5,\"text\":\"t\",\"gold\":1}\n{\"id\":6,\"text\":\"t\",\"gold\":\"negative\","
	     "\"augmented\":\"u\"}\n{\"id\":7,\"text\":\"t\",\"gold\":null}",
	     "1[5|t|1|]2[6|t|0|u]3[7|t|-1|]"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check(SOURCE_JSONL, cases[i][0], cases[i][1]);
}

/* The messages: file, line, what, what to do. */
static void test_errors(void **state)
{
	(void)state;
	static const struct {
		enum source_format format;
		const char *text;
		const char *message; /* its beginning */
	} cases[] = {
	    {SOURCE_CSV, "", "f: no samples: the file is empty; "},
	    {SOURCE_CSV, "id,text\n", "f: no samples: the file has no rows"},
	    {SOURCE_JSONL, "\n", "f: no samples: the file has no rows"},
	    {SOURCE_CSV, "id,txt\na,t\n",
	     "f:1: there is no column \"text\" for text; the header has: id, txt"},
	    {SOURCE_CSV, "id,text,text\n", "f:1: the header has \"text\" twice; rename one"},
	    {SOURCE_CSV, "id,text,\xff\n", "f:1: invalid UTF-8 in the header; save the file"},
	    {SOURCE_CSV, "\"id,text\n", "f:1: a quoted field begins here and is never closed; "},
	    {SOURCE_CSV, "id,text\na,\"t\nb,u\n",
	     "f:2: a quoted field begins here and is never closed; add the closing quote"},
	    {SOURCE_CSV, "id,text\na,\"t\"u\n",
	     "f:2: text after a closing quote; double a quote that belongs to the text"},
	    {SOURCE_CSV, "id,text\na,t,u\n", "f:2: 3 columns instead of 2; quote a text"},
	    {SOURCE_CSV, "id,text\na\n", "f:2: 1 columns instead of 2; "},
	    {SOURCE_CSV, "id,text\na,caf\xe9 x\n",
	     "f:2: invalid UTF-8 in column text at byte 3 of it; save the file as UTF-8"},
	    {SOURCE_CSV, "id,text\n\xe9,x\n", "f:2: invalid UTF-8 in column id"},
	    {SOURCE_CSV, "id,text\na,\n", "f:2: empty text; fill it in or remove the row"},
	    {SOURCE_CSV, "id,text\na,\" \t\"\n", "f:2: empty text; "},
	    {SOURCE_CSV, "id,text\n,t\n", "f:2: empty id; give every row one"},
	    {SOURCE_CSV, "id,text\n\"a\nb\",t\n", "f:2: an id with a control character; remove it"},
	    {SOURCE_CSV, "id,text,gold\na,t,neutral\n",
	     "f:2: gold label \"neutral\" is not one of the labels (negative, Positive, 7) nor a "
	     "number below 3; mend it, or add the label"},
	    {SOURCE_CSV, "id,text,gold\na,t,3\n", "f:2: gold label \"3\" is not one of the labels"},
	    {SOURCE_CSV, "id,text,gold\na,t,-1\n", "f:2: gold label \"-1\" is not one of"},
	    {SOURCE_JSONL, "{\"id\":\"a\",\"text\":\"t\"}\n{\"id\":\"b\"}\n",
	     "1[a|t|-1|]f:2: there is no \"text\"; give it, or name another column (the keys here: "
	     "id)"},
	    {SOURCE_JSONL, "{\"id\":\"a\",\"text\":5}",
	     "f:1: \"text\" is a number; it must be a string"},
	    {SOURCE_JSONL, "{\"id\":1.5,\"text\":\"t\"}",
	     "f:1: \"id\" is a number; it must be a string or an integer"},
	    {SOURCE_JSONL, "{\"id\":null,\"text\":\"t\"}", "f:1: there is no \"id\"; "},
	    {SOURCE_JSONL, "{\"id\":\"a\",\"text\":\"\"}", "f:1: empty text; "},
	    {SOURCE_JSONL, "{\"id\":\"a\",\"text\":\"t\",\"gold\":true}",
	     "f:1: \"gold\" is true or false; it must be a string or an integer"},
	    {SOURCE_JSONL, "{\"id\":\"a\",\"text\":\"t\",\"id\":\"b\"}",
	     "f:1: not valid JSON: duplicate"},
	    {SOURCE_JSONL, "{\"id\":\"a\",", "f:1: not valid JSON: "},
	    {SOURCE_JSONL, "{\"id\":\"a\",\"text\":\"\xff\"}",
	     "f:1: invalid UTF-8 at byte 18; save"},
	    {SOURCE_JSONL, "[]", "f:1: not a JSON object; write one {...} per line"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct source_options options = options_make(cases[i].format);
		const char *out = parse(cases[i].text, strlen(cases[i].text), &options);
		if (strncmp(out, cases[i].message, strlen(cases[i].message)) != 0)
			assert_string_equal(out, cases[i].message);
	}
	check(SOURCE_CSV, "id,text\na,t\na,u\n",
	      "2[a|t|-1|]f:3: id \"a\" was given before with another text; make the ids unique");
}

static void test_missing_optional_columns(void **state)
{
	(void)state;
	struct source_options options = options_make(SOURCE_CSV);
	options.optional_missing = false;
	options.columns.augmented = NULL;
	const char *csv = "id,text\na,t\n";
	assert_string_equal(parse(csv, strlen(csv), &options),
			    "f:1: there is no column \"gold\" for gold; the header has: id, text");
	options.format = SOURCE_JSONL;
	const char *jsonl = "{\"id\":\"a\",\"text\":\"t\"}";
	assert_string_equal(parse(jsonl, strlen(jsonl), &options),
			    "1[a|t|-1|]f: there is no column \"gold\": no row has that key; leave "
			    "it out or name another");
}

static void test_numbered_columns(void **state)
{
	(void)state;
	struct source_options options = options_make(SOURCE_CSV);
	options.columns = (struct source_columns){.text = "1", .gold = "0"};
	const char *text = "1,hello\n0,hello\n1,\"hello\"\n0,bye\n";
	assert_string_equal(parse(text, strlen(text), &options),
			    "1[hash|hello|1|]2[hash|hello|0|]#23[hash|hello|1|]#34[hash|bye|0|]");
	options.columns.text = "2";
	assert_string_equal(parse(text, strlen(text), &options),
			    "f:1: there is no column 2: the file has 2, numbered from 0");
	options.columns.text = "text";
	assert_true(strncmp(parse(text, strlen(text), &options),
			    "f: columns are given partly by name and partly by number; ", 58) == 0);
	const char *wrong = "1,hello\n0\n";
	options.columns.text = "1";
	assert_true(strstr(parse(wrong, strlen(wrong), &options), "f:2: 1 columns instead of 2") !=
		    NULL);
}

static void test_one_column(void **state)
{
	(void)state;
	struct source_options options = options_make(SOURCE_CSV);
	options.columns = (struct source_columns){.text = "text"};
	const char *ended = "text\na\n\n\n";
	assert_string_equal(parse(ended, strlen(ended), &options), "2[hash|a|-1|]");
	const char *blank = "text\na\n\nb\n";
	assert_string_equal(parse(blank, strlen(blank), &options),
			    "2[hash|a|-1|]f:3: empty text; fill it in or remove the row");
}

static void test_content_id(void **state)
{
	(void)state;
	char id[64];
	/* hashlib.blake2b(b"hello", digest_size=16).hexdigest() */
	assert_int_equal(source_content_id(id, "hello", 5, 1), 32);
	assert_string_equal(id, "46fb7408d4f285228f4af516ea25851b");
	assert_int_equal(source_content_id(id, "hello", 5, 12), 35);
	assert_string_equal(id, "46fb7408d4f285228f4af516ea25851b#12");
}

static void test_nul_in_text(void **state)
{
	(void)state;
	struct source_options options = options_make(SOURCE_JSONL);
	options.columns = (struct source_columns){.text = "text"};
	const char *text = "{\"text\":\"a\\u0000b\"}\n{\"text\":\"a\"}";
	struct source *s;
	struct source_row row;
	assert_int_equal(source_open_memory("f", text, strlen(text), &options, &s, NULL), ERR_OK);
	assert_int_equal(source_next(s, &row, NULL), ERR_OK);
	assert_int_equal(row.text_size, 3);
	assert_memory_equal(row.text, "a\0b", 4);
	assert_int_equal(source_next(s, &row, NULL), ERR_OK);
	assert_int_equal(row.id_size, 32);
	source_free(s);
}

static void test_too_large(void **state)
{
	(void)state;
	char *text = malloc(SAMPLE_BYTES_MAX + 100);
	struct source_options options = options_make(SOURCE_CSV);
	struct source *s;
	struct source_row row;
	struct err_msg msg;
	for (size_t more = 0; more <= 1; more++) {
		size_t size = SAMPLE_BYTES_MAX + more;
		memcpy(text, "id,text\na,", 10);
		memset(text + 10, 'x', size);
		assert_int_equal(source_open_memory("f", text, size + 10, &options, &s, NULL),
				 ERR_OK);
		assert_int_equal(source_next(s, &row, &msg), more ? ERR_LIMIT : ERR_OK);
		source_free(s);
	}
	assert_string_equal(msg.text, "f:2: column text has 1048577 bytes, more than the 1048576 "
				      "allowed; shorten it");
	char id[ID_BYTES_MAX + 20];
	memset(id, 'i', sizeof id);
	memcpy(id, "id,text\n", 8);
	memcpy(id + 8 + ID_BYTES_MAX + 1, ",t\n", 3);
	assert_int_equal(source_open_memory("f", id, 8 + ID_BYTES_MAX + 4, &options, &s, NULL),
			 ERR_OK);
	assert_int_equal(source_next(s, &row, &msg), ERR_LIMIT);
	assert_string_equal(msg.text, "f:2: an id of 257 bytes, more than the 256 allowed");
	source_free(s);
	free(text);
}

struct rejects {
	char lines[1000];
};

static void rejects_add(void *context, uint64_t line, const char *reason)
{
	struct rejects *r = context;
	size_t used = strlen(r->lines);
	sprintf(r->lines + used, "%llu %.*s\n", (unsigned long long)line, (int)strcspn(reason, ";"),
		reason);
}

static void test_rejects(void **state)
{
	(void)state;
	struct rejects r = {""};
	struct source_options options = options_make(SOURCE_CSV);
	options.reject = rejects_add;
	options.reject_context = &r;
	const char *text = "id,text,gold\n"
			   "a,t,0\n"
			   "b,t\n"
			   "c,,0\n"
			   "a,u,0\n"
			   "a,t,0\n"
			   "d,t,9\n"
			   "e,\"t,0\n"
			   "f,\xff,0\n"
			   "g,t,1\n";
	assert_string_equal(parse(text, strlen(text), &options), "2[a|t|0|]10[g|t|1|]");
	assert_string_equal(r.lines,
			    "3 2 columns instead of 3\n"
			    "4 empty text\n"
			    "5 id \"a\" was given before with another text\n"
			    "7 gold label \"9\" is not one of the labels (negative, Positive, "
			    "7) nor a number below 3\n"
			    "8 a quoted field begins here and is never closed\n"
			    "9 invalid UTF-8 in column text at byte 0 of it\n");

	/* What is wrong with the whole file is an error all the same. */
	options.columns.text = "nothing";
	assert_true(strncmp(parse(text, strlen(text), &options), "f:1: there is no column", 23) ==
		    0);
	options.columns = (struct source_columns){.text = "8"};
	assert_true(strncmp(parse(text, strlen(text), &options), "f:1: there is no column 8", 25) ==
		    0);
}

static void test_counts(void **state)
{
	(void)state;
	struct rejects r = {""};
	struct source_options options = options_make(SOURCE_CSV);
	options.reject = rejects_add;
	options.reject_context = &r;
	const char *text = "id,text,gold\na,t,1\na,t,1\nb,\n";
	struct source *s;
	struct source_row row;
	assert_int_equal(source_open_memory("f", text, strlen(text), &options, &s, NULL), ERR_OK);
	assert_true(source_has_gold(s));
	assert_false(source_has_augmented(s));
	do
		assert_int_equal(source_next(s, &row, NULL), ERR_OK);
	while (row.text);
	struct source_counts counts = source_counts(s);
	assert_int_equal(counts.rows, 1);
	assert_int_equal(counts.duplicates, 1);
	assert_int_equal(counts.rejected, 1);
	source_free(s);
}

static void test_files(void **state)
{
	(void)state;
	struct source_options options = options_make(SOURCE_BY_NAME);
	struct source *s;
	struct err_msg msg;
	assert_int_equal(source_open("/nowhere/a.csv", &options, &s, &msg), ERR_INVALID);
	assert_string_equal(msg.text, "/nowhere/a.csv: no such file; check the path");
	assert_int_equal(source_open("/tmp/a.xls", &options, &s, &msg), ERR_INVALID);
	assert_string_equal(msg.text,
			    "/tmp/a.xls: format unknown; the file's name has to end in .csv, .tsv "
			    "or .jsonl");
	assert_int_equal(source_open("-", &options, &s, &msg), ERR_INVALID);
	assert_string_equal(msg.text,
			    "standard input: format unknown; give it as csv, tsv or jsonl");

	char folder[] = "/tmp/test_source.XXXXXX";
	assert_non_null(mkdtemp(folder));
	options.format = SOURCE_CSV;
	assert_int_equal(source_open(folder, &options, &s, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, ": is a folder; give a file"));

	char path[64];
	snprintf(path, sizeof path, "%s/a.CSV.tsv", folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs("id\ttext\na\tt\n", file);
	fclose(file);
	options.format = SOURCE_BY_NAME;
	struct source_row row;
	assert_int_equal(source_open(path, &options, &s, &msg), ERR_OK);
	assert_int_equal(source_next(s, &row, &msg), ERR_OK);
	assert_string_equal(row.text, "t");
	source_free(s);
	unlink(path);
	rmdir(folder);
}

static void test_many_rows(void **state)
{
	(void)state;
	/* More than the table of seen ids holds at first, each id twice. */
	size_t count = 5000, used;
	char *text = malloc(count * 2 * 40);
	used = (size_t)sprintf(text, "id,text\n");
	for (size_t i = 0; i < count * 2; i++)
		used += (size_t)sprintf(text + used, "id%zu,text %zu\n", i % count, i % count);
	struct source_options options = options_make(SOURCE_CSV);
	struct source *s;
	struct source_row row;
	assert_int_equal(source_open_memory("f", text, used, &options, &s, NULL), ERR_OK);
	do
		assert_int_equal(source_next(s, &row, NULL), ERR_OK);
	while (row.text);
	assert_int_equal(source_counts(s).rows, count);
	assert_int_equal(source_counts(s).duplicates, count);
	source_free(s);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_csv_rows),
	    cmocka_unit_test(test_jsonl_rows),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_missing_optional_columns),
	    cmocka_unit_test(test_numbered_columns),
	    cmocka_unit_test(test_one_column),
	    cmocka_unit_test(test_content_id),
	    cmocka_unit_test(test_nul_in_text),
	    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_rejects),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_many_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
