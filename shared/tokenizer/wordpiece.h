/*
 * BERT's way from text to ids: BertNormalizer, BertPreTokenizer and WordPiece.
 */
#ifndef FREEAL_TOKENIZER_WORDPIECE_H
#define FREEAL_TOKENIZER_WORDPIECE_H

#include "tokenizer/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDPIECE_CHARS_MAX 1000 /* ceiling of chars_max */
#define WORDPIECE_PREFIX_MAX 16

struct wordpiece {
	bool clean;   /* control characters are dropped, white space becomes a space */
	bool chinese; /* ideographs are words of their own */
	bool lower;
	bool strip;			       /* accents go */
	bool strip_set;			       /* else it is as `lower` */
	uint32_t chars_max;		       /* of a word; a longer one is unknown */
	char prefix[WORDPIECE_PREFIX_MAX + 1]; /* of pieces behind a word's first one: "##" */
	uint32_t unknown;		       /* id of a word that can't be put together */
	struct vocabulary vocabulary;
};

/* The first ids of the text, at most `ids_max`; returns their number. Allocates nothing. */
size_t wordpiece_encode(const struct wordpiece *w, const char *text, size_t bytes,
			uint32_t *ret_ids, size_t ids_max);

#endif
