/*
 * The demonstration pool: per class the medoids of its surest members.
 *
 * k-medoids minimises the sum of cosine distances to the nearest medoid: greedy BUILD
 * (Kaufman and Rousseeuw), then FasterPAM swaps (Schubert and Rousseeuw 2021) until
 * none helps. Deterministic without a seed: ties go to the lower number.
 */
#ifndef FREEAL_SELECTOR_MEDOIDS_H
#define FREEAL_SELECTOR_MEDOIDS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Candidates per class; the distance matrix of a class is this squared. */
#define MEDOIDS_CANDIDATES_MAX 2000

/* Demonstrations of class `k` when `pool` are spread over `classes`: the rest goes to
 * the first ones. */
size_t medoids_quota(size_t pool, size_t classes, size_t k);

/* How many of a class's `available` members (its label and the small model agree), surest
 * first, are candidates for `quota` places: the surest tenth, but at least three per
 * place, and at most MEDOIDS_CANDIDATES_MAX. The surest tenth holds fewer wrong labels than
 * the surest fifth, and the least number keeps the pool diverse where a class is small. */
size_t medoids_candidate_count(size_t available, size_t quota);

/* Subtracts `centre` ([dimensions], may be NULL) from each row and scales it to length 1;
 * a row of length 0 stays 0. */
void medoids_normalise(float *vectors, size_t n, size_t dimensions, const float *centre);

/* Picks min(k, n) of `n` normalised rows; n <= MEDOIDS_CANDIDATES_MAX. `ret_members` has
 * that many, ascending. ERR_NO_MEMORY. */
enum err medoids_pick(const float *vectors, size_t n, size_t dimensions, size_t k,
		      uint32_t *ret_members) WARN_UNUSED;

/* Sum over all rows of the cosine distance to the nearest of `members`; for tests. */
double medoids_cost(const float *vectors, size_t n, size_t dimensions, const uint32_t *members,
		    size_t k);

#endif
