#include "coordinator/view.h"

#include "coordinator/round.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLES_PER_SNAPSHOT 512
#define EVENTS_PER_SAMPLE_MAX 128

struct view {
	struct store *store;
	struct store_txn *txn;
	uint64_t next;
	uint32_t left;	      /* samples until the snapshot is renewed */
	bool *demonstrations; /* by sample_no, up to demonstration_end */
	uint64_t demonstration_end;
	Freeal__Result *block; /* predictions of the block that `next` is in */
	uint64_t block_no;
	/* Of the last row. */
	Freeal__SampleRecord *sample;
	Freeal__SelectionRow *selection;
	Freeal__LabelEvent *events[EVENTS_PER_SAMPLE_MAX];
	size_t event_count;
};

static void row_done(struct view *v)
{
	frame_message_free(v->sample);
	frame_message_free(v->selection);
	for (size_t i = 0; i < v->event_count; i++)
		frame_message_free(v->events[i]);
	v->sample = NULL;
	v->selection = NULL;
	v->event_count = 0;
}

static enum err demonstrations_load(struct view *v)
{
	Freeal__StateRecord *state;
	Freeal__Pool *pool;
	enum err e = meta_get(v->txn, "state", &freeal__state_record__descriptor, &state);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	e = table_get(v->txn, TABLE_POOLS, store_key_u64(state->pool_version),
		      &freeal__pool__descriptor, &pool);
	v->demonstration_end = state->sample_count;
	frame_message_free(state);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	v->demonstrations = calloc(v->demonstration_end + 1, sizeof *v->demonstrations);
	for (size_t i = 0; v->demonstrations && i < pool->n_demonstrations; i++) {
		const Freeal__Demonstration *d = pool->demonstrations[i];
		if (!d->generated && d->sample_no < v->demonstration_end)
			v->demonstrations[d->sample_no] = true;
	}
	frame_message_free(pool);
	return v->demonstrations ? ERR_OK : ERR_NO_MEMORY;
}

enum err view_new(struct store *store, struct view **ret_view)
{
	struct view *v = calloc(1, sizeof *v);
	if (!v)
		return ERR_NO_MEMORY;
	v->store = store;
	v->block_no = UINT64_MAX;
	enum err e = store_begin(store, false, &v->txn);
	if (!e)
		e = demonstrations_load(v);
	if (e) {
		view_free(v);
		return e;
	}
	v->left = SAMPLES_PER_SNAPSHOT;
	*ret_view = v;
	return ERR_OK;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	row_done(v);
	frame_message_free(v->block);
	free(v->demonstrations);
	store_abort(v->txn);
	free(v);
}

static enum err events_load(struct view *v)
{
	struct store_cursor *cursor;
	struct store_value key, value;
	enum err e = store_cursor_open(v->txn, TABLE_EVENTS, &cursor);
	if (e)
		return e;
	struct store_key from = store_key_u64(v->next);
	for (e = store_cursor_seek(cursor, from.bytes, from.size, &key, &value);
	     !e && v->event_count < EVENTS_PER_SAMPLE_MAX && store_key_read_u64(&key, 0) == v->next;
	     e = store_cursor_next(cursor, &key, &value)) {
		Freeal__LabelEvent *event =
		    frame_message_unpack(&freeal__label_event__descriptor, value.data, value.size);
		if (!event) {
			e = ERR_CORRUPT;
			break;
		}
		v->events[v->event_count++] = event;
	}
	store_cursor_close(cursor);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* The block's predictions, where there are any. */
static enum err block_load(struct view *v)
{
	uint64_t block_no = v->next / ROUND_BLOCK;
	if (block_no == v->block_no)
		return ERR_OK;
	v->block_no = block_no;
	frame_message_free(v->block);
	v->block = NULL;
	Freeal__StateRecord *state;
	enum err e = meta_get(v->txn, "state", &freeal__state_record__descriptor, &state);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__PREDICT;
	name.round = state->round;
	name.item = block_no;
	frame_message_free(state);
	e = table_get(v->txn, TABLE_RESULTS, table_result_key(&name), &freeal__result__descriptor,
		      &v->block);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static int32_t view_predicted(const struct view *v)
{
	if (!v->block || v->block->body_case != FREEAL__RESULT__BODY_PREDICT)
		return -1;
	uint64_t at = v->next % ROUND_BLOCK;
	return at < v->block->predict->n_class_ids ? v->block->predict->class_ids[at] : -1;
}

static enum err gold_load(struct view *v, int32_t *ret_gold)
{
	struct store_key key = store_key_u64(v->next);
	struct store_value value;
	*ret_gold = -1;
	enum err e = store_get(v->txn, TABLE_GOLD, key.bytes, key.size, &value);
	if (!e)
		*ret_gold = (int32_t)store_key_read_u64(&value, 0);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err snapshot_renew(struct view *v)
{
	if (v->left > 0)
		return ERR_OK;
	store_abort(v->txn);
	v->txn = NULL;
	v->left = SAMPLES_PER_SNAPSHOT;
	return store_begin(v->store, false, &v->txn);
}

enum err view_next(struct view *v, struct view_row *ret_row)
{
	row_done(v);
	struct view_row row = {.sample_no = v->next, .llm_first = -1};
	struct store_key key = store_key_u64(v->next);
	enum err e = snapshot_renew(v);
	if (!e)
		e = table_get(v->txn, TABLE_SAMPLES, key, &freeal__sample_record__descriptor,
			      &v->sample);
	if (e)
		return e;
	e = table_get(v->txn, TABLE_SELECTION, key, &freeal__selection_row__descriptor,
		      &v->selection);
	if (!e || e == ERR_NOT_FOUND)
		e = events_load(v);
	if (!e)
		e = block_load(v);
	if (!e)
		e = gold_load(v, &row.gold);
	if (e)
		return e;
	row.id = (const char *)v->sample->id.data;
	row.id_bytes = v->sample->id.len;
	row.selection = v->selection;
	row.events = (const Freeal__LabelEvent *const *)v->events;
	row.event_count = v->event_count;
	row.label = label_resolve(row.events, row.event_count, v->selection);
	if (v->event_count > 0 && v->events[0]->round == 0)
		row.llm_first = label_class(v->events[0]->annotation);
	row.demonstration =
	    v->demonstrations && v->next < v->demonstration_end && v->demonstrations[v->next];
	row.predicted = view_predicted(v);
	v->next++;
	v->left--;
	*ret_row = row;
	return ERR_OK;
}
