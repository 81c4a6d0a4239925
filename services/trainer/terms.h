/*
 * The terms of a text: word 1- and 2-grams and character 3- to 5-grams inside
 * words, hashed to buckets.
 *
 * Word tokens are runs of two or more letters, digits or underscores; character
 * n-grams run over each white-space separated piece with one space on either
 * side (scikit-learn's `char_wb`). Letters are lower-cased (ASCII, Latin-1,
 * Greek, Cyrillic); n-grams count code points, not bytes.
 */
#ifndef FREEAL_TRAINER_TERMS_H
#define FREEAL_TRAINER_TERMS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
	TERMS_BITS_MAX = 22,
	TERMS_BITS_DEFAULT = 20,
};

/* A workspace that is used again from text to text. */
struct terms {
	uint32_t bits; /* words take buckets 0 .. 2^bits - 1, characters the next 2^bits */
	/* The last text's distinct buckets, ascending, and how often each occurs. */
	uint32_t *buckets;
	float *counts;
	size_t size;
	/* Private. */
	size_t capacity;
	uint32_t *scratch;
	uint32_t *points;
	size_t point_capacity;
};

/* `bits` is 1 .. TERMS_BITS_MAX. */
void terms_init(struct terms *t, uint32_t bits);
void terms_done(struct terms *t);
/* Replaces the terms by those of `text` (UTF-8; stray bytes count as letters). */
WARN_UNUSED enum err terms_extract(struct terms *t, const char *text, size_t size);

#endif
