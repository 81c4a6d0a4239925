/*
 * A growable byte buffer with a ceiling given at birth.
 *
 * The first failure (ceiling or memory) is kept: later appends do nothing and
 * buf_error() says so, so that a writer checks once at its end. The bytes are
 * always followed by a NUL that is not counted.
 */
#ifndef FREEAL_BASE_BUF_H
#define FREEAL_BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;  /* `size` bytes and a NUL; NULL while empty */
	size_t size; /* bytes in use */
	size_t capacity;
	size_t size_max; /* ceiling */
	enum err error;
};

void buf_init(struct buf *b, size_t size_max);
void buf_done(struct buf *b);
/* Empties it and clears the error; keeps the memory. */
void buf_reset(struct buf *b);

void buf_add(struct buf *b, const void *data, size_t size);
void buf_add_str(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* `size` zero bytes to be filled by the caller; NULL on failure. */
void *buf_extend(struct buf *b, size_t size);

enum err buf_error(const struct buf *b);
/* The bytes as a C string ("" while empty). */
const char *buf_str(const struct buf *b);

#endif
