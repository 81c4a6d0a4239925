/*
 * The answers of several samples of one question, of which the majority counts. Pure.
 */
#ifndef FREEAL_LLM_VOTES_H
#define FREEAL_LLM_VOTES_H

#include "base/err.h"
#include "llm/answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was said for a class. */
struct votes_class {
	uint32_t class_id;
	double weight;	    /* an answer that names k labels gives each 1/k */
	double probability; /* sum of what its voters' log-probabilities gave it */
	char *words;	    /* of the first answer that named it */
	size_t words_size;
	char *reasoning;
	size_t reasoning_size;
};

/* Zeroed: none yet. */
struct votes {
	uint32_t count;		     /* answers that are in, unusable ones too */
	uint32_t usable;	     /* of these */
	struct votes_class *classes; /* in the order in which they were first named */
	size_t class_count;
};

void votes_done(struct votes *v);

/* An answer's words and what came before them, each cut at ANSWER_BYTES_MAX and copied. */
struct votes_words {
	const char *text;
	size_t size;
	const char *reasoning;
	size_t reasoning_size;
};

/* Adds an answer. `probabilities` are by class, or NULL. Nothing is added without memory. */
WARN_UNUSED enum err votes_add(struct votes *v, const struct answer *answer,
			       const float *probabilities, const struct votes_words *words);

/* The class with the largest weight; of equal ones the one with the larger probability, then the
 * one that was named first. NULL: no answer is usable. */
const struct votes_class *votes_winner(const struct votes *v);
/* Writes each class's share of the usable answers; there is one at least. */
void votes_shares(const struct votes *v, size_t class_count, float *ret_shares);

#endif
