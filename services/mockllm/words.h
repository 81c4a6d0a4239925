/*
 * Words of a text as hashes: runs of ASCII letters, digits and bytes from 0x80 on,
 * ASCII case ignored. Pure functions.
 */
#ifndef FREEAL_MOCKLLM_WORDS_H
#define FREEAL_MOCKLLM_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORDS_MAX = 2048, WORDS_BUCKETS = 512 };

/* What comes after the WORDS_MAX-th word is left out. */
struct words {
	uint64_t hashes[WORDS_MAX];
	size_t count;
};

void words_split(struct words *ret_words, const char *text, size_t size);
/* Whether the words of `phrase` stand in `w` next to each other; false where it has none. */
bool words_have(const struct words *w, const struct words *phrase);
/* How many distinct words both have. */
size_t words_shared(const struct words *a, const struct words *b);
/* Cosine of the two texts' hashed word counts, 0 .. 1; 0 where one has no word. */
double words_cosine(const struct words *a, const struct words *b);

#endif
