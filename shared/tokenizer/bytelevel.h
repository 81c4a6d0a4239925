/*
 * RoBERTa's way from text to ids: ByteLevel's pieces and a byte pair encoding of each.
 */
#ifndef FREEAL_TOKENIZER_BYTELEVEL_H
#define FREEAL_TOKENIZER_BYTELEVEL_H

#include "tokenizer/merges.h"
#include "tokenizer/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytelevel {
	bool prefix_space; /* a text begins with a space */
	uint32_t unknown;  /* of a byte that is no token; VOCABULARY_NONE: it is left out */
	uint32_t bytes[256];
	struct merges merges;
	struct vocabulary words; /* bytes of the tokens that stay one, as a piece */
};

void bytelevel_done(struct bytelevel *b);

/*
 * Reading, in this order: every merge with its rank, then the vocabulary, whose tokens are
 * written in the alphabet of ByteLevel. ERR_CORRUPT: a merge of or into what is no token.
 */
enum err bytelevel_merge(struct bytelevel *b, const struct vocabulary *v, const char *left,
			 size_t left_bytes, const char *right, size_t right_bytes, uint32_t rank,
			 struct err_msg *msg) WARN_UNUSED;
enum err bytelevel_tokens(struct bytelevel *b, const struct vocabulary *v,
			  struct err_msg *msg) WARN_UNUSED;

/* The first ids of the text, at most `ids_max`. ERR_NO_MEMORY. */
enum err bytelevel_encode(const struct bytelevel *b, const char *text, size_t bytes,
			  uint32_t *ret_ids, size_t ids_max, size_t *ret_count) WARN_UNUSED;

#endif
