#include "mockllm/files.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void files_init(struct files *f)
{
	f->count = 0;
	f->made = 0;
}

void files_done(struct files *f)
{
	for (size_t i = 0; i < f->count; i++)
		buf_done(&f->items[i].data);
	f->count = 0;
}

struct file *files_add(struct files *f, struct chat_text name, const char *purpose,
		       struct chat_text data, uint64_t now_s)
{
	if (f->count == FILES_MAX)
		return NULL;
	struct file *file = &f->items[f->count];
	buf_init(&file->data, FILES_BYTES_MAX);
	buf_add(&file->data, data.data, data.size);
	if (buf_error(&file->data)) {
		buf_done(&file->data);
		return NULL;
	}
	f->count++;
	(void)snprintf(file->id, sizeof file->id, "file-mock-%" PRIu64, ++f->made);
	(void)snprintf(file->name, sizeof file->name, "%.*s", (int)name.size, name.data);
	(void)snprintf(file->purpose, sizeof file->purpose, "%s", purpose);
	file->created_s = now_s;
	return file;
}

struct file *files_find(struct files *f, const char *id)
{
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->items[i].id, id) == 0)
			return &f->items[i];
	}
	return NULL;
}

void files_delete(struct files *f, struct file *file)
{
	size_t number = (size_t)(file - f->items);
	assert(number < f->count);
	buf_done(&file->data);
	memmove(file, file + 1, (f->count - number - 1) * sizeof(*file));
	f->count--;
}

void files_write(struct buf *out, const struct file *file)
{
	buf_printf(out,
		   "{\"id\":\"%s\",\"object\":\"file\",\"bytes\":%zu,\"created_at\":%" PRIu64
		   ",\"purpose\":\"%s\",\"status\":\"processed\",\"filename\":",
		   file->id, file->data.size, file->created_s, file->purpose);
	chat_string_write(out, chat_text_of(file->name));
	buf_add_char(out, '}');
}
