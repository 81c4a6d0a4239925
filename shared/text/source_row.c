#include "base/limits.h"
#include "text/source_impl.h"
#include "text/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cell as it stands in the file; NULL where there is none. */
struct cell {
	const char *data;
	size_t size;
};

struct cells {
	uint64_t line;
	struct cell at[COLUMN_COUNT];
	bool end;   /* there are no more */
	bool fatal; /* an error is the whole file's, not this row's */
};

/* Cuts a text for a message at a code point. */
static int cut(const char *text, size_t size)
{
	size_t n = size < 60 ? size : 60;
	while (n > 0 && n < size && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

static enum err cells_from_record(struct source *s, const struct csv_record *record,
				  struct cells *cells, struct err_msg *msg)
{
	if (s->field_count == 0) {
		for (size_t c = 0; c < COLUMN_COUNT; c++) {
			if (!s->columns[c] || s->fields[c] < record->field_count)
				continue;
			cells->fatal = true;
			return err_set(msg, ERR_INVALID,
				       "there is no column %s: the file has %zu, numbered from 0",
				       s->columns[c], record->field_count);
		}
		s->field_count = record->field_count;
	}
	if (record->field_count != s->field_count)
		return err_set(
		    msg, ERR_INVALID,
		    "%zu columns instead of %zu; quote a text that contains the separator",
		    record->field_count, s->field_count);
	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		if (s->present[c]) {
			const struct csv_field *f = &record->fields[s->fields[c]];
			cells->at[c] = (struct cell){.data = f->data, .size = f->size};
		}
	}
	return ERR_OK;
}

/* A blank line of a file of one column is an empty text, but none at the end is a row. */
static enum err cells_from_blank(struct source *s, struct cells *cells, struct err_msg *msg)
{
	cells->line = s->blank_line;
	enum err err = csv_rest_is_blank(s->csv, &cells->end);
	if (err)
		return err_set(msg, err, "%s", err_str(err));
	s->blank_line = 0;
	cells->at[COLUMN_TEXT] = (struct cell){.data = ""};
	return ERR_OK;
}

static enum err cells_read_csv(struct source *s, struct cells *cells, struct err_msg *msg)
{
	while (!s->blank_line) {
		struct csv_record record;
		enum err err = csv_next(s->csv, &record, &cells->line, msg);
		if (err)
			return err;
		if (record.field_count == 0) {
			cells->end = true;
			return ERR_OK;
		}
		if (!record.blank)
			return cells_from_record(s, &record, cells, msg);
		if (s->field_count == 1)
			s->blank_line = record.line;
	}
	return cells_from_blank(s, cells, msg);
}

static const char *value_type(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

static enum err cell_from_json(struct source *s, size_t column, const json_t *value,
			       struct cell *cell, struct err_msg *msg)
{
	if (json_is_string(value)) {
		*cell = (struct cell){json_string_value(value), json_string_length(value)};
		return ERR_OK;
	}
	bool number_allowed = column == COLUMN_ID || column == COLUMN_GOLD;
	if (number_allowed && json_is_integer(value)) {
		char *text = s->numbers[column];
		int size = snprintf(text, sizeof s->numbers[column], "%lld",
				    (long long)json_integer_value(value));
		*cell = (struct cell){text, (size_t)size};
		return ERR_OK;
	}
	return err_set(msg, ERR_INVALID, "\"%s\" is %s; it must be a string%s", s->columns[column],
		       value_type(value), number_allowed ? " or an integer" : "");
}

static enum err cells_missing_key(const struct source *s, size_t column, const json_t *object,
				  struct err_msg *msg)
{
	struct buf keys;
	buf_init(&keys, 4096);
	void *iter = json_object_iter((json_t *)(uintptr_t)object);
	for (; iter && keys.size < 300;
	     iter = json_object_iter_next((json_t *)(uintptr_t)object, iter)) {
		const char *key = json_object_iter_key(iter);
		buf_printf(&keys, "%s%.*s", keys.size ? ", " : "", cut(key, strlen(key)), key);
	}
	enum err err =
	    err_set(msg, ERR_INVALID,
		    "there is no \"%s\"; give it, or name another column (the keys here: %s)",
		    s->columns[column], buf_str(&keys));
	buf_done(&keys);
	return err;
}

static enum err cells_read_jsonl(struct source *s, struct cells *cells, struct err_msg *msg)
{
	const json_t *object;
	enum err err = jsonl_next(s->jsonl, &object, &cells->line, msg);
	if (err)
		return err;
	if (!object) {
		cells->end = true;
		return ERR_OK;
	}
	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		const json_t *value = s->columns[c] ? json_object_get(object, s->columns[c]) : NULL;
		if (value)
			s->present[c] = true;
		if (value && !json_is_null(value))
			err = cell_from_json(s, c, value, &cells->at[c], msg);
		else if (s->columns[c] && c < COLUMN_GOLD)
			err = cells_missing_key(s, c, object, msg);
		if (err)
			return err;
	}
	return ERR_OK;
}

/* A label's number, or -1. */
static int32_t gold_find(struct source *s, const char *data, size_t size)
{
	const uint64_t *found = seen_find(&s->labels, source_hash(s, data, size));
	const char *name = found ? s->options.labels[*found - 1] : NULL;
	if (name && strlen(name) == size && memcmp(name, data, size) == 0)
		return (int32_t)(*found - 1);
	if (size <= 4 && strspn(data, "0123456789") == size) {
		unsigned long number = strtoul(data, NULL, 10);
		return number < s->options.label_count ? (int32_t)number : -1;
	}
	buf_reset(&s->folded);
	utf8_fold_add(&s->folded, data, size);
	if (buf_error(&s->folded))
		return -1;
	found = seen_find(&s->labels, source_hash(s, buf_str(&s->folded), s->folded.size));
	name = found ? s->options.labels[*found - 1] : NULL;
	return name && utf8_fold_equal(name, strlen(name), data, size) ? (int32_t)(*found - 1) : -1;
}

static enum err row_set_gold(struct source *s, const struct cell *cell, struct source_row *row,
			     struct err_msg *msg)
{
	const char *data = cell->data;
	size_t size = cell->size;
	row->gold = -1;
	if (!data)
		return ERR_OK;
	utf8_trim(&data, &size);
	if (size == 0)
		return ERR_OK;
	row->gold = gold_find(s, data, size);
	if (row->gold >= 0)
		return ERR_OK;
	struct buf list;
	buf_init(&list, 4096);
	for (size_t i = 0; i < s->options.label_count && list.size < 300; i++)
		buf_printf(&list, "%s%.*s", i ? ", " : "",
			   cut(s->options.labels[i], strlen(s->options.labels[i])),
			   s->options.labels[i]);
	enum err err =
	    err_set(msg, ERR_INVALID,
		    "gold label \"%.*s\" is not one of the labels (%s) nor a number below "
		    "%zu; mend it, or add the label",
		    cut(data, size), data, buf_str(&list), s->options.label_count);
	buf_done(&list);
	return err;
}

static enum err cells_check(const struct source *s, const struct cells *cells, struct err_msg *msg)
{
	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		const struct cell *cell = &cells->at[c];
		size_t valid = cell->data ? utf8_valid_size(cell->data, cell->size) : cell->size;
		if (valid < cell->size)
			return err_set(
			    msg, ERR_INVALID,
			    "invalid UTF-8 in column %s at byte %zu of it; save the file "
			    "as UTF-8",
			    s->columns[c], valid);
		bool is_text = c == COLUMN_TEXT || c == COLUMN_AUGMENTED;
		if (is_text && cell->size > SAMPLE_BYTES_MAX)
			return err_set(
			    msg, ERR_LIMIT,
			    "column %s has %zu bytes, more than the %u allowed; shorten it",
			    s->columns[c], cell->size, SAMPLE_BYTES_MAX);
	}
	const char *text = cells->at[COLUMN_TEXT].data;
	size_t size = cells->at[COLUMN_TEXT].size;
	assert(text);
	utf8_trim(&text, &size);
	if (size == 0)
		return err_set(msg, ERR_INVALID, "empty text; fill it in or remove the row");
	return ERR_OK;
}

static enum err id_check(const struct cell *id, struct err_msg *msg)
{
	if (id->size == 0)
		return err_set(msg, ERR_INVALID,
			       "empty id; give every row one, or leave the id column out");
	if (id->size > ID_BYTES_MAX)
		return err_set(msg, ERR_LIMIT, "an id of %zu bytes, more than the %d allowed",
			       id->size, ID_BYTES_MAX);
	for (size_t i = 0; i < id->size; i++) {
		if ((unsigned char)id->data[i] < 0x20)
			return err_set(msg, ERR_INVALID,
				       "an id with a control character; remove it");
	}
	return ERR_OK;
}

/* *ret_skip: the row was there before, id and text. */
static enum err row_set_id(struct source *s, const struct cell *id, struct source_row *row,
			   bool *ret_skip, struct err_msg *msg)
{
	uint64_t *value, key;
	bool new;
	*ret_skip = false;
	if (!id->data) {
		row->id_size = source_content_id(s->id, row->text, row->text_size, 1);
		row->id = s->id;
		key = source_hash(s, s->id, row->id_size);
		enum err err = seen_slot(&s->seen, key, &value, &new);
		if (err)
			return err_set(msg, err, "%s", err_str(err));
		if (++*value > 1)
			row->id_size +=
			    (size_t)snprintf(s->id + row->id_size, sizeof s->id - row->id_size,
					     "#%llu", (unsigned long long)*value);
		return ERR_OK;
	}
	enum err err = id_check(id, msg);
	if (err)
		return err;
	row->id = id->data;
	row->id_size = id->size;
	key = source_hash(s, id->data, id->size);
	err = seen_slot(&s->seen, key, &value, &new);
	if (err)
		return err_set(msg, err, "%s", err_str(err));
	uint64_t text_hash = source_hash(s, row->text, row->text_size);
	if (new) {
		*value = text_hash;
		return ERR_OK;
	}
	*ret_skip = *value == text_hash;
	if (*ret_skip)
		return ERR_OK;
	return err_set(msg, ERR_INVALID,
		       "id \"%.*s\" was given before with another text; make the ids unique",
		       cut(id->data, id->size), id->data);
}

static enum err row_make(struct source *s, const struct cells *cells, struct source_row *row,
			 bool *ret_skip, struct err_msg *msg)
{
	enum err err = cells_check(s, cells, msg);
	if (err)
		return err;
	const struct cell *text = &cells->at[COLUMN_TEXT];
	const struct cell *augmented = &cells->at[COLUMN_AUGMENTED];
	*row = (struct source_row){
	    .line = cells->line,
	    .text = text->data,
	    .text_size = text->size,
	    .augmented = augmented->size ? augmented->data : NULL,
	    .augmented_size = augmented->size,
	};
	err = row_set_gold(s, &cells->at[COLUMN_GOLD], row, msg);
	if (err)
		return err;
	return row_set_id(s, &cells->at[COLUMN_ID], row, ret_skip, msg);
}

static enum err source_end(const struct source *s, struct source_row *ret_row, struct err_msg *msg)
{
	bool any = s->counts.rows + s->counts.rejected > 0;
	if (!any && !s->options.reject)
		return err_set(msg, ERR_INVALID, "%s: no samples: the file has no rows", s->name);
	for (size_t c = COLUMN_GOLD; c < COLUMN_COUNT; c++) {
		if (any && s->columns[c] && !s->present[c] && !s->options.optional_missing)
			return err_set(
			    msg, ERR_INVALID,
			    "%s: there is no column \"%s\": no row has that key; leave it "
			    "out or name another",
			    s->name, s->columns[c]);
	}
	*ret_row = (struct source_row){.gold = -1};
	return ERR_OK;
}

enum err source_next(struct source *s, struct source_row *ret_row, struct err_msg *msg)
{
	for (;;) {
		struct cells cells = {0};
		struct source_row row;
		struct err_msg reason;
		bool skip = false, end;
		enum err err = source_prepare(s, &end, msg);
		if (err)
			return err;
		if (end)
			return source_end(s, ret_row, msg);
		err = s->csv ? cells_read_csv(s, &cells, &reason)
			     : cells_read_jsonl(s, &cells, &reason);
		if (err == ERR_AGAIN)
			return err;
		s->ended = err == ERR_CANCELLED || (!err && cells.end);
		if (s->ended)
			continue;
		if (!err)
			err = row_make(s, &cells, &row, &skip, &reason);
		if (!err && skip) {
			s->counts.duplicates++;
			continue;
		}
		if (!err) {
			s->counts.rows++;
			*ret_row = row;
			return ERR_OK;
		}
		bool bad_row = (err == ERR_INVALID || err == ERR_LIMIT) && !cells.fatal;
		if (!bad_row || !s->options.reject)
			return err_set(msg, err == ERR_CORRUPT ? ERR_INVALID : err, "%s:%llu: %s",
				       s->name, (unsigned long long)cells.line, reason.text);
		s->counts.rejected++;
		s->options.reject(s->options.reject_context, cells.line, reason.text);
	}
}

struct source_counts source_counts(const struct source *s)
{
	return s->counts;
}

bool source_is_strict(const struct source *s)
{
	return !s->options.reject;
}

int source_fd(const struct source *s)
{
	return input_fd(s->input);
}

bool source_has_gold(const struct source *s)
{
	return s->present[COLUMN_GOLD];
}

bool source_has_augmented(const struct source *s)
{
	return s->present[COLUMN_AUGMENTED];
}
