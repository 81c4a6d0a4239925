/*
 * A service's own LMDB environment: one directory, one process, named tables.
 *
 * store_open takes an exclusive lock on DIR/owner.lock first, because LMDB's own locks
 * don't work across containers (equal process ids). Every value is wrapped with a
 * version and a checksum, checked on the way out. Commits are durable: when
 * store_commit returns ERR_OK, the data survives a power loss on a disk that honours
 * fsync. The map is large and sparse; ERR_FULL means that disk or map have no space
 * left: abort, free space, try again.
 *
 * One write transaction at a time, on one thread. Read transactions may be on any
 * thread and must be short.
 */
#ifndef FREEAL_STORE_STORE_H
#define FREEAL_STORE_STORE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_VERSION 1
#define STORE_KEY_BYTES_MAX 500

struct store;
struct store_txn;
struct store_cursor;

/* A value in the map; valid until its transaction ends or (in a write transaction)
 * writes again. */
struct store_value {
	const void *data;
	size_t size;
};

/* `tables` are opened by position: table i is named tables[i]. The directory is made
 * if it is missing (mode 0700). ERR_BUSY: another process owns it; ERR_VERSION: written
 * by another version. `map_gib` is the ceiling of the file. */
enum err store_open(const char *dir, const char *const *tables, unsigned table_count,
		    unsigned map_gib, struct store **ret_store, struct err_msg *msg) WARN_UNUSED;
void store_close(struct store *s);

/*
 * A look at a stopped service's store, or at a copy: takes the owner's lock and changes
 * nothing. ERR_NOT_FOUND: there is none, or nothing was ever committed to it; ERR_CORRUPT:
 * it is damaged; ERR_VERSION: also where one of the tables is missing.
 */
enum err store_open_stopped(const char *dir, const char *const *tables, unsigned table_count,
			    struct store **ret_store, struct err_msg *msg) WARN_UNUSED;
/* Reads every record of a table. `bad` is told of those whose checksum or version is wrong,
 * `good` (may be NULL) of the others. An error means that the tree itself can't be read. */
typedef void store_record_fn(void *context, unsigned table, const struct store_value *key,
			     const struct store_value *value);
enum err store_scan(struct store_txn *t, unsigned table, store_record_fn *good,
		    store_record_fn *bad, void *context) WARN_UNUSED;
/*
 * Writes a consistent copy of the store, as a data.mdb without free pages, to a file
 * descriptor (which may be a pipe). May be called on any thread while the store is in use;
 * until it returns, pages that writers free are kept, so the file may grow by what is
 * written meanwhile. Nothing is synced.
 */
enum err store_copy(struct store *s, int fd) WARN_UNUSED;

enum err store_begin(struct store *s, bool write, struct store_txn **ret_txn) WARN_UNUSED;
/* Ends the transaction in any case. After ERR_IO or ERR_CORRUPT the process should exit. */
enum err store_commit(struct store_txn *t) WARN_UNUSED;
void store_abort(struct store_txn *t); /* NULL is fine */

enum err store_put(struct store_txn *t, unsigned table, const void *key, size_t key_bytes,
		   const void *value, size_t value_bytes) WARN_UNUSED;
/* Keys in ascending order only (fast bulk load); ERR_EXISTS when not. */
enum err store_append(struct store_txn *t, unsigned table, const void *key, size_t key_bytes,
		      const void *value, size_t value_bytes) WARN_UNUSED;
/* ERR_NOT_FOUND; ERR_CORRUPT when the checksum is wrong. */
enum err store_get(struct store_txn *t, unsigned table, const void *key, size_t key_bytes,
		   struct store_value *ret_value) WARN_UNUSED;
/* Deleting what isn't there is fine. */
enum err store_delete(struct store_txn *t, unsigned table, const void *key,
		      size_t key_bytes) WARN_UNUSED;
/* Deletes all of the table's entries. */
enum err store_clear(struct store_txn *t, unsigned table) WARN_UNUSED;
enum err store_count(struct store_txn *t, unsigned table, uint64_t *ret_count) WARN_UNUSED;

enum err store_cursor_open(struct store_txn *t, unsigned table,
			   struct store_cursor **ret_cursor) WARN_UNUSED;
void store_cursor_close(struct store_cursor *c);
/* First entry with a key >= the given one (NULL: the first of all). */
enum err store_cursor_seek(struct store_cursor *c, const void *key, size_t key_bytes,
			   struct store_value *ret_key, struct store_value *ret_value) WARN_UNUSED;
enum err store_cursor_next(struct store_cursor *c, struct store_value *ret_key,
			   struct store_value *ret_value) WARN_UNUSED;
enum err store_cursor_last(struct store_cursor *c, struct store_value *ret_key,
			   struct store_value *ret_value) WARN_UNUSED;

/* Keys: integers big-endian, so that byte order is numeric order. */
struct store_key {
	unsigned char bytes[24];
	size_t size;
};
struct store_key store_key_u64(uint64_t a);
struct store_key store_key_u32_u64(uint32_t a, uint64_t b);
struct store_key store_key_u64_u32_u32(uint64_t a, uint32_t b, uint32_t c);
/* Reads the integers back; `at` is a byte offset. */
uint64_t store_key_read_u64(const struct store_value *key, size_t at);
uint32_t store_key_read_u32(const struct store_value *key, size_t at);

#endif
