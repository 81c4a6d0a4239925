#include "mockllm/rows.h"

#include "base/limits.h"
#include "text/jsonl.h"

#include <jansson.h>

#include <string.h>

enum err rows_string(const struct json_t *row, const char *key, struct chat_text *ret_text,
		     struct err_msg *msg)
{
	const json_t *value = json_object_get(row, key);
	if (!json_is_string(value))
		return err_set(msg, ERR_INVALID, "'%s' must be a string", key);
	*ret_text = (struct chat_text){json_string_value(value), json_string_length(value)};
	return ERR_OK;
}

static enum err file_read(struct jsonl *lines, const char *path, rows_fn *each, void *context,
			  struct err_msg *msg)
{
	for (;;) {
		const json_t *row;
		uint64_t line;
		enum err e = jsonl_next(lines, &row, &line, msg);
		if (!e && !row)
			return ERR_OK;
		if (!e)
			e = each(context, row, msg);
		if (e)
			return err_prefix(msg, e, "%s:%llu", path, (unsigned long long)line);
	}
}

enum err rows_read(const char *path, rows_fn *each, void *context, struct err_msg *msg)
{
	struct input *input;
	enum err e = input_open(path, INPUT_WAIT, &input, msg);
	if (e)
		return e;
	struct jsonl *lines = NULL;
	e = jsonl_new(input, RECORD_BYTES_MAX, &lines);
	if (e)
		(void)err_set(msg, e, "out of memory");
	else
		e = file_read(lines, path, each, context, msg);
	jsonl_free(lines);
	input_free(input);
	return e;
}
