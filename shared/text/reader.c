#include "text/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES_MIN (64u << 10)

void reader_init(struct reader *r, int fd, size_t record_bytes_max)
{
	assert(fd >= 0);
	*r = (struct reader){.fd = fd, .size_max = record_bytes_max};
}

void reader_init_memory(struct reader *r, const void *data, size_t size, size_t record_bytes_max)
{
	*r = (struct reader){
	    .fd = -1, .memory = data, .memory_size = size, .size_max = record_bytes_max};
}

void reader_done(struct reader *r)
{
	free(r->data);
	*r = (struct reader){0};
}

/* Makes room for at least one more byte, and one behind it. */
static enum err reader_reserve(struct reader *r)
{
	size_t used = r->end - r->begin;
	if (used > r->size_max)
		return ERR_LIMIT;
	if (r->begin > 0) {
		memmove(r->data, r->data + r->begin, used);
		r->begin = 0;
		r->end = used;
	}
	if (used + READ_BYTES_MIN / 2 < r->capacity)
		return ERR_OK;
	size_t capacity = r->capacity ? r->capacity * 2 : READ_BYTES_MIN * 2;
	char *data = realloc(r->data, capacity);
	if (!data)
		return ERR_NO_MEMORY;
	r->data = data;
	r->capacity = capacity;
	return ERR_OK;
}

/* Bytes read, 0 at the end, -1 on an error. */
static ssize_t reader_read(struct reader *r, char *to, size_t size)
{
	if (r->fd >= 0) {
		ssize_t n;
		do
			n = read(r->fd, to, size);
		while (n < 0 && errno == EINTR);
		return n;
	}
	if (size > r->memory_size)
		size = r->memory_size;
	if (size) {
		memcpy(to, r->memory, size);
		r->memory += size;
		r->memory_size -= size;
	}
	return (ssize_t)size;
}

enum err reader_fill(struct reader *r)
{
	if (r->at_end)
		return ERR_OK;
	enum err err = reader_reserve(r);
	if (err)
		return err;
	bool first = r->position == 0;
	/* A byte order mark may come in pieces. */
	do {
		ssize_t n = reader_read(r, r->data + r->end, r->capacity - r->end - 1);
		if (n < 0)
			return ERR_IO;
		r->position += (size_t)n;
		r->end += (size_t)n;
		r->at_end = n == 0;
	} while (first && r->end < 3 && !r->at_end);
	if (first && r->end >= 3 && memcmp(r->data, "\xef\xbb\xbf", 3) == 0)
		r->begin = 3;
	return ERR_OK;
}
