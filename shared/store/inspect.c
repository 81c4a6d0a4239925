/*
 * Looking at stores: whether the file is whole, stopped ones, all records, copies.
 */
#include "store/store_impl.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Free pages with a number of at least `from`, by an environment of our own. */
static int free_pages_count(const char *dir, size_t from, size_t *ret_count)
{
	MDB_env *env;
	MDB_txn *txn = NULL;
	MDB_cursor *cursor = NULL;
	MDB_val key, value;
	size_t count = 0;
	int code = mdb_env_create(&env);
	if (!code)
		code = mdb_env_open(env, dir, MDB_RDONLY | MDB_NOLOCK, 0600);
	if (!code)
		code = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (!code)
		code = mdb_cursor_open(txn, 0, &cursor);
	/* A record is the number of its pages and these. */
	while (!code && !(code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)))
		for (size_t i = 1; i < value.mv_size / sizeof i; i++)
			count += ((const size_t *)value.mv_data)[i] >= from;
	*ret_count = count;
	return code == MDB_NOTFOUND ? 0 : code;
}

static void child_die(int signal_no)
{
	(void)signal_no;
	_exit(1);
}

/*
 * The last transaction leaves pages unwritten that it took and gave back, so a short file may
 * be whole. Looking it up may touch a page that isn't there: a child does it.
 */
static bool missing_are_free(const char *dir, size_t pages, size_t missing)
{
	pid_t pid = fork();
	if (pid == 0) {
		size_t count;
		(void)signal(SIGBUS, child_die);
		(void)signal(SIGSEGV, child_die);
		(void)signal(SIGABRT, child_die);
		int code = free_pages_count(dir, pages, &count);
		_exit(code == 0 && count >= missing ? 0 : 1);
	}
	int status;
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

enum err store_size_check(const struct store *s, const char *dir, struct err_msg *msg)
{
	MDB_envinfo info;
	MDB_stat stat;
	mdb_filehandle_t fd;
	struct stat file;
	int code = mdb_env_info(s->env, &info);
	if (!code)
		code = mdb_env_stat(s->env, &stat);
	if (!code)
		code = mdb_env_get_fd(s->env, &fd);
	if (code || fstat(fd, &file) != 0)
		return err_set(msg, ERR_IO, "cannot look at data.mdb");
	size_t pages = (size_t)file.st_size / stat.ms_psize, wanted = info.me_last_pgno + 1;
	if (pages >= wanted || missing_are_free(dir, pages, wanted - pages))
		return ERR_OK;
	return err_set(msg, ERR_CORRUPT,
		       "data.mdb is cut off: it has %zu of its %zu pages of %u bytes; put a backup "
		       "in its place",
		       pages, wanted, stat.ms_psize);
}

static enum err tables_find(struct store *s, const char *const *tables, struct err_msg *msg)
{
	MDB_txn *txn;
	MDB_dbi main;
	int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (code)
		return err_set(msg, store_err(code), "cannot begin: %s", mdb_strerror(code));
	code = mdb_dbi_open(txn, "format", 0, &main);
	enum err e = code ? err_set(msg, store_err(code), "nothing was ever committed to it")
			  : store_version_check(txn, main, msg);
	for (unsigned i = 0; !e && i < s->table_count; i++) {
		code = mdb_dbi_open(txn, tables[i], 0, &s->tables[i]);
		if (code == MDB_NOTFOUND)
			e = err_set(msg, ERR_VERSION, "it has no table %s", tables[i]);
		else if (code)
			e = err_set(msg, store_err(code), "table %s: %s", tables[i],
				    mdb_strerror(code));
	}
	/* A commit, so that the tables' handles stay open. */
	code = mdb_txn_commit(txn);
	return e || !code ? e : err_set(msg, store_err(code), "%s", mdb_strerror(code));
}

static enum err stopped_open(struct store *s, const char *dir, const char *const *tables,
			     struct err_msg *msg)
{
	char path[4096];
	struct stat file;
	if (snprintf(path, sizeof path, "%s/data.mdb", dir) >= (int)sizeof path)
		return err_set(msg, ERR_INVALID, "the path is too long");
	if (stat(path, &file) != 0 && errno != ENOENT)
		return err_set(msg, ERR_IO, "%s", strerror(errno));
	if (access(path, F_OK) != 0 || file.st_size == 0)
		return err_set(msg, ERR_NOT_FOUND, "there is no store");
	enum err e = store_lock(s, dir, msg);
	if (e)
		return e;
	int code = mdb_env_create(&s->env);
	if (!code)
		code = mdb_env_set_maxdbs(s->env, TABLE_COUNT_MAX + 1);
	/* The owner's lock is ours: LMDB's own would only leave a file behind. */
	if (!code)
		code = mdb_env_open(s->env, dir, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600);
	if (code)
		return err_set(msg, store_err(code), "cannot open: %s", mdb_strerror(code));
	e = store_size_check(s, dir, msg);
	return e ? e : tables_find(s, tables, msg);
}

enum err store_open_stopped(const char *dir, const char *const *tables, unsigned table_count,
			    struct store **ret_store, struct err_msg *msg)
{
	assert(table_count <= TABLE_COUNT_MAX);
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a store");
	s->lock_fd = -1;
	s->table_count = table_count;
	enum err e = stopped_open(s, dir, tables, msg);
	if (e) {
		store_close(s);
		return err_prefix(msg, e, "store %s", dir);
	}
	*ret_store = s;
	return ERR_OK;
}

enum err store_scan(struct store_txn *t, unsigned table, store_record_fn *good,
		    store_record_fn *bad, void *context)
{
	assert(table < t->store->table_count);
	MDB_cursor *cursor;
	MDB_val k, v;
	int code = mdb_cursor_open(t->txn, t->store->tables[table], &cursor);
	if (code)
		return store_err(code);
	while (!(code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
		struct store_value key = {k.mv_data, k.mv_size}, value;
		if (!store_value_unwrap(&v, &value)) {
			if (good)
				good(context, table, &key, &value);
		} else {
			value = (struct store_value){v.mv_data, v.mv_size};
			bad(context, table, &key, &value);
		}
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? ERR_OK : store_err(code);
}

enum err store_copy(struct store *s, int fd)
{
	return store_err(mdb_env_copyfd2(s->env, fd, MDB_CP_COMPACT));
}
