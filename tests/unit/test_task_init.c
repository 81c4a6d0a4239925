/* libs: config text base */
/* A first task file: columns and labels are found, and what is written can be read. */
#include "config/task_init.h"

#include "config/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static enum err inspect(const char *name, const char *text, struct source_summary **s,
			struct err_msg *msg)
{
	snprintf(path, sizeof path, "/tmp/test_task_init.%d.%s", (int)getpid(), name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	enum err err = source_inspect(path, SOURCE_BY_NAME, s, msg);
	unlink(path);
	return err;
}

/* Writes the task file and reads it back. */
static struct task *init(const char *name, const char *text, bool *header)
{
	struct source_summary *s;
	struct err_msg msg = {""};
	assert_int_equal(inspect(name, text, &s, &msg), ERR_OK);
	static char out[20000];
	memset(out, 0, sizeof out);
	FILE *file = fmemopen(out, sizeof out, "w");
	assert_int_equal(task_init_write(file, s), ERR_OK);
	fclose(file);
	*header = s->header;
	source_summary_free(s);
	struct task *t = NULL;
	enum err err = task_parse("t", out, strlen(out), &t, &msg);
	assert_string_equal(msg.text, "");
	assert_int_equal(err, ERR_OK);
	return t;
}

static void test_header(void **state)
{
	(void)state;
	bool header;
	struct task *t = init("csv",
			      "ID,review,\"my \"\"class\"\"\",label\n"
			      "1,a long text,x,no\n2,another text,y,yes\n3,a third text,z,no\n"
			      "4,a text,v,yes\n5,and more,w,no\n6,and more,,yes\n7,end,,no\n"
			      "8,end,,yes\n",
			      &header);
	assert_true(header);
	assert_string_equal(t->input.id, "ID");
	assert_string_equal(t->input.text, "review");
	assert_string_equal(t->input.gold, "label");
	assert_null(t->input.augmented);
	assert_int_equal(t->label_count, 2);
	assert_string_equal(t->labels[0].name, "no");
	assert_string_equal(t->labels[1].name, "yes");
	task_free(t);
}

static void test_few_rows(void **state)
{
	(void)state;
	bool header;
	struct task *t = init("csv", "text,Label,kind\na,pos,x\nb,neg,y\n", &header);
	assert_string_equal(t->input.gold, "Label");
	assert_string_equal(t->labels[0].name, "neg");
	task_free(t);
	t = init("csv", "text,kind\na,x\nb,y\n", &header);
	assert_null(t->input.gold);
	task_free(t);
}

static void test_no_header(void **state)
{
	(void)state;
	bool header;
	char text[2000] = "";
	for (int i = 0; i < 40; i++)
		sprintf(text + strlen(text), "%d,text number %d\n", i % 3 - 1, i);
	struct task *t = init("csv", text, &header);
	assert_false(header);
	assert_string_equal(t->input.text, "1");
	assert_string_equal(t->input.gold, "0");
	assert_int_equal(t->label_count, 2);
	assert_string_equal(t->labels[0].name, "0");
	assert_string_equal(t->labels[1].name, "1");
	task_free(t);
}

static void test_jsonl(void **state)
{
	(void)state;
	bool header;
	struct task *t = init("jsonl",
			      "{\"text\":\"\\\"quoted\\\" caf\xc3\xa9\\n\",\"key: x\":\"b\"}\n"
			      "{\"text\":\"two\",\"list\":[1]}\n",
			      &header);
	assert_string_equal(t->input.text, "text");
	assert_null(t->input.gold);
	assert_int_equal(t->label_count, 2);
	assert_string_equal(t->labels[0].name, "first-label");
	task_free(t);
}

static void test_odd_labels(void **state)
{
	(void)state;
	bool header;
	char text[4000] = "text,class\n";
	static const char *const odd[] = {"null", "true", "a: b", "\"\"\"q\"\"\"", "A", "a",
					  " pad", "#x",	  "-"};
	for (int i = 0; i < 90; i++)
		sprintf(text + strlen(text), "text %d,%s\n", i, odd[i % 9]);
	struct task *t = init("csv", text, &header);
	assert_int_equal(t->label_count, 7);
	task_free(t);
}

static void test_errors(void **state)
{
	(void)state;
	struct source_summary *s;
	struct err_msg msg;
	assert_int_equal(source_inspect("/nowhere.csv", SOURCE_BY_NAME, &s, &msg), ERR_INVALID);
	assert_string_equal(msg.text, "/nowhere.csv: no such file; check the path");
	assert_int_equal(source_inspect("/nowhere", SOURCE_BY_NAME, &s, &msg), ERR_INVALID);
	assert_int_equal(inspect("csv", "", &s, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "no samples"));
	assert_int_equal(inspect("csv", "text\n\"a\n", &s, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, ".csv:2: a quoted field"));
	assert_int_equal(inspect("jsonl", "{\n", &s, &msg), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_header),     cmocka_unit_test(test_few_rows),
	    cmocka_unit_test(test_no_header),  cmocka_unit_test(test_jsonl),
	    cmocka_unit_test(test_odd_labels), cmocka_unit_test(test_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
