#include "text/source.h"

#include "base/limits.h"
#include "text/source_impl.h"
#include "text/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const column_names[COLUMN_COUNT] = {"text", "id", "gold", "augmented"};

enum source_format source_format_parse(const char *name)
{
	if (strcmp(name, "csv") == 0)
		return SOURCE_CSV;
	if (strcmp(name, "tsv") == 0)
		return SOURCE_TSV;
	if (strcmp(name, "jsonl") == 0 || strcmp(name, "ndjson") == 0)
		return SOURCE_JSONL;
	return SOURCE_BY_NAME;
}

enum source_format source_format_of(const char *path)
{
	size_t size = strlen(path);
	if (size > 3 && strcmp(path + size - 3, ".gz") == 0)
		size -= 3;
	const char *dot = memrchr(path, '.', size);
	char ending[8];
	size_t ending_size = dot ? size - (size_t)(dot + 1 - path) : 0;
	if (ending_size == 0 || ending_size >= sizeof ending)
		return SOURCE_BY_NAME;
	memcpy(ending, dot + 1, ending_size);
	ending[ending_size] = '\0';
	return source_format_parse(ending);
}

size_t source_content_id(char ret_id[64], const char *text, size_t size, uint64_t occurrence)
{
	unsigned char hash[16];
	(void)crypto_generichash(hash, sizeof hash, (const unsigned char *)text, size, NULL, 0);
	(void)sodium_bin2hex(ret_id, 64, hash, sizeof hash);
	if (occurrence <= 1)
		return 32;
	return 32 + (size_t)snprintf(ret_id + 32, 32, "#%llu", (unsigned long long)occurrence);
}

uint64_t source_hash(const struct source *s, const char *data, size_t size)
{
	unsigned char bytes[crypto_shorthash_BYTES];
	(void)crypto_shorthash(bytes, (const unsigned char *)data, size, s->key);
	uint64_t hash;
	memcpy(&hash, bytes, sizeof hash);
	return hash;
}

static bool source_is_number(const char *text)
{
	size_t size = strlen(text);
	return size > 0 && size <= 6 && strspn(text, "0123456789") == size;
}

/* Copies the columns; they are all names or all numbers. */
static enum err source_set_columns(struct source *s, struct err_msg *msg)
{
	const struct source_columns *c = &s->options.columns;
	const char *const given[COLUMN_COUNT] = {c->text, c->id, c->gold, c->augmented};
	assert(c->text);
	size_t numbers = 0, count = 0;
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (!given[i])
			continue;
		s->columns[i] = strdup(given[i]);
		if (!s->columns[i])
			return ERR_NO_MEMORY;
		count++;
		numbers += source_is_number(given[i]);
	}
	if (s->format == SOURCE_JSONL || numbers == 0)
		return ERR_OK;
	if (numbers < count)
		return err_set(msg, ERR_INVALID,
			       "%s: columns are given partly by name and partly by number; use "
			       "names where the file has a header, numbers where it has none",
			       s->name);
	s->numbered = true;
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (s->columns[i]) {
			s->fields[i] = strtoul(s->columns[i], NULL, 10);
			s->present[i] = true;
		}
	}
	return ERR_OK;
}

static enum err source_set_labels(struct source *s)
{
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < s->options.label_count; i++) {
			const char *name = s->options.labels[i];
			buf_reset(&s->folded);
			if (pass == 0)
				buf_add_str(&s->folded, name);
			else
				utf8_fold_add(&s->folded, name, strlen(name));
			uint64_t *value;
			bool new;
			enum err err = buf_error(&s->folded);
			if (!err)
				err = seen_slot(&s->labels,
						source_hash(s, buf_str(&s->folded), s->folded.size),
						&value, &new);
			if (err)
				return err;
			if (new)
				*value = i + 1;
		}
	}
	return ERR_OK;
}

/* "a", "b" and so on, for messages; at most a line of them. */
static void source_add_list(struct buf *out, const char *const *names, const size_t *sizes,
			    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (out->size > 300) {
			buf_add_str(out, ", ...");
			return;
		}
		int size = sizes ? (int)(sizes[i] < 60 ? sizes[i] : 60) : 60;
		buf_printf(out, "%s%.*s", i ? ", " : "", size, names[i]);
	}
}

static enum err source_unknown_column(const struct source *s, size_t column,
				      const struct csv_record *header, struct err_msg *msg)
{
	const char *names[FIELD_COUNT_MAX];
	size_t sizes[FIELD_COUNT_MAX];
	for (size_t i = 0; i < header->field_count; i++) {
		names[i] = header->fields[i].data;
		sizes[i] = header->fields[i].size;
	}
	struct buf list;
	buf_init(&list, 4096);
	source_add_list(&list, names, sizes, header->field_count);
	enum err err = err_set(msg, ERR_INVALID,
			       "%s:%llu: there is no column \"%s\" for %s; the header has: %s",
			       s->name, (unsigned long long)header->line, s->columns[column],
			       column_names[column], buf_str(&list));
	buf_done(&list);
	return err;
}

static enum err source_find_columns(struct source *s, const struct csv_record *header,
				    struct err_msg *msg)
{
	for (size_t i = 0; i < header->field_count; i++) {
		if (!utf8_is_valid(header->fields[i].data, header->fields[i].size))
			return err_set(
			    msg, ERR_INVALID,
			    "%s:%llu: invalid UTF-8 in the header; save the file as UTF-8", s->name,
			    (unsigned long long)header->line);
	}
	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		size_t size = s->columns[c] ? strlen(s->columns[c]) : 0;
		for (size_t i = 0; s->columns[c] && i < header->field_count; i++) {
			const struct csv_field *f = &header->fields[i];
			if (f->size != size || memcmp(f->data, s->columns[c], size) != 0)
				continue;
			if (s->present[c])
				return err_set(msg, ERR_INVALID,
					       "%s:%llu: the header has \"%s\" twice; rename one",
					       s->name, (unsigned long long)header->line,
					       s->columns[c]);
			s->present[c] = true;
			s->fields[c] = i;
		}
		bool optional = s->options.optional_missing && c >= COLUMN_GOLD;
		if (s->columns[c] && !s->present[c] && !optional)
			return source_unknown_column(s, c, header, msg);
	}
	s->field_count = header->field_count;
	return ERR_OK;
}

static enum err source_read_header(struct source *s, struct err_msg *msg)
{
	struct csv_record header;
	uint64_t line;
	do {
		enum err err = csv_next(s->csv, &header, &line, msg);
		s->ended = err == ERR_CANCELLED;
		if (err == ERR_AGAIN || err == ERR_CANCELLED)
			return ERR_AGAIN;
		if (err)
			return err_prefix(msg, err == ERR_CORRUPT ? ERR_INVALID : err, "%s:%llu",
					  s->name, (unsigned long long)line);
	} while (header.blank);
	s->ended = header.field_count == 0 && input_follows(s->input);
	if (s->ended)
		return ERR_AGAIN;
	if (header.field_count == 0)
		return err_set(msg, ERR_INVALID,
			       "%s: no samples: the file is empty; it needs a header line and rows",
			       s->name);
	s->header_due = false;
	return source_find_columns(s, &header, msg);
}

/* A parser at the input's start. */
static enum err source_begin_file(struct source *s)
{
	csv_free(s->csv);
	jsonl_free(s->jsonl);
	s->csv = NULL;
	s->jsonl = NULL;
	seen_done(&s->seen);
	s->ended = false;
	s->blank_line = 0;
	s->field_count = 0;
	if (s->format == SOURCE_JSONL)
		return jsonl_new(s->input, RECORD_BYTES_MAX, &s->jsonl);
	const struct csv_options options = {
	    .separator = s->format == SOURCE_TSV ? '\t' : ',',
	    .quotes = s->format == SOURCE_CSV,
	    .record_bytes_max = RECORD_BYTES_MAX,
	};
	s->header_due = !s->numbered;
	if (s->header_due)
		memset(s->present, 0, sizeof s->present);
	return csv_new(s->input, &options, &s->csv);
}

enum err source_prepare(struct source *s, bool *ret_end, struct err_msg *msg)
{
	*ret_end = false;
	if (s->ended) {
		enum err err = input_next(s->input);
		*ret_end = err == ERR_NOT_FOUND;
		if (err)
			return *ret_end ? ERR_OK : err;
		err = source_begin_file(s);
		if (err)
			return err_set(msg, err, "%s", err_str(err));
	}
	return s->header_due ? source_read_header(s, msg) : ERR_OK;
}

static struct source *source_make(const char *name, const struct source_options *options)
{
	assert(options->label_count <= LABEL_COUNT_MAX);
	assert(!options->columns.gold || options->label_count > 0);
	struct source *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->options = *options;
	s->format = options->format;
	buf_init(&s->folded, SAMPLE_BYTES_MAX * 2);
	s->name = strdup(name);
	if (!s->name || sodium_init() < 0) {
		source_free(s);
		return NULL;
	}
	randombytes_buf(s->key, sizeof s->key);
	return s;
}

static enum err source_set_format(struct source *s, const char *path, struct err_msg *msg)
{
	if (s->format == SOURCE_BY_NAME)
		s->format = source_format_of(path);
	if (s->format != SOURCE_BY_NAME)
		return ERR_OK;
	return err_set(msg, ERR_INVALID, "%s: format unknown; %s", s->name,
		       strcmp(path, "-") == 0
			   ? "give it as csv, tsv or jsonl"
			   : "the file's name has to end in .csv, .tsv or .jsonl");
}

/* Takes what is left to set up once the input is there; frees the source on an error. */
static enum err source_begin(struct source *s, struct source **ret_source, struct err_msg *msg)
{
	bool end;
	enum err err = source_set_columns(s, msg);
	if (!err)
		err = source_set_labels(s);
	if (!err)
		err = source_begin_file(s);
	if (err == ERR_NO_MEMORY)
		(void)err_set(msg, err, "%s", err_str(err));
	if (!err)
		err = source_prepare(s, &end, msg);
	if (err && err != ERR_AGAIN) {
		source_free(s);
		return err;
	}
	*ret_source = s;
	return ERR_OK;
}

enum err source_open(const char *path, const struct source_options *options,
		     struct source **ret_source, struct err_msg *msg)
{
	struct source *s = source_make(strcmp(path, "-") == 0 ? "standard input" : path, options);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "%s", err_str(ERR_NO_MEMORY));
	enum err err = source_set_format(s, path, msg);
	if (!err)
		err = input_open(path, options->mode, &s->input, msg);
	if (err) {
		source_free(s);
		return err;
	}
	return source_begin(s, ret_source, msg);
}

enum err source_open_memory(const char *name, const void *data, size_t size,
			    const struct source_options *options, struct source **ret_source,
			    struct err_msg *msg)
{
	assert(options->format != SOURCE_BY_NAME);
	struct source *s = source_make(name, options);
	if (!s || input_open_memory(data, size, &s->input)) {
		source_free(s);
		return err_set(msg, ERR_NO_MEMORY, "%s", err_str(ERR_NO_MEMORY));
	}
	return source_begin(s, ret_source, msg);
}

void source_free(struct source *s)
{
	if (!s)
		return;
	csv_free(s->csv);
	jsonl_free(s->jsonl);
	input_free(s->input);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		free(s->columns[i]);
	seen_done(&s->labels);
	seen_done(&s->seen);
	buf_done(&s->folded);
	free(s->name);
	free(s);
}
