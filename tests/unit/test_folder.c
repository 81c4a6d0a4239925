/* libs: base */
#include "base/folder.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static size_t file_read(const char *path, char *ret, size_t size_max)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t size = fread(ret, 1, size_max, file);
	fclose(file);
	return size;
}

static void test_made_and_put_in_place(void **state)
{
	char root[] = "/tmp/folder-XXXXXX", folder[64], made[PATH_MAX], a[PATH_MAX], b[PATH_MAX];
	struct err_msg msg;
	static char big[200000], back[200001];
	assert_non_null(mkdtemp(root));
	memset(big, 'x', sizeof big);
	(void)snprintf(folder, sizeof folder, "%s/model", root);
	for (int round = 0; round < 2; round++) {
		const struct folder_part parts[] = {{"ab", 2}, {NULL, 0}, {big, sizeof big - 2}};
		assert_int_equal(folder_begin(folder, made, &msg), ERR_OK);
		assert_int_equal(folder_path(made, "a", a, &msg), ERR_OK);
		assert_int_equal(folder_path(made, "b", b, &msg), ERR_OK);
		assert_int_equal(folder_file_write(a, parts, 3, &msg), ERR_OK);
		assert_int_equal(folder_file_copy(a, b, &msg), ERR_OK);
		assert_int_equal(folder_replace(made, folder, &msg), ERR_OK);
	}
	assert_int_equal(folder_path(folder, "b", b, &msg), ERR_OK);
	assert_int_equal(file_read(b, back, sizeof back), sizeof big);
	assert_memory_equal(back, "abxx", 4);
	folder_delete(folder);
	assert_int_equal(rmdir(root), 0);
	(void)state;
}

static void test_errors(void **state)
{
	char long_name[PATH_MAX + 1], path[PATH_MAX];
	struct err_msg msg;
	memset(long_name, 'n', sizeof long_name - 1);
	long_name[PATH_MAX] = '\0';
	assert_int_equal(folder_path("/tmp", long_name, path, &msg), ERR_LIMIT);
	assert_int_equal(folder_begin(long_name, path, &msg), ERR_LIMIT);
	assert_int_equal(folder_begin("/tmp/no/such", path, &msg), ERR_NOT_FOUND);
	assert_int_equal(folder_file_copy("/tmp/no/such", "/tmp/x", &msg), ERR_NOT_FOUND);
	const struct folder_part part = {"a", 1};
	assert_int_equal(folder_file_write("/dev/full", &part, 1, &msg), ERR_FULL);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_made_and_put_in_place),
	    cmocka_unit_test(test_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
