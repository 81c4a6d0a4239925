/* libs: freeal-trainer-lib */
/* Kept vectors come back as they were; those of another key, and damaged ones, do not. */
#include "trainer/vectors.h"

#include "base/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIMENSIONS = 3 };

static char root[64];

static struct vectors store(uint64_t key)
{
	struct vectors v = {.key = key, .dimensions = DIMENSIONS};
	(void)snprintf(v.folder, sizeof v.folder, "%s/vectors", root);
	return v;
}

static float *rows_make(size_t count)
{
	float *rows = malloc(VECTORS_PER_FILE * DIMENSIONS * sizeof *rows);
	assert_non_null(rows);
	for (size_t i = 0; i < count * DIMENSIONS; i++)
		rows[i] = (float)i / 7;
	return rows;
}

static int setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/vectors-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	struct vectors v = store(1);
	folder_delete(v.folder);
	folder_delete(root);
	return 0;
}

static void test_what_is_kept_comes_back(void **state)
{
	(void)state;
	struct err_msg msg;
	struct vectors v = store(7);
	float *rows = rows_make(VECTORS_PER_FILE), *found = rows_make(0);
	assert_int_equal(vectors_load(&v, 0, found), 0);
	assert_int_equal(vectors_save(&v, 0, rows, VECTORS_PER_FILE, &msg), ERR_OK);
	assert_int_equal(vectors_save(&v, 3, rows, 5, &msg), ERR_OK);
	assert_int_equal(vectors_load(&v, 0, found), VECTORS_PER_FILE);
	assert_memory_equal(found, rows, VECTORS_PER_FILE * DIMENSIONS * sizeof *rows);
	assert_int_equal(vectors_load(&v, 3, found), 5);
	assert_int_equal(vectors_load(&v, 1, found), 0);

	/* More of the block's samples. */
	assert_int_equal(vectors_save(&v, 3, rows, 9, &msg), ERR_OK);
	assert_int_equal(vectors_load(&v, 3, found), 9);

	struct vectors other = store(8);
	assert_int_equal(vectors_load(&other, 0, found), 0);
	other = store(7);
	other.dimensions = DIMENSIONS + 1;
	assert_int_equal(vectors_load(&other, 0, found), 0);
	free(rows);
	free(found);
}

static void test_damaged_files_count_as_none(void **state)
{
	(void)state;
	struct err_msg msg;
	char path[4200];
	struct vectors v = store(7);
	float *rows = rows_make(4), *found = rows_make(0);
	assert_int_equal(vectors_save(&v, 0, rows, 4, &msg), ERR_OK);
	(void)snprintf(path, sizeof path, "%s/0", v.folder);
	struct stat info;
	assert_int_equal(stat(path, &info), 0);
	for (long at = 0; at < info.st_size; at++) {
		FILE *file = fopen(path, "r+b");
		assert_non_null(file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		int byte = fgetc(file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		(void)fputc(byte ^ 0x40, file);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(vectors_load(&v, 0, found), 0);
		assert_int_equal(vectors_save(&v, 0, rows, 4, &msg), ERR_OK);
	}
	assert_int_equal(truncate(path, info.st_size - 1), 0);
	assert_int_equal(vectors_load(&v, 0, found), 0);
	assert_int_equal(truncate(path, 3), 0);
	assert_int_equal(vectors_load(&v, 0, found), 0);
	free(rows);
	free(found);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	(void)snprintf(path, sizeof path, "%s/%s", root, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void test_the_key_is_the_checkpoints(void **state)
{
	(void)state;
	write_file("config.json", "{}");
	uint64_t key = vectors_key(1, root);
	assert_true(vectors_key(1, root) == key);
	assert_true(vectors_key(2, root) != key);
	write_file("config.json", "{ }");
	assert_true(vectors_key(1, root) != key);
	key = vectors_key(1, root);
	write_file("vocab.txt", "a");
	assert_true(vectors_key(1, root) != key);
	assert_true(vectors_key(1, "/nowhere") != key);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_what_is_kept_comes_back),
	    TEST(test_damaged_files_count_as_none),
	    TEST(test_the_key_is_the_checkpoints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
