/* What the mock takes a text for: its answer first, then what it might have been. Pure. */
#ifndef FREEAL_MOCKLLM_GUESS_H
#define FREEAL_MOCKLLM_GUESS_H

#include "mockllm/chat.h"

#include <stddef.h>

struct json_t;

enum { GUESS_NAMES_MAX = 3 };

/* The probability of an answer about which a mode knows nothing. */
#define GUESS_PROBABILITY 0.9

struct guess {
	struct chat_text names[GUESS_NAMES_MAX]; /* borrowed; the answer is the first */
	double probabilities[GUESS_NAMES_MAX];
	size_t count;
	size_t likely; /* how many it names where it is asked for all possible ones: 1 or 2 */
};

struct guess guess_of(struct chat_text name);
/*
 * Keeps the names that are in the list (ASCII case ignored), in the list's spelling, with
 * probabilities that sum to 1, as constrained decoding does; the list's first name where none
 * is. `list` is a JSON list of at least one string.
 */
struct guess guess_constrain(const struct guess *g, const struct json_t *list);

#endif
