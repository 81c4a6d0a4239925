#include "text/source.h"

#include "base/limits.h"
#include "text/source_impl.h"
#include "text/utf8.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	const char *dot = strrchr(path, '.');
	return dot ? source_format_parse(dot + 1) : SOURCE_BY_NAME;
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
		if (err)
			return err_prefix(msg, err, "%s:%llu", s->name, (unsigned long long)line);
	} while (header.blank);
	if (header.field_count == 0)
		return err_set(msg, ERR_INVALID,
			       "%s: no samples: the file is empty; it needs a header line and rows",
			       s->name);
	return source_find_columns(s, &header, msg);
}

/* Takes what is left to set up once the parser is there. */
static enum err source_begin(struct source *s, struct err_msg *msg)
{
	enum err err = source_set_columns(s, msg);
	if (!err)
		err = source_set_labels(s);
	if (err == ERR_NO_MEMORY)
		return err_set(msg, err, "%s", err_str(err));
	if (!err && s->csv && !s->numbered)
		err = source_read_header(s, msg);
	return err;
}

static struct source *source_make(const char *name, const struct source_options *options)
{
	assert(options->label_count <= LABEL_COUNT_MAX);
	assert(!options->columns.gold || options->label_count > 0);
	struct source *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->fd = -1;
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

static enum err source_open_file(struct source *s, const char *path, struct err_msg *msg)
{
	bool standard = strcmp(path, "-") == 0;
	if (s->format == SOURCE_BY_NAME)
		s->format = source_format_of(path);
	if (s->format == SOURCE_BY_NAME)
		return err_set(msg, ERR_INVALID, "%s: format unknown; %s", s->name,
			       standard ? "give it as csv, tsv or jsonl"
					: "the file's name has to end in .csv, .tsv or .jsonl");
	s->fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT)
		return err_set(msg, ERR_INVALID, "%s: no such file; check the path", s->name);
	if (s->fd < 0)
		return err_set(msg, ERR_INVALID, "%s: cannot be opened: %s", s->name,
			       strerror(errno));
	struct stat st;
	if (fstat(s->fd, &st) == 0 && S_ISDIR(st.st_mode))
		return err_set(msg, ERR_INVALID, "%s: is a folder; give a file", s->name);
	if (S_ISREG(st.st_mode))
		s->size = (uint64_t)st.st_size;
	return ERR_OK;
}

static struct csv_options source_csv_options(const struct source *s)
{
	return (struct csv_options){
	    .separator = s->format == SOURCE_TSV ? '\t' : ',',
	    .quotes = s->format == SOURCE_CSV,
	    .record_bytes_max = RECORD_BYTES_MAX,
	};
}

enum err source_open(const char *path, const struct source_options *options,
		     struct source **ret_source, struct err_msg *msg)
{
	struct source *s = source_make(strcmp(path, "-") == 0 ? "standard input" : path, options);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "%s", err_str(ERR_NO_MEMORY));
	enum err err = source_open_file(s, path, msg);
	if (!err && s->format == SOURCE_JSONL) {
		err = jsonl_new(s->fd, RECORD_BYTES_MAX, &s->jsonl);
	} else if (!err) {
		struct csv_options csv_options = source_csv_options(s);
		err = csv_new(s->fd, &csv_options, &s->csv);
	}
	if (!err)
		err = source_begin(s, msg);
	if (err) {
		source_free(s);
		return err;
	}
	*ret_source = s;
	return ERR_OK;
}

enum err source_open_memory(const char *name, const void *data, size_t size,
			    const struct source_options *options, struct source **ret_source,
			    struct err_msg *msg)
{
	assert(options->format != SOURCE_BY_NAME);
	struct source *s = source_make(name, options);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "%s", err_str(ERR_NO_MEMORY));
	s->size = size;
	enum err err;
	if (s->format == SOURCE_JSONL) {
		err = jsonl_new_memory(data, size, RECORD_BYTES_MAX, &s->jsonl);
	} else {
		struct csv_options csv_options = source_csv_options(s);
		err = csv_new_memory(data, size, &csv_options, &s->csv);
	}
	if (!err)
		err = source_begin(s, msg);
	if (err) {
		source_free(s);
		return err;
	}
	*ret_source = s;
	return ERR_OK;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	csv_free(s->csv);
	jsonl_free(s->jsonl);
	if (s->fd >= 0)
		(void)close(s->fd);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		free(s->columns[i]);
	seen_done(&s->labels);
	seen_done(&s->seen);
	buf_done(&s->folded);
	free(s->name);
	free(s);
}
