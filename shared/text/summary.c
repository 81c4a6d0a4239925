#include "text/summary.h"

#include "base/limits.h"
#include "text/csv.h"
#include "text/jsonl.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void source_summary_free(struct source_summary *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->column_count; i++) {
		struct summary_column *c = &s->columns[i];
		for (size_t v = 0; v < c->value_count; v++)
			free(c->values[v]);
		free(c->values);
		free(c->name);
	}
	free(s->columns);
	free(s->path);
	free(s);
}

/* A new column; NULL where there are too many or no memory. Takes no ownership. */
static struct summary_column *summary_add_column(struct source_summary *s, const char *name,
						 size_t size)
{
	if (s->column_count >= FIELD_COUNT_MAX)
		return NULL;
	if ((s->column_count & (s->column_count - 1)) == 0) {
		size_t capacity = s->column_count ? s->column_count * 2 : 1;
		struct summary_column *columns = realloc(s->columns, capacity * sizeof *columns);
		if (!columns)
			return NULL;
		s->columns = columns;
	}
	struct summary_column *c = &s->columns[s->column_count];
	*c = (struct summary_column){.name = strndup(name, size)};
	if (!c->name)
		return NULL;
	s->column_count++;
	return c;
}

static void column_drop_values(struct summary_column *c)
{
	for (size_t i = 0; i < c->value_count; i++)
		free(c->values[i]);
	free(c->values);
	c->values = NULL;
	c->value_count = 0;
	c->many_values = true;
}

static enum err column_add_distinct(struct summary_column *c, const char *data, size_t size)
{
	for (size_t i = 0; i < c->value_count; i++) {
		if (strlen(c->values[i]) == size && memcmp(c->values[i], data, size) == 0)
			return ERR_OK;
	}
	if (size > SUMMARY_VALUE_BYTES_MAX || c->value_count == SUMMARY_VALUES_MAX ||
	    memchr(data, '\0', size)) {
		column_drop_values(c);
		return ERR_OK;
	}
	if (!c->values)
		c->values = calloc(SUMMARY_VALUES_MAX, sizeof *c->values);
	char *copy = c->values ? strndup(data, size) : NULL;
	if (!copy)
		return ERR_NO_MEMORY;
	c->values[c->value_count++] = copy;
	return ERR_OK;
}

static enum err column_add_value(struct summary_column *c, const char *data, size_t size)
{
	if (size == 0)
		return ERR_OK;
	if (c->filled == 0) {
		size_t kept = size < sizeof c->first - 1 ? size : sizeof c->first - 1;
		kept = utf8_valid_size(data, kept);
		for (size_t i = 0; i < kept; i++)
			c->first[i] = (unsigned char)data[i] < 0x20 ? ' ' : data[i];
	}
	c->filled++;
	c->bytes += size;
	return c->many_values ? ERR_OK : column_add_distinct(c, data, size);
}

/* Names are short, distinct, not empty and no numbers. */
static bool record_is_header(const struct csv_record *r)
{
	for (size_t i = 0; i < r->field_count; i++) {
		const struct csv_field *f = &r->fields[i];
		if (f->size == 0 || f->size > 64 || strspn(f->data, "0123456789.-+") == f->size)
			return false;
		for (size_t j = 0; j < i; j++) {
			if (r->fields[j].size == f->size &&
			    memcmp(r->fields[j].data, f->data, f->size) == 0)
				return false;
		}
	}
	return true;
}

static enum err summary_set_columns(struct source_summary *s, const struct csv_record *r)
{
	s->header = record_is_header(r);
	for (size_t i = 0; i < r->field_count; i++) {
		char number[24];
		(void)snprintf(number, sizeof number, "%zu", i);
		const char *name = s->header ? r->fields[i].data : number;
		if (!summary_add_column(s, name, s->header ? r->fields[i].size : strlen(number)))
			return ERR_NO_MEMORY;
	}
	return ERR_OK;
}

static enum err summary_add_record(struct source_summary *s, const struct csv_record *r)
{
	if (r->blank)
		return ERR_OK;
	if (s->column_count == 0) {
		enum err err = summary_set_columns(s, r);
		if (err || s->header)
			return err;
	}
	s->rows++;
	for (size_t i = 0; i < r->field_count && i < s->column_count; i++) {
		enum err err =
		    column_add_value(&s->columns[i], r->fields[i].data, r->fields[i].size);
		if (err)
			return err;
	}
	return ERR_OK;
}

static enum err summary_read_csv(struct source_summary *s, struct input *input,
				 enum source_format format, struct err_msg *msg)
{
	const struct csv_options options = {
	    .separator = format == SOURCE_TSV ? '\t' : ',',
	    .quotes = format == SOURCE_CSV,
	    .record_bytes_max = RECORD_BYTES_MAX,
	};
	struct csv *csv;
	enum err err = csv_new(input, &options, &csv);
	if (err)
		return err_set(msg, err, "%s: %s", s->path, err_str(err));
	for (;;) {
		struct csv_record record;
		uint64_t line;
		err = csv_next(csv, &record, &line, msg);
		if (err) {
			err = err_prefix(msg, err, "%s:%llu", s->path, (unsigned long long)line);
			break;
		}
		s->truncated = record.field_count > 0 && s->rows >= SUMMARY_ROWS_MAX;
		if (record.field_count == 0 || s->truncated)
			break;
		err = summary_add_record(s, &record);
		if (err) {
			err = err_set(msg, err, "%s: %s", s->path, err_str(err));
			break;
		}
	}
	csv_free(csv);
	return err;
}

static struct summary_column *summary_column_named(struct source_summary *s, const char *name)
{
	for (size_t i = 0; i < s->column_count; i++) {
		if (strcmp(s->columns[i].name, name) == 0)
			return &s->columns[i];
	}
	return summary_add_column(s, name, strlen(name));
}

static enum err summary_add_object(struct source_summary *s, const json_t *object)
{
	json_t *iterated = (json_t *)(uintptr_t)object;
	s->rows++;
	for (void *i = json_object_iter(iterated); i; i = json_object_iter_next(iterated, i)) {
		const json_t *value = json_object_iter_value(i);
		if (!json_is_string(value) && !json_is_integer(value))
			continue;
		struct summary_column *c = summary_column_named(s, json_object_iter_key(i));
		/* More keys than columns are allowed: those that came first will do. */
		if (!c)
			continue;
		char number[32];
		(void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
		bool text = json_is_string(value);
		enum err err = column_add_value(c, text ? json_string_value(value) : number,
						text ? json_string_length(value) : strlen(number));
		if (err)
			return err;
	}
	return ERR_OK;
}

static enum err summary_read_jsonl(struct source_summary *s, struct input *input,
				   struct err_msg *msg)
{
	s->header = true;
	struct jsonl *jsonl;
	enum err err = jsonl_new(input, RECORD_BYTES_MAX, &jsonl);
	if (err)
		return err_set(msg, err, "%s: %s", s->path, err_str(err));
	for (;;) {
		const json_t *object;
		uint64_t line;
		err = jsonl_next(jsonl, &object, &line, msg);
		if (err) {
			err = err_prefix(msg, err, "%s:%llu", s->path, (unsigned long long)line);
			break;
		}
		s->truncated = object && s->rows >= SUMMARY_ROWS_MAX;
		if (!object || s->truncated)
			break;
		err = summary_add_object(s, object);
		if (err) {
			err = err_set(msg, err, "%s: %s", s->path, err_str(err));
			break;
		}
	}
	jsonl_free(jsonl);
	return err;
}

enum err source_inspect(const char *path, enum source_format format,
			struct source_summary **ret_summary, struct err_msg *msg)
{
	if (format == SOURCE_BY_NAME)
		format = source_format_of(path);
	if (format == SOURCE_BY_NAME)
		return err_set(
		    msg, ERR_INVALID,
		    "%s: format unknown; the file's name has to end in .csv, .tsv or .jsonl", path);
	struct input *input;
	enum err err = input_open(path, INPUT_WAIT, &input, msg);
	if (err)
		return err;
	struct source_summary *s = calloc(1, sizeof *s);
	if (s)
		s->path = strdup(path);
	if (!s || !s->path)
		err = err_set(msg, ERR_NO_MEMORY, "%s: %s", path, err_str(ERR_NO_MEMORY));
	else if (format == SOURCE_JSONL)
		err = summary_read_jsonl(s, input, msg);
	else
		err = summary_read_csv(s, input, format, msg);
	input_free(input);
	if (!err && s->rows == 0)
		err = err_set(msg, ERR_INVALID, "%s: no samples: the file has no rows", path);
	if (err) {
		source_summary_free(s);
		return err;
	}
	*ret_summary = s;
	return ERR_OK;
}

/* The first column with one of the names, case ignored; `names` ends in NULL. */
static int summary_find(const struct source_summary *s, const char *const *names)
{
	for (; *names; names++) {
		for (size_t i = 0; i < s->column_count; i++) {
			const char *own = s->columns[i].name;
			if (utf8_fold_equal(own, strlen(own), *names, strlen(*names)))
				return (int)i;
		}
	}
	return -1;
}

static bool column_may_be_gold(const struct source_summary *s, size_t column)
{
	const struct summary_column *c = &s->columns[column];
	return !c->many_values && c->value_count >= 2 && c->filled >= 4 * c->value_count &&
	       c->filled * 2 >= s->rows;
}

/* In a column that is named like labels few rows will do. */
static bool column_is_named_gold(const struct source_summary *s, size_t column)
{
	const struct summary_column *c = &s->columns[column];
	return !c->many_values && c->value_count >= 2;
}

struct summary_guess source_summary_guess(const struct source_summary *s)
{
	static const char *const text_names[] = {"text", "sentence", "review",	    "content",
						 "body", "message",  "description", NULL};
	static const char *const id_names[] = {"id", "uid", "guid", "uuid", NULL};
	static const char *const gold_names[] = {
	    "label", "gold", "class", "category", "sentiment", "topic", "section", "target", NULL};
	static const char *const augmented_names[] = {"augmented",	  "back_translation",
						      "back-translation", "backtranslation",
						      "paraphrase",	  NULL};
	struct summary_guess g = {
	    .text = summary_find(s, text_names),
	    .id = summary_find(s, id_names),
	    .gold = summary_find(s, gold_names),
	    .augmented = summary_find(s, augmented_names),
	};
	for (size_t i = 0; i < s->column_count && summary_find(s, text_names) < 0; i++) {
		if (g.text < 0 || s->columns[i].bytes > s->columns[g.text].bytes)
			g.text = (int)i;
	}
	if (g.gold >= 0 && !column_is_named_gold(s, (size_t)g.gold))
		g.gold = -1;
	for (size_t i = 0; i < s->column_count && g.gold < 0; i++) {
		bool free_column = (int)i != g.text && (int)i != g.id && (int)i != g.augmented;
		if (free_column && column_may_be_gold(s, i))
			g.gold = (int)i;
	}
	if (g.gold == g.text)
		g.gold = -1;
	return g;
}
