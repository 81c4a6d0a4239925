#include "coordinator/shots.h"

#include "coordinator/tables.h"
#include "wire/frame.h"

#include <jansson.h>

/* The pool that a round's prompts take their demonstrations from: the newest one that was there
 * when it began. SELECT may have chosen none. */
static enum err pool_of_round(struct store_txn *txn, uint32_t round, Freeal__Pool **ret_pool)
{
	enum err e = ERR_NOT_FOUND;
	for (uint64_t version = (uint64_t)round + 1; version > 0 && e == ERR_NOT_FOUND; version--)
		e = table_get(txn, TABLE_POOLS, store_key_u64(version), &freeal__pool__descriptor,
			      ret_pool);
	return e;
}

static enum err demonstrations_add(const Freeal__Pool *pool, const Freeal__NearestRow *row,
				   const Freeal__Project *project, json_t *list)
{
	for (size_t i = 0; i < row->n_demonstrations; i++) {
		if (row->demonstrations[i] >= pool->n_demonstrations)
			return ERR_CORRUPT;
		const Freeal__Demonstration *d = pool->demonstrations[row->demonstrations[i]];
		if (d->class_id >= project->n_labels)
			return ERR_CORRUPT;
		json_t *one = json_pack("{s:s%, s:s}", "text", (const char *)d->text.data,
					d->text.len, "label", project->labels[d->class_id]->name);
		if (!one || json_array_append_new(list, one) != 0)
			return ERR_NO_MEMORY;
	}
	return ERR_OK;
}

static enum err shots_read(struct store_txn *txn, const Freeal__Project *project, const char *id,
			   size_t id_bytes, uint32_t round, json_t *list)
{
	struct store_value number;
	Freeal__Pool *pool = NULL;
	Freeal__NearestRow *row = NULL;
	enum err e = store_get(txn, TABLE_IDS, id, id_bytes, &number);
	if (e)
		return e;
	uint64_t sample_no = store_key_read_u64(&number, 0);
	e = table_get(txn, TABLE_NEAREST, store_key_u32_u64(round, sample_no),
		      &freeal__nearest_row__descriptor, &row);
	if (!e)
		e = pool_of_round(txn, round, &pool);
	if (!e)
		e = demonstrations_add(pool, row, project, list);
	frame_message_free(pool);
	frame_message_free(row);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err shots_make(struct store *store, const Freeal__Project *project, const char *id,
		    size_t id_bytes, uint32_t round, char **ret_json)
{
	struct store_txn *txn = NULL;
	enum err e = store_begin(store, false, &txn);
	if (e)
		return e;
	json_t *list = json_array();
	e = list ? shots_read(txn, project, id, id_bytes, round, list) : ERR_NO_MEMORY;
	store_abort(txn);
	json_t *json = json_pack("{s:o}", "demonstrations", list);
	if (!e) {
		*ret_json = json_dumps(json, JSON_COMPACT);
		e = *ret_json ? ERR_OK : ERR_NO_MEMORY;
	}
	json_decref(json);
	return e;
}
