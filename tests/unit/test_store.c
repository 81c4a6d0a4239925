/* libs: store */
/* The store: what is committed is there after a reopen, one owner, checked values. */
#include "store/store.h"

#include "base/rng.h"

#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const tables[] = {"first", "second"};
static char dir[64];

static int dir_make(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/freeal-store-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static struct store *store_must_open(void)
{
	struct store *s;
	struct err_msg msg;
	if (store_open(dir, tables, 2, 1, &s, &msg) != ERR_OK)
		fail_msg("%s", msg.text);
	return s;
}

static void committed_values_survive_a_reopen(void **state)
{
	(void)state;
	struct store *s = store_must_open();
	struct store_txn *t;
	struct store_key key = store_key_u64(7);
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	assert_int_equal(store_put(t, 0, key.bytes, key.size, "seven", 5), ERR_OK);
	assert_int_equal(store_put(t, 1, "empty", 5, NULL, 0), ERR_OK);
	assert_int_equal(store_commit(t), ERR_OK);
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	assert_int_equal(store_put(t, 0, key.bytes, key.size, "eight", 5), ERR_OK);
	store_abort(t);
	store_close(s);
	s = store_must_open();
	struct store_value v;
	assert_int_equal(store_begin(s, false, &t), ERR_OK);
	assert_int_equal(store_get(t, 0, key.bytes, key.size, &v), ERR_OK);
	assert_int_equal(v.size, 5);
	assert_memory_equal(v.data, "seven", 5);
	assert_int_equal(store_get(t, 1, "empty", 5, &v), ERR_OK);
	assert_int_equal(v.size, 0);
	assert_int_equal(store_get(t, 1, "absent", 6, &v), ERR_NOT_FOUND);
	store_abort(t);
	store_close(s);
}

static void keys_are_in_numeric_order(void **state)
{
	(void)state;
	struct store *s = store_must_open();
	struct store_txn *t;
	static const uint64_t numbers[] = {300, 2, UINT64_MAX, 1, 65536};
	static const uint64_t sorted[] = {1, 2, 300, 65536, UINT64_MAX};
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	for (int i = 0; i < 5; i++) {
		struct store_key key = store_key_u64(numbers[i]);
		assert_int_equal(store_put(t, 0, key.bytes, key.size, "x", 1), ERR_OK);
	}
	struct store_cursor *c;
	struct store_value key, value;
	assert_int_equal(store_cursor_open(t, 0, &c), ERR_OK);
	enum err e = store_cursor_seek(c, NULL, 0, &key, &value);
	for (int i = 0; i < 5; i++, e = store_cursor_next(c, &key, &value)) {
		assert_int_equal(e, ERR_OK);
		assert_int_equal(store_key_read_u64(&key, 0), sorted[i]);
	}
	assert_int_equal(e, ERR_NOT_FOUND);
	store_cursor_close(c);
	store_abort(t);
	store_close(s);
}

/* B9: a second process on the same directory is refused at once. */
static void a_second_process_is_refused(void **state)
{
	(void)state;
	struct store *s = store_must_open();
	pid_t child = fork();
	if (child == 0) {
		struct store *second;
		struct err_msg msg;
		_exit(store_open(dir, tables, 2, 1, &second, &msg) == ERR_BUSY ? 0 : 1);
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	store_close(s);
}

/* B8: a flipped bit in a value is noticed. */
static void a_damaged_value_is_refused(void **state)
{
	(void)state;
	struct store *s = store_must_open();
	struct store_txn *t;
	const char *text = "a-text-to-be-found-in-the-file";
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	assert_int_equal(store_put(t, 0, "k", 1, text, strlen(text)), ERR_OK);
	assert_int_equal(store_commit(t), ERR_OK);
	store_close(s);
	char path[128], *data = calloc(1, 1 << 20);
	snprintf(path, sizeof path, "%s/data.mdb", dir);
	int fd = open(path, O_RDWR);
	ssize_t n = read(fd, data, 1 << 20);
	char *at = memmem(data, (size_t)n, text, strlen(text));
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "b", 1, at - data), 1);
	close(fd);
	free(data);
	s = store_must_open();
	struct store_value v;
	assert_int_equal(store_begin(s, false, &t), ERR_OK);
	assert_int_equal(store_get(t, 0, "k", 1, &v), ERR_CORRUPT);
	store_abort(t);
	store_close(s);
}

/* Pages that the file should have and hasn't. */
static size_t pages_missing(void)
{
	MDB_env *env;
	MDB_envinfo info;
	struct stat file;
	char path[128];
	snprintf(path, sizeof path, "%s/data.mdb", dir);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, dir, MDB_RDONLY, 0600), 0);
	assert_int_equal(mdb_env_info(env, &info), 0);
	mdb_env_close(env);
	assert_int_equal(stat(path, &file), 0);
	size_t pages = (size_t)file.st_size / 4096;
	return info.me_last_pgno + 1 > pages ? info.me_last_pgno + 1 - pages : 0;
}

/* Puts and deletes at random in one transaction. */
static void churn(struct rng *rng)
{
	static const char value[1500];
	struct store *s = store_must_open();
	struct store_txn *t;
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	for (uint64_t i = rng_below(rng, 200); i > 0; i--) {
		struct store_key key = store_key_u64(rng_below(rng, 400));
		assert_int_equal(
		    store_put(t, 0, key.bytes, key.size, value, rng_below(rng, sizeof value)),
		    ERR_OK);
	}
	for (uint64_t i = rng_below(rng, 400); i > 0; i--) {
		struct store_key key = store_key_u64(400 - i);
		assert_int_equal(store_delete(t, 0, key.bytes, key.size), ERR_OK);
	}
	assert_int_equal(store_commit(t), ERR_OK);
	store_close(s);
}

/* LMDB leaves pages at the end unwritten that a transaction took and gave back: that is no
 * damage, while a file that lacks pages in use is refused. */
static void a_short_file_opens_unless_pages_in_use_are_missing(void **state)
{
	(void)state;
	struct rng rng = rng_make(1);
	size_t missing = 0;
	for (int i = 0; i < 400 && missing == 0; i++) {
		churn(&rng);
		missing = pages_missing();
	}
	assert_int_not_equal(missing, 0);
	store_close(store_must_open());
	churn(&rng);
	char path[128];
	struct stat file;
	struct store *s;
	struct err_msg msg;
	snprintf(path, sizeof path, "%s/data.mdb", dir);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(truncate(path, file.st_size / 4 / 4096 * 4096), 0);
	assert_int_equal(store_open(dir, tables, 2, 1, &s, &msg), ERR_CORRUPT);
	assert_non_null(strstr(msg.text, "data.mdb is cut off"));
	assert_int_equal(store_open_stopped(dir, tables, 2, &s, &msg), ERR_CORRUPT);
}

/* A copy made between two commits has the first, and not what is under way. */
static void a_copy_is_a_store_of_its_own(void **state)
{
	(void)state;
	char path[128];
	struct store *s = store_must_open(), *copy;
	struct store_txn *t;
	struct store_value v;
	struct err_msg msg;
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	assert_int_equal(store_put(t, 0, "a", 1, "one", 3), ERR_OK);
	assert_int_equal(store_commit(t), ERR_OK);
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	assert_int_equal(store_put(t, 0, "b", 1, "two", 3), ERR_OK);
	snprintf(path, sizeof path, "%s/copy", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/copy/data.mdb", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(store_copy(s, fd), ERR_OK);
	close(fd);
	assert_int_equal(store_commit(t), ERR_OK);
	store_close(s);
	snprintf(path, sizeof path, "%s/copy", dir);
	assert_int_equal(store_open_stopped(path, tables, 2, &copy, &msg), ERR_OK);
	assert_int_equal(store_begin(copy, false, &t), ERR_OK);
	assert_int_equal(store_get(t, 0, "a", 1, &v), ERR_OK);
	assert_int_equal(store_get(t, 0, "b", 1, &v), ERR_NOT_FOUND);
	store_abort(t);
	store_close(copy);
}

/* Nothing is made where there is nothing. */
static void a_look_at_no_store_leaves_no_store(void **state)
{
	(void)state;
	struct store *s;
	struct err_msg msg;
	assert_int_equal(store_open_stopped(dir, tables, 2, &s, &msg), ERR_NOT_FOUND);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(committed_values_survive_a_reopen, dir_make,
					    dir_remove),
	    cmocka_unit_test_setup_teardown(keys_are_in_numeric_order, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(a_second_process_is_refused, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(a_damaged_value_is_refused, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(a_short_file_opens_unless_pages_in_use_are_missing,
					    dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(a_copy_is_a_store_of_its_own, dir_make, dir_remove),
	    cmocka_unit_test_setup_teardown(a_look_at_no_store_leaves_no_store, dir_make,
					    dir_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
