/*
 * UTF-8 (RFC 3629): validation, iteration, and the little case folding that
 * label names and n-grams need. Text is a pointer and a size, never assumed to
 * end in a NUL.
 */
#ifndef FREEAL_TEXT_UTF8_H
#define FREEAL_TEXT_UTF8_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffdu
#define UTF8_BYTES_MAX 4

/* Bytes before the first invalid sequence; `size` where all is valid. */
size_t utf8_valid_size(const char *text, size_t size);
bool utf8_is_valid(const char *text, size_t size);

/*
 * The code point at *at, which is moved past it; *at < end. An invalid byte
 * gives UTF8_REPLACEMENT and is passed alone.
 */
uint32_t utf8_next(const char **at, const char *end);
/* Writes a code point; returns the number of bytes. Not for surrogates. */
size_t utf8_put(char ret_bytes[UTF8_BYTES_MAX], uint32_t code_point);
/* Code points in a text. */
size_t utf8_count(const char *text, size_t size);

/* Lower case of ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic; others as they are. */
uint32_t utf8_fold(uint32_t code_point);
/* Appends the folded text. */
void utf8_fold_add(struct buf *out, const char *text, size_t size);
/* The folded texts are equal. */
bool utf8_fold_equal(const char *a, size_t a_size, const char *b, size_t b_size);

/* White space of Unicode. */
bool utf8_is_space(uint32_t code_point);
/* Letters, digits and marks; an approximation outside ASCII: not space, not punctuation. */
bool utf8_is_word(uint32_t code_point);
/* Narrows the text to what is between its outer white space. */
void utf8_trim(const char **text, size_t *size);

#endif
