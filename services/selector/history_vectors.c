/*
 * The history's embeddings. Those of one vocabulary lie together; of another one there is
 * nothing to compare them with, so that a late stream of old ones does no harm.
 */
#include "selector/history_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors are stored as they are sent");

/* A block of samples, or a demonstration of a pool. */
static struct store_key block_key(uint64_t vocabulary, uint64_t block)
{
	return store_key_u64_u32_u32(vocabulary, (uint32_t)(block >> 32), (uint32_t)block);
}

static struct store_key pool_key(uint64_t vocabulary, uint32_t version, uint64_t number)
{
	return store_key_u64_u32_u32(vocabulary, version, (uint32_t)number);
}

/* Copies the rows of a stored block, at most HISTORY_VECTOR_ROWS; 0 when there are none
 * of that many dimensions. */
static enum err block_load(struct store_txn *t, struct store_key key, uint32_t dimensions,
			   float *rows, uint32_t *ret_count)
{
	struct store_value value;
	struct vectors_head head;
	*ret_count = 0;
	enum err e = store_get(t, TABLE_VECTORS, key.bytes, key.size, &value);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	if (value.size < sizeof head)
		return ERR_CORRUPT;
	memcpy(&head, value.data, sizeof head);
	size_t bytes = (size_t)head.rows * head.dimensions * sizeof *rows;
	if (head.rows > HISTORY_VECTOR_ROWS || value.size != sizeof head + bytes)
		return ERR_CORRUPT;
	if (head.dimensions != dimensions)
		return ERR_OK;
	memcpy(rows, (const char *)value.data + sizeof head, bytes);
	*ret_count = head.rows;
	return ERR_OK;
}

/* Puts `count` rows into one block from row `at` on; what was there behind them stays. */
static enum err block_store(struct history *h, struct store_key key, uint32_t at, uint32_t count,
			    uint32_t dimensions, const void *rows, char *work)
{
	float *all = (float *)(void *)(work + sizeof(struct vectors_head));
	struct vectors_head head = {.dimensions = dimensions};
	enum err e = ERR_OK;
	if (count < HISTORY_VECTOR_ROWS)
		e = block_load(h->txn, key, dimensions, all, &head.rows);
	if (!e && head.rows < at)
		e = ERR_INVALID;
	if (e)
		return e;
	if (head.rows < at + count)
		head.rows = at + count;
	memcpy(all + (size_t)at * dimensions, rows, (size_t)count * dimensions * sizeof *all);
	memcpy(work, &head, sizeof head);
	return store_put(h->txn, TABLE_VECTORS, key.bytes, key.size, work,
			 sizeof head + (size_t)head.rows * dimensions * sizeof *all);
}

static size_t chunk_rows(const Freeal__VectorChunk *chunk)
{
	return chunk->vectors.len / (chunk->dimensions * sizeof(float));
}

enum err history_vectors_put(struct history *h, uint64_t vocabulary,
			     const Freeal__VectorChunk *chunk)
{
	uint32_t dimensions = chunk->dimensions;
	size_t rows = chunk_rows(chunk), row_bytes = dimensions * sizeof(float);
	char *work = malloc(sizeof(struct vectors_head) + HISTORY_VECTOR_ROWS * row_bytes);
	if (!work)
		return ERR_NO_MEMORY;
	enum err e = history_write_begin(h);
	for (size_t i = 0; !e && i < rows;) {
		uint64_t no = chunk->first + i;
		uint32_t at = no % HISTORY_VECTOR_ROWS;
		size_t count = HISTORY_VECTOR_ROWS - at;
		if (count > rows - i)
			count = rows - i;
		e = block_store(h, block_key(vocabulary, no / HISTORY_VECTOR_ROWS), at,
				(uint32_t)count, dimensions, chunk->vectors.data + i * row_bytes,
				work);
		i += count;
	}
	free(work);
	return e;
}

enum err history_pool_vectors_put(struct history *h, uint64_t vocabulary, uint32_t version,
				  const Freeal__VectorChunk *chunk)
{
	size_t rows = chunk_rows(chunk), row_bytes = chunk->dimensions * sizeof(float);
	enum err e = history_write_begin(h);
	for (size_t i = 0; !e && i < rows; i++) {
		struct store_key key = pool_key(vocabulary, version, chunk->first + i);
		e = store_put(h->txn, TABLE_POOL_VECTORS, key.bytes, key.size,
			      chunk->vectors.data + i * row_bytes, row_bytes);
	}
	return e;
}

enum err history_vectors_get(struct history *h, uint64_t vocabulary, uint64_t first, size_t count,
			     size_t dimensions, float *ret_vectors)
{
	struct store_txn *t;
	float *rows = malloc(HISTORY_VECTOR_ROWS * dimensions * sizeof *rows);
	if (!rows)
		return ERR_NO_MEMORY;
	enum err e = store_begin(h->store, false, &t);
	if (e) {
		free(rows);
		return e;
	}
	for (size_t i = 0; !e && i < count;) {
		uint64_t no = first + i;
		uint32_t at = no % HISTORY_VECTOR_ROWS, there;
		size_t take = HISTORY_VECTOR_ROWS - at;
		if (take > count - i)
			take = count - i;
		e = block_load(t, block_key(vocabulary, no / HISTORY_VECTOR_ROWS),
			       (uint32_t)dimensions, rows, &there);
		if (!e && there < at + take)
			e = ERR_NOT_FOUND;
		if (!e)
			memcpy(ret_vectors + i * dimensions, rows + at * dimensions,
			       take * dimensions * sizeof *rows);
		i += take;
	}
	store_abort(t);
	free(rows);
	return e;
}

enum err history_dimensions(struct history *h, uint64_t vocabulary, size_t *ret_dimensions)
{
	struct store_txn *t;
	struct store_key key = block_key(vocabulary, 0);
	struct store_value value;
	enum err e = store_begin(h->store, false, &t);
	if (e)
		return e;
	e = store_get(t, TABLE_VECTORS, key.bytes, key.size, &value);
	struct vectors_head head;
	if (!e && value.size < sizeof head)
		e = ERR_CORRUPT;
	if (!e) {
		memcpy(&head, value.data, sizeof head);
		*ret_dimensions = head.dimensions;
	}
	store_abort(t);
	return e;
}

enum err history_pool_vector_get(struct history *h, uint64_t vocabulary, uint32_t version,
				 uint64_t number, size_t dimensions, float *ret_vector)
{
	struct store_txn *t;
	struct store_key key = pool_key(vocabulary, version, number);
	struct store_value value;
	enum err e = store_begin(h->store, false, &t);
	if (e)
		return e;
	e = store_get(t, TABLE_POOL_VECTORS, key.bytes, key.size, &value);
	if (!e && value.size != dimensions * sizeof *ret_vector)
		e = ERR_INVALID;
	if (!e)
		memcpy(ret_vector, value.data, value.size);
	store_abort(t);
	return e;
}

enum err history_vectors_prune(struct history *h, uint64_t vocabulary)
{
	static const enum history_table tables[] = {TABLE_VECTORS, TABLE_POOL_VECTORS};
	struct store_key begin = block_key(0, 0), end = block_key(UINT64_MAX, UINT64_MAX);
	struct store_key first = block_key(vocabulary, 0), behind = block_key(vocabulary + 1, 0);
	enum err e = history_write_begin(h);
	for (size_t i = 0; !e && i < sizeof tables / sizeof *tables; i++) {
		e = history_range_delete(h->txn, tables[i], begin, &first);
		if (!e)
			e = history_range_delete(h->txn, tables[i], behind, &end);
	}
	return e;
}
