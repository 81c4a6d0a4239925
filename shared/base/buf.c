#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t size_max)
{
	assert(size_max < SIZE_MAX / 4);
	*b = (struct buf){.size_max = size_max};
}

void buf_done(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = (struct buf){.size_max = b->size_max};
}

void buf_reset(struct buf *b)
{
	b->size = 0;
	b->error = ERR_OK;
	if (b->data)
		b->data[0] = '\0';
}

static bool buf_reserve(struct buf *b, size_t more)
{
	if (b->error)
		return false;
	if (more > b->size_max - b->size) {
		b->error = ERR_LIMIT;
		return false;
	}
	size_t need = b->size + more + 1;
	if (need <= b->capacity)
		return true;
	size_t capacity = b->capacity ? b->capacity : 64;
	while (capacity < need)
		capacity *= 2;
	if (capacity > b->size_max + 1)
		capacity = b->size_max + 1;
	char *data = realloc(b->data, capacity);
	if (!data) {
		b->error = ERR_NO_MEMORY;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

void *buf_extend(struct buf *b, size_t size)
{
	if (!buf_reserve(b, size))
		return NULL;
	char *at = b->data + b->size;
	memset(at, 0, size + 1);
	b->size += size;
	return at;
}

void buf_add(struct buf *b, const void *data, size_t size)
{
	if (!buf_reserve(b, size))
		return;
	if (size)
		memcpy(b->data + b->size, data, size);
	b->size += size;
	b->data[b->size] = '\0';
}

void buf_add_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n >= 0 && buf_reserve(b, (size_t)n)) {
		(void)vsnprintf(b->data + b->size, (size_t)n + 1, fmt, again);
		b->size += (size_t)n;
	}
	va_end(again);
}

enum err buf_error(const struct buf *b)
{
	return b->error;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}
