/*
 * A window over a stream of bytes, for parsers that need one whole record in
 * memory: what they have not used up yet stays, and more is read behind it, up
 * to a ceiling. A UTF-8 byte order mark at the start is skipped.
 */
#ifndef FREEAL_TEXT_READER_H
#define FREEAL_TEXT_READER_H

#include "base/err.h"
#include "text/input.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	struct input *input; /* borrowed */
	char *data;	     /* the window; one byte past `end` may be written to */
	size_t begin;	     /* first byte that is not used up */
	size_t end;	     /* end of what was read */
	size_t capacity;
	size_t size_max; /* ceiling of one record */
	bool begun;	 /* a byte order mark was looked for */
	bool at_end;	 /* nothing more can be read */
};

void reader_init(struct reader *r, struct input *input, size_t record_bytes_max);
void reader_done(struct reader *r);

/*
 * Reads what is there behind `end`, at least one byte; the bytes from `begin` on may move to the
 * window's start. ERR_LIMIT where a record is at its ceiling already; else as input_read(). At
 * the stream's end it sets `at_end` and returns ERR_OK.
 */
WARN_UNUSED enum err reader_fill(struct reader *r);
/* The words for what it returned, where that is for people to read; returns `err`. */
enum err reader_fail(const struct reader *r, enum err err, struct err_msg *msg);

#endif
