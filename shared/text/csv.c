#include "text/csv.h"

#include "base/limits.h"
#include "text/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct csv_span {
	size_t begin; /* from the record's first byte */
	size_t size;
	bool escaped; /* has doubled quotes */
};

struct csv {
	struct reader reader;
	struct csv_options options;
	uint64_t line; /* of the reader's first byte */
	struct csv_span *spans;
	struct csv_field *fields;
	size_t field_count;
	size_t field_capacity;
	size_t at;	 /* where scanning stands, from the record's first byte */
	bool skips_line; /* the rest of a bad record's first line is passed */
};

/* What is known of the record that is being scanned. */
struct csv_scan {
	bool quoted; /* the last field is */
	bool multiline;
	uint64_t quote_line; /* of the last quoted field */
};

enum err csv_new(struct input *input, const struct csv_options *options, struct csv **ret_csv)
{
	struct csv *c = calloc(1, sizeof *c);
	if (!c)
		return ERR_NO_MEMORY;
	c->options = *options;
	if (!c->options.separator)
		c->options.separator = ',';
	c->line = 1;
	reader_init(&c->reader, input, options->record_bytes_max);
	*ret_csv = c;
	return ERR_OK;
}

void csv_free(struct csv *c)
{
	if (!c)
		return;
	reader_done(&c->reader);
	free(c->spans);
	free(c->fields);
	free(c);
}

/* Bytes of the record that are in memory. */
static size_t csv_have(const struct csv *c)
{
	return c->reader.end - c->reader.begin;
}

static char *csv_base(const struct csv *c)
{
	return c->reader.data + c->reader.begin;
}

/*
 * Makes the byte at `c->at` available. ERR_NOT_FOUND at the stream's end.
 */
static enum err csv_need(struct csv *c)
{
	while (c->at >= csv_have(c)) {
		if (c->reader.at_end)
			return ERR_NOT_FOUND;
		enum err err = reader_fill(&c->reader);
		if (err)
			return err;
	}
	return c->at >= c->options.record_bytes_max ? ERR_LIMIT : ERR_OK;
}

static enum err csv_add(struct csv *c, struct csv_span span)
{
	if (c->field_count == c->field_capacity) {
		if (c->field_count >= FIELD_COUNT_MAX)
			return ERR_FULL;
		size_t capacity = c->field_capacity ? c->field_capacity * 2 : 16;
		struct csv_span *spans = realloc(c->spans, capacity * sizeof *spans);
		if (!spans)
			return ERR_NO_MEMORY;
		c->spans = spans;
		struct csv_field *fields = realloc(c->fields, capacity * sizeof *fields);
		if (!fields)
			return ERR_NO_MEMORY;
		c->fields = fields;
		c->field_capacity = capacity;
	}
	c->spans[c->field_count++] = span;
	return ERR_OK;
}

/* Scans to the separator or line feed; *ret_size excludes a carriage return before the latter. */
static enum err csv_scan_plain(struct csv *c, struct csv_span *ret_span)
{
	size_t begin = c->at;
	char separator = c->options.separator;
	for (;;) {
		const char *base = csv_base(c);
		size_t have = csv_have(c), at = c->at;
		while (at < have && base[at] != separator && base[at] != '\n')
			at++;
		c->at = at;
		if (at < have)
			break;
		enum err err = csv_need(c);
		if (err == ERR_NOT_FOUND)
			break;
		if (err)
			return err;
	}
	size_t size = c->at - begin;
	const char *base = csv_base(c);
	bool at_line_end = c->at == csv_have(c) || base[c->at] == '\n';
	if (at_line_end && size > 0 && base[begin + size - 1] == '\r')
		size--;
	*ret_span = (struct csv_span){.begin = begin, .size = size};
	return ERR_OK;
}

/* Stands behind the opening quote. ERR_NOT_FOUND: no closing one; ERR_INVALID: text after it. */
static enum err csv_scan_quoted(struct csv *c, struct csv_span *ret_span)
{
	struct csv_span span = {.begin = c->at};
	enum err err;
	for (;;) {
		err = csv_need(c);
		if (err)
			return err;
		const char *base = csv_base(c);
		const char *quote = memchr(base + c->at, '"', csv_have(c) - c->at);
		if (!quote) {
			c->at = csv_have(c);
			continue;
		}
		c->at = (size_t)(quote - base) + 1;
		err = csv_need(c);
		if (err && err != ERR_NOT_FOUND)
			return err;
		if (err || csv_base(c)[c->at] != '"')
			break;
		span.escaped = true;
		c->at++;
	}
	span.size = c->at - span.begin - 1;
	*ret_span = span;
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (csv_base(c)[c->at] == '\r') {
		c->at++;
		err = csv_need(c);
		if (err == ERR_NOT_FOUND)
			return ERR_OK;
		if (err)
			return err;
		return csv_base(c)[c->at] == '\n' ? ERR_OK : ERR_INVALID;
	}
	char next = csv_base(c)[c->at];
	return next == c->options.separator || next == '\n' ? ERR_OK : ERR_INVALID;
}

static uint64_t csv_count_lines(const char *data, size_t size)
{
	uint64_t lines = 0;
	const char *end = data + size;
	while (data < end && (data = memchr(data, '\n', (size_t)(end - data)))) {
		lines++;
		data++;
	}
	return lines;
}

/*
 * Moves to the line after the record's first one, whose end may not have been
 * read yet.
 */
static enum err csv_resume(struct csv *c)
{
	c->skips_line = true;
	for (;;) {
		const char *base = csv_base(c);
		size_t have = csv_have(c);
		const char *end = have ? memchr(base, '\n', have) : NULL;
		if (end) {
			c->reader.begin += (size_t)(end - base) + 1;
			c->line++;
			c->skips_line = false;
			return ERR_OK;
		}
		c->reader.begin = c->reader.end;
		if (c->reader.at_end) {
			c->skips_line = false;
			return ERR_OK;
		}
		enum err err = reader_fill(&c->reader);
		if (err)
			return err;
	}
}

static enum err csv_fail(struct csv *c, enum err err, const struct csv_scan *scan,
			 uint64_t *ret_line, struct err_msg *msg)
{
	*ret_line = c->line;
	bool of_record =
	    err == ERR_NOT_FOUND || err == ERR_INVALID || err == ERR_FULL || err == ERR_LIMIT;
	if (!of_record)
		return reader_fail(&c->reader, err, msg);
	if (err == ERR_NOT_FOUND || (err == ERR_LIMIT && scan->quoted)) {
		*ret_line = scan->quote_line;
		err = err_set(msg, ERR_INVALID,
			      "a quoted field begins here and is never closed; add the closing "
			      "quote, or double a quote that belongs to the text");
	} else if (err == ERR_INVALID) {
		*ret_line = scan->quote_line;
		err =
		    err_set(msg, ERR_INVALID,
			    "text after a closing quote; double a quote that belongs to the text");
	} else if (err == ERR_FULL) {
		err = err_set(msg, ERR_LIMIT, "more than %d columns; check the separator",
			      FIELD_COUNT_MAX);
	} else {
		err = err_set(msg, ERR_LIMIT,
			      "a record of more than %zu bytes; split it or check the quotes",
			      c->options.record_bytes_max);
	}
	/* What can't be passed yet is passed by the next call. */
	enum err resume = csv_resume(c);
	return resume && resume != ERR_AGAIN ? reader_fail(&c->reader, resume, msg) : err;
}

static size_t csv_unescape(char *data, size_t size)
{
	size_t out = 0;
	for (size_t i = 0; i < size; i++) {
		data[out++] = data[i];
		if (data[i] == '"')
			i++;
	}
	return out;
}

/* The record is whole: turns spans into fields, in place. */
static void csv_finish(struct csv *c)
{
	char *base = csv_base(c);
	for (size_t i = 0; i < c->field_count; i++) {
		struct csv_span span = c->spans[i];
		char *data = base + span.begin;
		size_t size = span.escaped ? csv_unescape(data, span.size) : span.size;
		data[size] = '\0';
		c->fields[i] = (struct csv_field){.data = data, .size = size};
	}
}

/* The field at `c->at`, which may stand at the stream's end: then it is empty. */
static enum err csv_scan_field(struct csv *c, struct csv_scan *scan)
{
	struct csv_span span = {.begin = c->at};
	scan->quoted = false;
	enum err err = csv_need(c);
	if (err == ERR_NOT_FOUND)
		return csv_add(c, span);
	if (err)
		return err;
	if (!c->options.quotes || csv_base(c)[c->at] != '"') {
		err = csv_scan_plain(c, &span);
		return err ? err : csv_add(c, span);
	}
	scan->quoted = true;
	scan->quote_line = c->line;
	if (scan->multiline)
		scan->quote_line += csv_count_lines(csv_base(c), c->at);
	c->at++;
	err = csv_scan_quoted(c, &span);
	if (err)
		return err;
	if (memchr(csv_base(c) + span.begin, '\n', span.size))
		scan->multiline = true;
	return csv_add(c, span);
}

enum err csv_next(struct csv *c, struct csv_record *ret_record, uint64_t *ret_line,
		  struct err_msg *msg)
{
	c->at = 0;
	c->field_count = 0;
	struct csv_scan scan = {.quote_line = c->line};
	enum err err = c->skips_line ? csv_resume(c) : ERR_OK;
	if (!err)
		err = csv_need(c);
	scan.quote_line = c->line;
	if (err == ERR_NOT_FOUND) {
		*ret_line = c->line;
		*ret_record = (struct csv_record){.line = c->line};
		return ERR_OK;
	}
	bool at_end = false;
	for (bool more = !err; more;) {
		err = csv_scan_field(c, &scan);
		if (err)
			break;
		at_end = c->at >= csv_have(c);
		more = !at_end && csv_base(c)[c->at++] != '\n';
		if (c->at > c->options.record_bytes_max)
			err = ERR_LIMIT;
		more = more && !err;
	}
	if (err)
		return csv_fail(c, err, &scan, ret_line, msg);
	*ret_line = c->line;
	*ret_record = (struct csv_record){
	    .line = c->line,
	    .fields = c->fields,
	    .field_count = c->field_count,
	    .blank = c->field_count == 1 && c->spans[0].size == 0 && !scan.quoted,
	};
	c->line += scan.multiline ? csv_count_lines(csv_base(c), c->at) : !at_end;
	csv_finish(c);
	c->reader.begin += c->at;
	return ERR_OK;
}

enum err csv_rest_is_blank(struct csv *c, bool *ret_blank)
{
	c->at = 0;
	enum err err;
	while (!(err = csv_need(c))) {
		char next = csv_base(c)[c->at];
		if (next != '\n' && next != '\r') {
			*ret_blank = false;
			return ERR_OK;
		}
		c->at++;
	}
	if (err == ERR_NOT_FOUND || err == ERR_LIMIT) {
		*ret_blank = err == ERR_NOT_FOUND;
		return ERR_OK;
	}
	return err;
}
