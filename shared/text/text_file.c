#include "text/text_file.h"

#include <stdio.h>

#define BLOCK_BYTES 65536u

static enum err read_all(FILE *file, const char *path, struct buf *text, struct err_msg *msg)
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

enum err text_file_load(const char *path, size_t bytes_max, struct buf *ret_text,
			struct err_msg *msg)
{
	struct buf text;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return err_set_errno(msg, "read", path);
	buf_init(&text, bytes_max + 1);
	enum err e = read_all(file, path, &text, msg);
	(void)fclose(file);
	if (e)
		buf_done(&text);
	else
		*ret_text = text;
	return e;
}
