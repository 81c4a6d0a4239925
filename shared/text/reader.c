#include "text/reader.h"

#include <stdlib.h>
#include <string.h>

#define READ_BYTES_MIN (64u << 10)

void reader_init(struct reader *r, struct input *input, size_t record_bytes_max)
{
	*r = (struct reader){.input = input, .size_max = record_bytes_max};
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

enum err reader_fill(struct reader *r)
{
	if (r->at_end)
		return ERR_OK;
	enum err err = reader_reserve(r);
	if (err)
		return err;
	/* A byte order mark may come in pieces. */
	do {
		size_t n;
		err = input_read(r->input, r->data + r->end, r->capacity - r->end - 1, &n);
		if (err)
			return err;
		r->end += n;
		r->at_end = n == 0;
	} while (!r->begun && r->end < 3 && !r->at_end);
	if (!r->begun && r->end >= 3 && memcmp(r->data, "\xef\xbb\xbf", 3) == 0)
		r->begin = 3;
	r->begun = true;
	return ERR_OK;
}

enum err reader_fail(const struct reader *r, enum err err, struct err_msg *msg)
{
	const char *why = input_fault(r->input);
	return err_set(msg, err, "%s", *why ? why : err_str(err));
}
