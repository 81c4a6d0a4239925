#include "coordinator/tables.h"

#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define MAP_GIB 256

static const char *const table_names[TABLE_COUNT] = {
    "meta",    "samples", "ids",    "gold",    "events",  "changes", "selection",
    "nearest", "pools",	  "rounds", "results", "replies", "ages",    "batches",
};

enum err tables_open(const char *dir, struct store **ret_store, struct err_msg *msg)
{
	return store_open(dir, table_names, TABLE_COUNT, MAP_GIB, ret_store, msg);
}

enum err tables_open_stopped(const char *dir, struct store **ret_store, struct err_msg *msg)
{
	return store_open_stopped(dir, table_names, TABLE_COUNT, ret_store, msg);
}

const char *const *tables_names(void)
{
	return table_names;
}

enum err table_put_bytes(struct store_txn *t, enum table table, const void *key, size_t size,
			 const ProtobufCMessage *message)
{
	uint8_t small[4096];
	size_t packed = protobuf_c_message_get_packed_size(message);
	uint8_t *data = packed <= sizeof small ? small : malloc(packed);
	if (!data)
		return ERR_NO_MEMORY;
	(void)protobuf_c_message_pack(message, data);
	enum err e = store_put(t, table, key, size, data, packed);
	if (data != small)
		free(data);
	return e;
}

enum err table_get_bytes(struct store_txn *t, enum table table, const void *key, size_t size,
			 const ProtobufCMessageDescriptor *type, void *ret_message)
{
	struct store_value value;
	enum err e = store_get(t, table, key, size, &value);
	if (e)
		return e;
	void *message = frame_message_unpack(type, value.data, value.size);
	if (!message)
		return ERR_CORRUPT;
	memcpy(ret_message, &message, sizeof message);
	return ERR_OK;
}

enum err table_put(struct store_txn *t, enum table table, struct store_key key,
		   const ProtobufCMessage *message)
{
	return table_put_bytes(t, table, key.bytes, key.size, message);
}

enum err table_get(struct store_txn *t, enum table table, struct store_key key,
		   const ProtobufCMessageDescriptor *type, void *ret_message)
{
	return table_get_bytes(t, table, key.bytes, key.size, type, ret_message);
}

enum err meta_put(struct store_txn *t, const char *name, const ProtobufCMessage *message)
{
	return table_put_bytes(t, TABLE_META, name, strlen(name), message);
}

enum err meta_get(struct store_txn *t, const char *name, const ProtobufCMessageDescriptor *type,
		  void *ret_message)
{
	return table_get_bytes(t, TABLE_META, name, strlen(name), type, ret_message);
}

struct store_key table_result_key(const Freeal__WorkName *name)
{
	struct store_key k = store_key_u64_u32_u32(name->item, name->round, name->slot);
	/* The kind leads, so that a phase's results lie together. */
	memmove(k.bytes + 1, k.bytes, k.size);
	k.bytes[0] = (unsigned char)name->kind;
	k.size++;
	return k;
}

uint32_t table_result_round(const struct store_value *key)
{
	return store_key_read_u32(key, 1 + sizeof(uint64_t));
}
