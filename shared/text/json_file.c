#include "text/json_file.h"

#include "base/buf.h"

#include <stdio.h>

#define BLOCK_BYTES 65536u

enum err json_file_parse(const char *path, const void *data, size_t bytes, json_t **ret_object,
			 struct err_msg *msg)
{
	json_error_t error;
	json_t *root = json_loadb(bytes ? data : "", bytes, JSON_REJECT_DUPLICATES, &error);
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return err_set(msg, ERR_NO_MEMORY, "no memory for %s", path);
	if (!root)
		return err_set(msg, ERR_CORRUPT, "%s, line %d: %s", path, error.line, error.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(msg, ERR_CORRUPT, "%s is no JSON object", path);
	}
	*ret_object = root;
	return ERR_OK;
}

static enum err file_read(FILE *file, const char *path, struct buf *text, struct err_msg *msg)
{
	for (;;) {
		size_t before = text->size, room = text->size_max - before;
		if (room > BLOCK_BYTES)
			room = BLOCK_BYTES;
		if (room == 0)
			return err_set(msg, ERR_LIMIT, "%s has more than %zu bytes", path,
				       text->size_max - 1);
		char *at = buf_extend(text, room);
		if (!at)
			return err_set(msg, buf_error(text), "no memory for %s", path);
		size_t size = fread(at, 1, room, file);
		text->size = before + size;
		if (size < room)
			return ferror(file) ? err_set_errno(msg, "read", path) : ERR_OK;
	}
}

enum err json_file_load(const char *path, size_t bytes_max, json_t **ret_object,
			struct err_msg *msg)
{
	struct buf text;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return err_set_errno(msg, "read", path);
	buf_init(&text, bytes_max + 1);
	enum err e = file_read(file, path, &text, msg);
	if (!e)
		e = json_file_parse(path, text.data, text.size, ret_object, msg);
	buf_done(&text);
	(void)fclose(file);
	return e;
}
