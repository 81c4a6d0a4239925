#include "text/jsonl.h"

#include "base/limits.h"
#include "text/reader.h"
#include "text/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct jsonl {
	struct reader reader;
	size_t line_bytes_max;
	uint64_t line;	 /* of the reader's first byte */
	bool skips_line; /* one over the limit is passed */
	json_t *object;
};

enum err jsonl_new(struct input *input, size_t line_bytes_max, struct jsonl **ret_jsonl)
{
	struct jsonl *j = calloc(1, sizeof *j);
	if (!j)
		return ERR_NO_MEMORY;
	j->line = 1;
	j->line_bytes_max = line_bytes_max;
	reader_init(&j->reader, input, line_bytes_max);
	*ret_jsonl = j;
	return ERR_OK;
}

void jsonl_free(struct jsonl *j)
{
	if (!j)
		return;
	json_decref(j->object);
	reader_done(&j->reader);
	free(j);
}

/* Passes what is left of a line over the limit. */
static enum err jsonl_skip_line(struct jsonl *j)
{
	struct reader *r = &j->reader;
	j->skips_line = true;
	for (;;) {
		char *begin = r->data + r->begin;
		char *end = memchr(begin, '\n', r->end - r->begin);
		if (end) {
			r->begin += (size_t)(end - begin) + 1;
			j->skips_line = false;
			return ERR_OK;
		}
		r->begin = r->end;
		if (r->at_end) {
			j->skips_line = false;
			return ERR_OK;
		}
		enum err err = reader_fill(r);
		if (err)
			return err;
	}
}

/*
 * The next line without its end, borrowed. NULL at the stream's end. After
 * ERR_LIMIT the line has been passed.
 */
static enum err jsonl_line(struct jsonl *j, const char **ret_line, size_t *ret_size)
{
	struct reader *r = &j->reader;
	size_t scanned = 0;
	char *end = NULL;
	enum err passed = j->skips_line ? jsonl_skip_line(j) : ERR_OK;
	if (passed)
		return passed;
	while (!end) {
		size_t have = r->end - r->begin;
		if (have > scanned)
			end = memchr(r->data + r->begin + scanned, '\n', have - scanned);
		scanned = have;
		if (end || r->at_end)
			break;
		enum err err = reader_fill(r);
		if (err == ERR_LIMIT) {
			/* What can't be passed yet is passed by the next call. */
			err = jsonl_skip_line(j);
			return err && err != ERR_AGAIN ? err : ERR_LIMIT;
		}
		if (err)
			return err;
	}
	size_t have = r->end - r->begin;
	if (!end && have == 0) {
		*ret_line = NULL;
		return ERR_OK;
	}
	char *line = r->data + r->begin;
	size_t size = end ? (size_t)(end - line) : have;
	r->begin += size + (end != NULL);
	if (size > j->line_bytes_max)
		return ERR_LIMIT;
	*ret_line = line;
	*ret_size = size;
	return ERR_OK;
}

/* Brackets open at once, outside strings: jansson's own limit lies far higher. */
static unsigned jsonl_depth(const char *line, size_t size)
{
	/* Few brackets at all, as in most lines, need no closer look. */
	size_t brackets = 0;
	for (size_t i = 0; i < size; i++)
		brackets += ((unsigned char)line[i] | 0x20) == '{';
	if (brackets <= JSON_DEPTH_MAX)
		return (unsigned)brackets;
	unsigned depth = 0, depth_max = 0;
	bool in_string = false;
	for (size_t i = 0; i < size; i++) {
		char c = line[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;
			if (depth > depth_max)
				depth_max = depth;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return depth_max;
}

static bool jsonl_is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	}
	return true;
}

enum err jsonl_next(struct jsonl *j, const json_t **ret_object, uint64_t *ret_line,
		    struct err_msg *msg)
{
	json_decref(j->object);
	j->object = NULL;
	const char *line;
	size_t size;
	do {
		*ret_line = j->line;
		enum err err = jsonl_line(j, &line, &size);
		if (err == ERR_LIMIT) {
			j->line++;
			return err_set(msg, err, "a line of more than %zu bytes; split the record",
				       j->line_bytes_max);
		}
		if (err)
			return reader_fail(&j->reader, err, msg);
		if (!line) {
			*ret_object = NULL;
			return ERR_OK;
		}
		j->line++;
	} while (jsonl_is_blank(line, size));

	size_t valid = utf8_valid_size(line, size);
	if (valid < size)
		return err_set(msg, ERR_INVALID,
			       "invalid UTF-8 at byte %zu; save the file as UTF-8", valid);
	if (jsonl_depth(line, size) > JSON_DEPTH_MAX)
		return err_set(msg, ERR_LIMIT, "JSON nested deeper than %d", JSON_DEPTH_MAX);
	json_error_t error;
	json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!object)
		return err_set(msg, ERR_INVALID, "not valid JSON: %s (column %d)", error.text,
			       error.column);
	if (!json_is_object(object)) {
		json_decref(object);
		return err_set(msg, ERR_INVALID, "not a JSON object; write one {...} per line");
	}
	j->object = object;
	*ret_object = object;
	return ERR_OK;
}
