/* libs: text base */
#include "text/json_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static enum err load(const char *text, size_t bytes_max, char *ret_key)
{
	char path[] = "/tmp/json-file-XXXXXX";
	int fd = mkstemp(path);
	json_t *object;
	struct err_msg msg = {""};
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	enum err e = json_file_load(path, bytes_max, &object, &msg);
	if (e)
		assert_non_null(strstr(msg.text, path));
	if (!e) {
		(void)snprintf(ret_key, 16, "%s", json_string_value(json_object_get(object, "k")));
		json_decref(object);
	}
	(void)close(fd);
	(void)unlink(path);
	return e;
}

static void test_load(void **state)
{
	char key[16];
	assert_int_equal(load("{\"k\": \"v\"}\n", 11, key), ERR_OK);
	assert_string_equal(key, "v");
	assert_int_equal(load("{\"k\": \"v\"}\n", 10, key), ERR_LIMIT);
	assert_int_equal(load("", 10, key), ERR_CORRUPT);
	assert_int_equal(load("[1]", 10, key), ERR_CORRUPT);
	assert_int_equal(load("{\"k\": 1, \"k\": 2}", 100, key), ERR_CORRUPT);
	assert_int_equal(load("{\"k\": \"v\"} x", 100, key), ERR_CORRUPT);
	(void)state;
}

static void test_missing(void **state)
{
	json_t *object;
	struct err_msg msg;
	assert_int_equal(json_file_load("/tmp/no/such/file", 10, &object, &msg), ERR_NOT_FOUND);
	assert_int_equal(json_file_load("/tmp", 10, &object, &msg), ERR_IO);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_load),
	    cmocka_unit_test(test_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
