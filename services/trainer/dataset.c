#include "trainer/dataset.h"

#include "base/crash.h"
#include "base/limits.h"
#include "store/audit.h"
#include "trainer/candidates.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DATASET_MAP_GIB 256u

enum dataset_table {
	TABLE_SAMPLES,	  /* sample_no → sample_head, id, text, augmented */
	TABLE_CHANGES,	  /* number of its first change → change_row ... */
	TABLE_META,	  /* "project" → its id */
	TABLE_CANDIDATES, /* number of the change → class ids (uint32_t) ... */
	TABLE_COUNT,
};

static const char *const dataset_tables[TABLE_COUNT] = {"samples", "changes", "meta", "candidates"};

struct sample_head {
	uint32_t id_bytes;
	uint32_t text_bytes; /* the augmented text is the rest */
};

struct change_row {
	uint64_t sample_no;
	int32_t class_id;
	uint32_t candidate_count; /* class_id is -1, and the change has a set of so many */
};

struct dataset {
	struct store *store;
	uint64_t sample_count;
	uint64_t change_count;
};

/* Number behind the last change: the last entry's key and its rows. */
static enum err changes_end(struct store_txn *t, uint64_t *ret_count)
{
	struct store_cursor *c;
	struct store_value key, value;
	enum err e = store_cursor_open(t, TABLE_CHANGES, &c);
	if (e)
		return e;
	e = store_cursor_last(c, &key, &value);
	if (!e)
		*ret_count = store_key_read_u64(&key, 0) + value.size / sizeof(struct change_row);
	else if (e == ERR_NOT_FOUND)
		*ret_count = 0;
	store_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err counts_load(struct dataset *d)
{
	struct store_txn *t;
	enum err e = store_begin(d->store, false, &t);
	if (e)
		return e;
	e = store_count(t, TABLE_SAMPLES, &d->sample_count);
	if (!e)
		e = changes_end(t, &d->change_count);
	store_abort(t);
	return e;
}

static enum err dataset_new(const char *dir, bool stopped, struct dataset **ret_dataset,
			    struct err_msg *msg)
{
	struct dataset *d = calloc(1, sizeof *d);
	if (!d)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the training set");
	enum err e =
	    stopped ? store_open_stopped(dir, dataset_tables, TABLE_COUNT, &d->store, msg)
		    : store_open(dir, dataset_tables, TABLE_COUNT, DATASET_MAP_GIB, &d->store, msg);
	if (!e) {
		e = counts_load(d);
		if (e)
			(void)err_set(msg, e, "cannot read the training set in %s: %s", dir,
				      err_str(e));
	}
	if (e) {
		dataset_close(d);
		return e;
	}
	*ret_dataset = d;
	return ERR_OK;
}

enum err dataset_open(const char *dir, struct dataset **ret_dataset, struct err_msg *msg)
{
	return dataset_new(dir, false, ret_dataset, msg);
}

enum err dataset_open_stopped(const char *dir, struct dataset **ret_dataset, struct err_msg *msg)
{
	return dataset_new(dir, true, ret_dataset, msg);
}

enum err dataset_records_audit(struct dataset *d, struct audit *audit)
{
	struct store_txn *t;
	enum err e = store_begin(d->store, false, &t);
	if (e)
		return e;
	e = audit_records(audit, t, dataset_tables, TABLE_COUNT);
	store_abort(t);
	return e;
}

void dataset_close(struct dataset *d)
{
	if (!d)
		return;
	store_close(d->store);
	free(d);
}

static const char PROJECT_KEY[] = "project";

/* Empties the store where it is another project's, and notes whose it is. */
static enum err project_set(struct store_txn *t, const void *id, size_t id_bytes, bool *ret_wiped)
{
	struct store_value value;
	enum err e = store_get(t, TABLE_META, PROJECT_KEY, sizeof PROJECT_KEY, &value);
	bool known = !e;
	if (e && e != ERR_NOT_FOUND)
		return e;
	if (known && value.size == id_bytes && memcmp(value.data, id, id_bytes) == 0)
		return ERR_OK;
	e = ERR_OK;
	for (unsigned table = 0; known && !e && table < TABLE_COUNT; table++)
		e = store_clear(t, table);
	*ret_wiped = known;
	return e ? e : store_put(t, TABLE_META, PROJECT_KEY, sizeof PROJECT_KEY, id, id_bytes);
}

enum err dataset_project_set(struct dataset *d, const void *id, size_t id_bytes, bool *ret_wiped)
{
	struct store_txn *t;
	bool wiped = false;
	enum err e = store_begin(d->store, true, &t);
	if (e)
		return e;
	e = project_set(t, id, id_bytes, &wiped);
	if (e) {
		store_abort(t);
		return e;
	}
	e = store_commit(t);
	if (!e)
		e = counts_load(d);
	if (!e)
		*ret_wiped = wiped;
	return e;
}

uint64_t dataset_sample_count(const struct dataset *d)
{
	return d->sample_count;
}

uint64_t dataset_change_count(const struct dataset *d)
{
	return d->change_count;
}

static bool sample_valid(const Freeal__SampleRow *row)
{
	return row->id.len <= ID_BYTES_MAX && row->text.len <= SAMPLE_BYTES_MAX &&
	       row->augmented.len <= SAMPLE_BYTES_MAX;
}

static void part_copy(unsigned char **at, const ProtobufCBinaryData *part)
{
	if (part->len > 0)
		memcpy(*at, part->data, part->len);
	*at += part->len;
}

static enum err sample_append(struct store_txn *t, uint64_t sample_no, const Freeal__SampleRow *row)
{
	struct sample_head head = {.id_bytes = (uint32_t)row->id.len,
				   .text_bytes = (uint32_t)row->text.len};
	size_t size = sizeof head + row->id.len + row->text.len + row->augmented.len;
	unsigned char *value = malloc(size);
	if (!value)
		return ERR_NO_MEMORY;
	memcpy(value, &head, sizeof head);
	unsigned char *at = value + sizeof head;
	part_copy(&at, &row->id);
	part_copy(&at, &row->text);
	part_copy(&at, &row->augmented);
	assert(at == value + size);
	struct store_key key = store_key_u64(sample_no);
	enum err e = store_append(t, TABLE_SAMPLES, key.bytes, key.size, value, size);
	free(value);
	return e;
}

enum err dataset_samples_add(struct dataset *d, uint64_t first, const Freeal__SampleChunk *chunk)
{
	if (first > d->sample_count)
		return ERR_PROTOCOL;
	for (size_t i = 0; i < chunk->n_rows; i++) {
		if (!sample_valid(chunk->rows[i]))
			return ERR_PROTOCOL;
	}
	if (chunk->n_rows <= d->sample_count - first)
		return ERR_OK;
	struct store_txn *t;
	enum err e = store_begin(d->store, true, &t);
	if (e)
		return e;
	for (size_t i = (size_t)(d->sample_count - first); !e && i < chunk->n_rows; i++)
		e = sample_append(t, first + i, chunk->rows[i]);
	if (e) {
		store_abort(t);
		return e;
	}
	crash_point("replica_before");
	e = store_commit(t);
	crash_point("replica_after");
	if (!e)
		d->sample_count = first + chunk->n_rows;
	return e;
}

/* Stores the sets of the changes behind `skip` and notes them in their rows. */
static enum err candidates_put(struct store_txn *t, uint64_t first, size_t skip,
			       const Freeal__ChangeChunk *chunk, struct change_row *rows)
{
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < chunk->n_candidates; i++) {
		const Freeal__Candidates *set = chunk->candidates[i];
		if (set->row < skip)
			continue;
		struct store_key key = store_key_u64(first + set->row);
		rows[set->row - skip].candidate_count = (uint32_t)set->n_class_ids;
		e = store_put(t, TABLE_CANDIDATES, key.bytes, key.size, set->class_ids,
			      set->n_class_ids * sizeof *set->class_ids);
	}
	return e;
}

static enum err changes_put(struct store_txn *t, uint64_t first, const struct change_row *rows,
			    size_t count)
{
	struct store_key key = store_key_u64(first);
	return store_append(t, TABLE_CHANGES, key.bytes, key.size, rows, count * sizeof *rows);
}

static bool candidates_valid(const Freeal__ChangeChunk *chunk)
{
	for (size_t i = 0; i < chunk->n_candidates; i++) {
		const Freeal__Candidates *set = chunk->candidates[i];
		if (set->row >= chunk->n_class_ids || chunk->class_ids[set->row] != -1 ||
		    set->n_class_ids == 0 || set->n_class_ids > CANDIDATES_MAX)
			return false;
	}
	return true;
}

enum err dataset_changes_add(struct dataset *d, uint64_t first, const Freeal__ChangeChunk *chunk)
{
	if (first > d->change_count || chunk->n_sample_nos != chunk->n_class_ids ||
	    !candidates_valid(chunk))
		return ERR_PROTOCOL;
	if (chunk->n_sample_nos <= d->change_count - first)
		return ERR_OK;
	size_t skip = (size_t)(d->change_count - first), count = chunk->n_sample_nos - skip;
	struct change_row *rows = calloc(count, sizeof *rows);
	if (!rows)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		rows[i].sample_no = chunk->sample_nos[skip + i];
		rows[i].class_id = chunk->class_ids[skip + i];
	}
	struct store_txn *t;
	enum err e = store_begin(d->store, true, &t);
	if (!e) {
		e = candidates_put(t, first, skip, chunk, rows);
		if (!e)
			e = changes_put(t, d->change_count, rows, count);
		if (e)
			store_abort(t);
		else
			e = store_commit(t);
	}
	free(rows);
	if (!e)
		d->change_count += count;
	return e;
}

/* Points row `i` of the view at its parts. */
static enum err view_row_set(struct dataset_view *v, size_t i, const struct store_value *value)
{
	struct sample_head head;
	if (value->size < sizeof head)
		return ERR_CORRUPT;
	memcpy(&head, value->data, sizeof head);
	size_t rest = value->size - sizeof head;
	if (head.id_bytes > rest || head.text_bytes > rest - head.id_bytes)
		return ERR_CORRUPT;
	v->ids[i] = (const char *)value->data + sizeof head;
	v->id_bytes[i] = head.id_bytes;
	v->texts[i] = v->ids[i] + head.id_bytes;
	v->text_bytes[i] = head.text_bytes;
	v->augmented[i] = v->texts[i] + head.text_bytes;
	v->augmented_bytes[i] = rest - head.id_bytes - head.text_bytes;
	return ERR_OK;
}

static enum err view_fill(struct dataset_view *v)
{
	struct store_cursor *c;
	struct store_value key, value;
	enum err e = store_cursor_open(v->txn, TABLE_SAMPLES, &c);
	if (e)
		return e;
	struct store_key from = store_key_u64(v->first);
	for (size_t i = 0; !e && i < v->count; i++) {
		e = i == 0 ? store_cursor_seek(c, from.bytes, from.size, &key, &value)
			   : store_cursor_next(c, &key, &value);
		if (!e && store_key_read_u64(&key, 0) != v->first + i)
			e = ERR_NOT_FOUND;
		if (!e)
			e = view_row_set(v, i, &value);
	}
	store_cursor_close(c);
	return e;
}

static bool view_alloc(struct dataset_view *v)
{
	size_t n = v->count ? v->count : 1;
	v->ids = calloc(n, sizeof *v->ids);
	v->id_bytes = calloc(n, sizeof *v->id_bytes);
	v->texts = calloc(n, sizeof *v->texts);
	v->text_bytes = calloc(n, sizeof *v->text_bytes);
	v->augmented = calloc(n, sizeof *v->augmented);
	v->augmented_bytes = calloc(n, sizeof *v->augmented_bytes);
	return v->ids && v->id_bytes && v->texts && v->text_bytes && v->augmented &&
	       v->augmented_bytes;
}

enum err dataset_view_open(struct dataset *d, uint64_t first, size_t count,
			   struct dataset_view **ret_view)
{
	struct dataset_view *v = calloc(1, sizeof *v);
	if (!v)
		return ERR_NO_MEMORY;
	v->first = first;
	v->count = count;
	enum err e = view_alloc(v) ? store_begin(d->store, false, &v->txn) : ERR_NO_MEMORY;
	if (!e)
		e = view_fill(v);
	if (e) {
		dataset_view_close(v);
		return e;
	}
	*ret_view = v;
	return ERR_OK;
}

void dataset_view_close(struct dataset_view *v)
{
	if (!v)
		return;
	store_abort(v->txn);
	free(v->ids);
	free(v->id_bytes);
	free(v->texts);
	free(v->text_bytes);
	free(v->augmented);
	free(v->augmented_bytes);
	free(v);
}

bool dataset_view_augmented(const struct dataset_view *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (v->augmented_bytes[i] > 0)
			return true;
	return false;
}

/* The labels after a number of changes; `sets` (count) are the numbers of the changes whose sets
 * hold, plus 1, and 0 for a sample without one. */
static enum err changes_apply(struct store_cursor *c, uint64_t change_count, int32_t *labels,
			      uint64_t *sets, size_t count)
{
	struct store_value key, value;
	uint64_t change_no = 0;
	enum err e = store_cursor_seek(c, NULL, 0, &key, &value);
	while (!e && change_no < change_count) {
		if (store_key_read_u64(&key, 0) != change_no)
			return ERR_CORRUPT;
		size_t rows = value.size / sizeof(struct change_row);
		for (size_t i = 0; i < rows && change_no < change_count; i++, change_no++) {
			struct change_row row;
			memcpy(&row, (const char *)value.data + i * sizeof row, sizeof row);
			if (row.sample_no >= count)
				continue;
			labels[row.sample_no] = row.class_id;
			sets[row.sample_no] = row.candidate_count ? change_no + 1 : 0;
		}
		if (change_no < change_count)
			e = store_cursor_next(c, &key, &value);
	}
	return change_no < change_count ? e : ERR_OK;
}

static enum err candidates_get(struct store_txn *t, const uint64_t *sets, size_t count,
			       struct candidates **ret_candidates)
{
	struct candidates *c = NULL;
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < count; i++) {
		if (!sets[i])
			continue;
		struct store_key key = store_key_u64(sets[i] - 1);
		struct store_value value;
		uint32_t class_ids[CANDIDATES_MAX];
		if (!c)
			e = candidates_new(count, &c);
		if (!e)
			e = store_get(t, TABLE_CANDIDATES, key.bytes, key.size, &value);
		if (!e && (value.size == 0 || value.size > sizeof class_ids))
			e = ERR_CORRUPT;
		if (e)
			break;
		memcpy(class_ids, value.data, value.size);
		e = candidates_add(c, i, class_ids, value.size / sizeof *class_ids);
	}
	if (e) {
		candidates_free(c);
		return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
	}
	*ret_candidates = c;
	return ERR_OK;
}

enum err dataset_labels(struct dataset *d, uint64_t change_count, int32_t *labels, size_t count,
			struct candidates **ret_candidates)
{
	struct store_txn *t;
	struct store_cursor *c;
	uint64_t *sets = calloc(count + 1, sizeof *sets);
	if (!sets)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		labels[i] = -1;
	enum err e = store_begin(d->store, false, &t);
	if (e) {
		free(sets);
		return e;
	}
	e = store_cursor_open(t, TABLE_CHANGES, &c);
	if (!e) {
		e = changes_apply(c, change_count, labels, sets, count);
		store_cursor_close(c);
	}
	if (!e && ret_candidates)
		e = candidates_get(t, sets, count, ret_candidates);
	store_abort(t);
	free(sets);
	return e;
}
