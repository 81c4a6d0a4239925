/*
 * Candidate sets: samples for which the LLM named several labels, of which one is right.
 *
 * A model is trained on one label a row, so that what is known of a set is made one (CanDist, Xia
 * et al. 2025): the class of the set that a model which has not seen the row finds likeliest,
 * where its probability within the set is high enough; the other rows stay unlabelled.
 */
#ifndef FREEAL_TRAINER_CANDIDATES_H
#define FREEAL_TRAINER_CANDIDATES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct candidates;

/* For samples 0 .. count-1, all without a set. */
WARN_UNUSED enum err candidates_new(size_t count, struct candidates **ret_candidates);
void candidates_free(struct candidates *c); /* may be NULL */

/* Samples in ascending order; each once. Copies `class_ids`. */
WARN_UNUSED enum err candidates_add(struct candidates *c, size_t sample, const uint32_t *class_ids,
				    size_t class_id_count);

/* How many samples have a set; 0 also for NULL. */
size_t candidates_count(const struct candidates *c);
/* The set of a sample; 0: it has none. `c` may be NULL. */
size_t candidates_of(const struct candidates *c, size_t sample, const uint32_t **ret_class_ids);
/* Every class id of every set is below that. */
uint32_t candidates_class_end(const struct candidates *c);

/* The likeliest class of a set, and its share of the set's probability (1/n where all are 0). */
int32_t candidates_likeliest(const uint32_t *class_ids, size_t class_id_count,
			     const float *probabilities, double *ret_share);

#endif
