/*
 * Nearest demonstrations of each sample, by cosine of centred vectors, exact over the
 * pool, without letting a few hub demonstrations into every prompt.
 *
 * With class probabilities, the shots are spread over the sample's likeliest classes (at
 * least three where there are that many, more until they cover 90 %, at most half the
 * shots), interleaved, nearest first. Without, they are simply the nearest. A sample is
 * never its own demonstration.
 *
 * Each demonstration is used at most RETRIEVAL_CAP · shots / pool · queries times (at
 * least once). Queries come in blocks, so the cap can't be met by solving one assignment:
 * prices (the dual variables of that assignment: what a place of each demonstration
 * costs in cosine) are fitted on a sample of the queries; each query takes what is best
 * after prices; and a demonstration that has reached its cap is out for the rest. Where
 * nothing else is left, the cap gives way rather than the number of shots.
 *
 *   retrieval_new → retrieval_price (a sample of the queries) → retrieval_block for all
 *   queries in a fixed order → retrieval_summary
 *
 * The result depends on the order of the queries, not on threads or block sizes.
 */
#ifndef FREEAL_SELECTOR_RETRIEVAL_H
#define FREEAL_SELECTOR_RETRIEVAL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define RETRIEVAL_CAP 2.5
#define RETRIEVAL_NO_SAMPLE UINT64_MAX /* a demonstration that is no sample */

struct retrieval;

struct retrieval_config {
	size_t pool_size, dimensions;
	const float *vectors;	    /* pool × dimensions, as embedded; copied */
	const uint64_t *sample_nos; /* [pool] or RETRIEVAL_NO_SAMPLE */
	const uint32_t *classes;    /* [pool], below class_count */
	const float *centre;	    /* [dimensions] mean of the samples' vectors; NULL: none */
	size_t class_count;
	size_t shots;
	uint64_t query_count; /* of all blocks together */
};

/* Queries of one block. */
struct retrieval_queries {
	size_t n;
	const float *vectors;	    /* n × dimensions, as embedded */
	const uint64_t *sample_nos; /* [n] */
	const float *probabilities; /* probable × classes */
	size_t probable; /* so many queries, the first ones, have class probabilities; the others
			  * get plain nearest ones */
};

struct retrieval_summary {
	uint64_t row_count;
	double cosine_mean;	     /* of the demonstrations given */
	double cosine_mean_uncapped; /* of what no cap would have given */
	double hub_share;	     /* share of the rows that the most-used one is in */
};

/* ERR_NO_MEMORY. An empty pool or no shots are fine: rows are then empty. */
enum err retrieval_new(const struct retrieval_config *config,
		       struct retrieval **ret_retrieval) WARN_UNUSED;
void retrieval_free(struct retrieval *r);

/* How many queries retrieval_price wants at most. */
size_t retrieval_sample_max(const struct retrieval *r);

/* Fits the prices on queries drawn evenly from all. Without this call they are 0. */
enum err retrieval_price(struct retrieval *r, const struct retrieval_queries *sample) WARN_UNUSED;

/* Demonstration numbers of the next `q->n` queries, in prompt order: row i holds
 * ret_counts[i] <= shots of them at ret_demonstrations + i · shots. */
void retrieval_block(struct retrieval *r, const struct retrieval_queries *q,
		     uint32_t *ret_demonstrations, uint32_t *ret_counts);

struct retrieval_summary retrieval_summary(const struct retrieval *r);

#endif
