#include "store/store.h"

#include "base/rng.h"
#include "store/store_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* In front of each value. Another layout is another STORE_VERSION. */
struct value_head {
	uint16_t version;
	uint16_t reserved;
	uint32_t checksum;
};

struct store_cursor {
	MDB_cursor *cursor;
};

static uint32_t value_checksum(const void *data, size_t size)
{
	return (uint32_t)hash_bytes(STORE_VERSION, data, size);
}

enum err store_err(int code)
{
	switch (code) {
	case 0:
		return ERR_OK;
	case MDB_NOTFOUND:
		return ERR_NOT_FOUND;
	case MDB_KEYEXIST:
		return ERR_EXISTS;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_PANIC:
		return ERR_CORRUPT;
	case MDB_VERSION_MISMATCH:
		return ERR_VERSION;
	case ENOMEM:
		return ERR_NO_MEMORY;
	case MDB_BAD_VALSIZE:
	case MDB_TXN_FULL:
		return ERR_LIMIT;
	default:
		return ERR_IO;
	}
}

enum err store_lock(struct store *s, const char *dir, struct err_msg *msg)
{
	char path[4096];
	if (snprintf(path, sizeof path, "%s/owner.lock", dir) >= (int)sizeof path)
		return err_set(msg, ERR_INVALID, "%s: the path is too long", dir);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_set(msg, ERR_IO, "cannot open %s: %s", path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(msg, ERR_BUSY, "%s is in use by another process", dir);
	return ERR_OK;
}

enum err store_version_check(MDB_txn *txn, MDB_dbi main, struct err_msg *msg)
{
	MDB_val key = {7, (void *)"version"}, value;
	uint32_t version = STORE_VERSION;
	int code = mdb_get(txn, main, &key, &value);
	if (code)
		return err_set(msg, code == MDB_NOTFOUND ? ERR_CORRUPT : store_err(code),
			       "its version can't be read: %s", mdb_strerror(code));
	if (value.mv_size == sizeof version)
		memcpy(&version, value.mv_data, sizeof version);
	if (value.mv_size != sizeof version || version != STORE_VERSION)
		return err_set(msg, ERR_VERSION, "the store has version %u, this program reads %u",
			       version, (unsigned)STORE_VERSION);
	return ERR_OK;
}

static enum err version_put(MDB_txn *txn, MDB_dbi main)
{
	uint32_t version = STORE_VERSION;
	MDB_val key = {7, (void *)"version"}, value = {sizeof version, &version};
	int code = mdb_put(txn, main, &key, &value, MDB_NOOVERWRITE);
	return code == MDB_KEYEXIST ? ERR_OK : store_err(code);
}

static enum err tables_open(struct store *s, const char *const *tables, struct err_msg *msg)
{
	MDB_txn *txn;
	MDB_dbi main;
	int code = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (code)
		return err_set(msg, store_err(code), "cannot begin: %s", mdb_strerror(code));
	code = mdb_dbi_open(txn, "format", MDB_CREATE, &main);
	enum err e = code ? store_err(code) : version_put(txn, main);
	if (!e)
		e = store_version_check(txn, main, msg);
	for (unsigned i = 0; !e && i < s->table_count; i++) {
		code = mdb_dbi_open(txn, tables[i], MDB_CREATE, &s->tables[i]);
		e = store_err(code);
	}
	if (e) {
		mdb_txn_abort(txn);
		return code ? err_set(msg, e, "cannot open its tables: %s", mdb_strerror(code)) : e;
	}
	code = mdb_txn_commit(txn);
	return code ? err_set(msg, store_err(code), "cannot commit: %s", mdb_strerror(code))
		    : ERR_OK;
}

enum err store_open(const char *dir, const char *const *tables, unsigned table_count,
		    unsigned map_gib, struct store **ret_store, struct err_msg *msg)
{
	assert(table_count <= TABLE_COUNT_MAX);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_set(msg, ERR_IO, "cannot make %s: %s", dir, strerror(errno));
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a store");
	s->lock_fd = -1;
	s->table_count = table_count;
	enum err e = store_lock(s, dir, msg);
	if (e) {
		store_close(s);
		return e;
	}
	int code = mdb_env_create(&s->env);
	if (!code)
		code = mdb_env_set_mapsize(s->env, (size_t)map_gib << 30);
	if (!code)
		code = mdb_env_set_maxdbs(s->env, TABLE_COUNT_MAX + 1);
	if (!code)
		code = mdb_env_open(s->env, dir, MDB_NOTLS, 0600);
	if (code)
		e = err_set(msg, store_err(code), "cannot open: %s", mdb_strerror(code));
	if (!e)
		e = store_size_check(s, dir, msg);
	if (!e)
		e = tables_open(s, tables, msg);
	if (e) {
		store_close(s);
		return err_prefix(msg, e, "store %s", dir);
	}
	*ret_store = s;
	return ERR_OK;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->env)
		mdb_env_close(s->env);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	free(s);
}

enum err store_begin(struct store *s, bool write, struct store_txn **ret_txn)
{
	struct store_txn *t = calloc(1, sizeof *t);
	if (!t)
		return ERR_NO_MEMORY;
	t->store = s;
	int code = mdb_txn_begin(s->env, NULL, write ? 0 : MDB_RDONLY, &t->txn);
	if (code) {
		free(t);
		return store_err(code);
	}
	*ret_txn = t;
	return ERR_OK;
}

enum err store_commit(struct store_txn *t)
{
	int code = mdb_txn_commit(t->txn);
	free(t);
	return store_err(code);
}

void store_abort(struct store_txn *t)
{
	if (!t)
		return;
	mdb_txn_abort(t->txn);
	free(t);
}

static enum err value_put(struct store_txn *t, unsigned table, const void *key, size_t key_bytes,
			  const void *value, size_t value_bytes, unsigned flags)
{
	assert(table < t->store->table_count);
	MDB_val k = {key_bytes, (void *)key};
	MDB_val v = {sizeof(struct value_head) + value_bytes, NULL};
	int code = mdb_put(t->txn, t->store->tables[table], &k, &v, flags | MDB_RESERVE);
	if (code)
		return store_err(code);
	struct value_head head = {.version = STORE_VERSION,
				  .checksum = value_checksum(value, value_bytes)};
	memcpy(v.mv_data, &head, sizeof head);
	if (value_bytes)
		memcpy((char *)v.mv_data + sizeof head, value, value_bytes);
	return ERR_OK;
}

enum err store_put(struct store_txn *t, unsigned table, const void *key, size_t key_bytes,
		   const void *value, size_t value_bytes)
{
	return value_put(t, table, key, key_bytes, value, value_bytes, 0);
}

enum err store_append(struct store_txn *t, unsigned table, const void *key, size_t key_bytes,
		      const void *value, size_t value_bytes)
{
	return value_put(t, table, key, key_bytes, value, value_bytes, MDB_APPEND);
}

enum err store_value_unwrap(const MDB_val *v, struct store_value *ret_value)
{
	struct value_head head;
	if (v->mv_size < sizeof head)
		return ERR_CORRUPT;
	memcpy(&head, v->mv_data, sizeof head);
	struct store_value value = {(const char *)v->mv_data + sizeof head,
				    v->mv_size - sizeof head};
	if (head.version != STORE_VERSION)
		return ERR_VERSION;
	if (head.checksum != value_checksum(value.data, value.size))
		return ERR_CORRUPT;
	*ret_value = value;
	return ERR_OK;
}

enum err store_get(struct store_txn *t, unsigned table, const void *key, size_t key_bytes,
		   struct store_value *ret_value)
{
	assert(table < t->store->table_count);
	MDB_val k = {key_bytes, (void *)key}, v;
	int code = mdb_get(t->txn, t->store->tables[table], &k, &v);
	return code ? store_err(code) : store_value_unwrap(&v, ret_value);
}

enum err store_delete(struct store_txn *t, unsigned table, const void *key, size_t key_bytes)
{
	MDB_val k = {key_bytes, (void *)key};
	int code = mdb_del(t->txn, t->store->tables[table], &k, NULL);
	return code == MDB_NOTFOUND ? ERR_OK : store_err(code);
}

enum err store_clear(struct store_txn *t, unsigned table)
{
	assert(table < t->store->table_count);
	return store_err(mdb_drop(t->txn, t->store->tables[table], 0));
}

enum err store_count(struct store_txn *t, unsigned table, uint64_t *ret_count)
{
	MDB_stat stat;
	int code = mdb_stat(t->txn, t->store->tables[table], &stat);
	if (code)
		return store_err(code);
	*ret_count = stat.ms_entries;
	return ERR_OK;
}

enum err store_cursor_open(struct store_txn *t, unsigned table, struct store_cursor **ret_cursor)
{
	struct store_cursor *c = calloc(1, sizeof *c);
	if (!c)
		return ERR_NO_MEMORY;
	int code = mdb_cursor_open(t->txn, t->store->tables[table], &c->cursor);
	if (code) {
		free(c);
		return store_err(code);
	}
	*ret_cursor = c;
	return ERR_OK;
}

void store_cursor_close(struct store_cursor *c)
{
	if (!c)
		return;
	mdb_cursor_close(c->cursor);
	free(c);
}

static enum err cursor_get(struct store_cursor *c, MDB_val k, MDB_cursor_op op,
			   struct store_value *ret_key, struct store_value *ret_value)
{
	MDB_val v;
	int code = mdb_cursor_get(c->cursor, &k, &v, op);
	if (code)
		return store_err(code);
	enum err e = store_value_unwrap(&v, ret_value);
	if (!e)
		*ret_key = (struct store_value){k.mv_data, k.mv_size};
	return e;
}

enum err store_cursor_seek(struct store_cursor *c, const void *key, size_t key_bytes,
			   struct store_value *ret_key, struct store_value *ret_value)
{
	MDB_val k = {key_bytes, (void *)key};
	return cursor_get(c, k, key ? MDB_SET_RANGE : MDB_FIRST, ret_key, ret_value);
}

enum err store_cursor_next(struct store_cursor *c, struct store_value *ret_key,
			   struct store_value *ret_value)
{
	return cursor_get(c, (MDB_val){0}, MDB_NEXT, ret_key, ret_value);
}

enum err store_cursor_last(struct store_cursor *c, struct store_value *ret_key,
			   struct store_value *ret_value)
{
	return cursor_get(c, (MDB_val){0}, MDB_LAST, ret_key, ret_value);
}

static void key_add(struct store_key *k, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		k->bytes[k->size + i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
	k->size += bytes;
}

struct store_key store_key_u64(uint64_t a)
{
	struct store_key k = {.size = 0};
	key_add(&k, a, 8);
	return k;
}

struct store_key store_key_u32_u64(uint32_t a, uint64_t b)
{
	struct store_key k = {.size = 0};
	key_add(&k, a, 4);
	key_add(&k, b, 8);
	return k;
}

struct store_key store_key_u64_u32_u32(uint64_t a, uint32_t b, uint32_t c)
{
	struct store_key k = {.size = 0};
	key_add(&k, a, 8);
	key_add(&k, b, 4);
	key_add(&k, c, 4);
	return k;
}

static uint64_t key_read(const struct store_value *key, size_t at, size_t bytes)
{
	assert(at + bytes <= key->size);
	const unsigned char *p = (const unsigned char *)key->data + at;
	uint64_t value = 0;
	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | p[i];
	return value;
}

uint64_t store_key_read_u64(const struct store_value *key, size_t at)
{
	return key_read(key, at, 8);
}

uint32_t store_key_read_u32(const struct store_value *key, size_t at)
{
	return (uint32_t)key_read(key, at, 4);
}
