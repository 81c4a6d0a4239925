/*
 * What the files of this folder know of a store.
 */
#ifndef FREEAL_STORE_STORE_IMPL_H
#define FREEAL_STORE_STORE_IMPL_H

#include "store/store.h"

#include <lmdb.h>

#define TABLE_COUNT_MAX 32

struct store {
	MDB_env *env;
	MDB_dbi tables[TABLE_COUNT_MAX];
	unsigned table_count;
	int lock_fd;
};

struct store_txn {
	struct store *store;
	MDB_txn *txn;
};

/* LMDB's code as ours. */
enum err store_err(int code);
/* Takes out of its wrapping what lies in the map. */
enum err store_value_unwrap(const MDB_val *v, struct store_value *ret_value) WARN_UNUSED;
/* ERR_VERSION: written by another version. */
enum err store_version_check(MDB_txn *txn, MDB_dbi main, struct err_msg *msg) WARN_UNUSED;
/* ERR_BUSY: another process owns the folder. */
enum err store_lock(struct store *s, const char *dir, struct err_msg *msg) WARN_UNUSED;
/* ERR_CORRUPT: the file ends before pages that are in use, and reading them would kill us. */
enum err store_size_check(const struct store *s, const char *dir, struct err_msg *msg) WARN_UNUSED;

#endif
