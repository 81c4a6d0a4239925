/* libs: freeal-lib */
#include "cli/inputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[64];

static int folder_make(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/freeal-inputs-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
	(void)state;
	static const char *const names[] = {"a.csv", "b.jsonl.gz", "c.tsv", "no.txt", ".d.csv"};
	char path[128];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	(void)snprintf(path, sizeof path, "%s/e.csv", folder);
	(void)rmdir(path);
	return rmdir(folder);
}

static void file_put(const char *name, const char *text, int64_t time_s)
{
	char path[128];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *out = fopen(path, "we");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	const struct timespec times[2] = {{.tv_sec = time_s}, {.tv_sec = time_s}};
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void scan(struct inputs *i, int64_t now_s)
{
	struct err_msg msg;
	assert_int_equal(inputs_scan(i, now_s, &msg), ERR_OK);
}

static void data_files_come_by_name(void **state)
{
	(void)state;
	char path[128];
	struct inputs *i = inputs_new(folder);
	file_put("c.tsv", "x", 1000);
	file_put("b.jsonl.gz", "x", 1000);
	file_put("a.csv", "x", 1000);
	file_put("no.txt", "x", 1000);
	file_put(".d.csv", "x", 1000);
	(void)snprintf(path, sizeof path, "%s/e.csv", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(inputs_next(i));
	scan(i, 2000);
	assert_int_equal(inputs_count(i), 3);
	static const char *const names[] = {"a.csv", "b.jsonl.gz", "c.tsv"};
	for (size_t n = 0; n < 3; n++) {
		assert_int_equal(inputs_left(i), 3 - n);
		assert_string_equal(inputs_next(i), names[n]);
		inputs_take(i, names[n]);
	}
	assert_null(inputs_next(i));
	scan(i, 2000);
	assert_null(inputs_next(i));
	inputs_free(i);
}

static void a_file_that_changes_comes_again_once_it_stands_still(void **state)
{
	(void)state;
	struct inputs *i = inputs_new(folder);
	file_put("a.csv", "x", 1000);
	scan(i, 1000 + INPUTS_SETTLE_S);
	inputs_take(i, "a.csv");
	file_put("a.csv", "xy", 2000);
	scan(i, 2000);
	assert_null(inputs_next(i));
	assert_int_equal(inputs_left(i), 1);
	file_put("a.csv", "xyz", 2001);
	scan(i, 2001);
	assert_null(inputs_next(i));
	scan(i, 2002);
	assert_string_equal(inputs_next(i), "a.csv");
	inputs_take(i, "a.csv");
	assert_int_equal(inputs_left(i), 0);
	inputs_free(i);
}

static void a_file_may_go(void **state)
{
	(void)state;
	char path[128];
	struct inputs *i = inputs_new(folder);
	file_put("a.csv", "x", 1000);
	scan(i, 2000);
	(void)snprintf(path, sizeof path, "%s/a.csv", folder);
	assert_int_equal(unlink(path), 0);
	scan(i, 2000);
	assert_null(inputs_next(i));
	assert_int_equal(inputs_count(i), 0);
	inputs_free(i);
}

static void a_missing_folder_is_named(void **state)
{
	(void)state;
	struct err_msg msg;
	struct inputs *i = inputs_new("/nowhere/at/all");
	assert_int_equal(inputs_scan(i, 0, &msg), ERR_IO);
	assert_non_null(strstr(msg.text, "/nowhere/at/all"));
	inputs_free(i);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_FOLDER(data_files_come_by_name),
	    IN_FOLDER(a_file_that_changes_comes_again_once_it_stands_still),
	    IN_FOLDER(a_file_may_go),
	    cmocka_unit_test(a_missing_folder_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
