/*
 * The coordinator's tables (proto/record.proto lists keys and values) and typed access.
 */
#ifndef FREEAL_COORDINATOR_TABLES_H
#define FREEAL_COORDINATOR_TABLES_H

#include "proto/record.pb-c.h"
#include "store/store.h"

enum table {
	TABLE_META,
	TABLE_SAMPLES,
	TABLE_IDS,
	TABLE_GOLD,
	TABLE_EVENTS,
	TABLE_CHANGES,
	TABLE_SELECTION,
	TABLE_NEAREST,
	TABLE_POOLS,
	TABLE_ROUNDS,
	TABLE_RESULTS,
	TABLE_REPLIES,
	TABLE_AGES,
	TABLE_BATCHES,
	TABLE_COUNT,
};

enum err tables_open(const char *dir, struct store **ret_store, struct err_msg *msg) WARN_UNUSED;

/* To look at while the service is stopped; nothing is changed (store_open_stopped). */
enum err tables_open_stopped(const char *dir, struct store **ret_store,
			     struct err_msg *msg) WARN_UNUSED;
/* By enum table. */
const char *const *tables_names(void);

/* Packs and puts; gets and unpacks as table_get. By a key of bytes. */
enum err table_put_bytes(struct store_txn *t, enum table table, const void *key, size_t size,
			 const ProtobufCMessage *message) WARN_UNUSED;
enum err table_get_bytes(struct store_txn *t, enum table table, const void *key, size_t size,
			 const ProtobufCMessageDescriptor *type, void *ret_message) WARN_UNUSED;
/* Packs and puts. */
enum err table_put(struct store_txn *t, enum table table, struct store_key key,
		   const ProtobufCMessage *message) WARN_UNUSED;
/* Gets and unpacks; free with frame_message_free. ERR_NOT_FOUND. */
enum err table_get(struct store_txn *t, enum table table, struct store_key key,
		   const ProtobufCMessageDescriptor *type, void *ret_message) WARN_UNUSED;

/* Meta entries have names for keys. */
enum err meta_put(struct store_txn *t, const char *name, const ProtobufCMessage *m) WARN_UNUSED;
enum err meta_get(struct store_txn *t, const char *name, const ProtobufCMessageDescriptor *type,
		  void *ret_message) WARN_UNUSED;

/* Key of a result: kind, round, item, slot. */
struct store_key table_result_key(const Freeal__WorkName *name);
uint32_t table_result_round(const struct store_value *key);

#endif
