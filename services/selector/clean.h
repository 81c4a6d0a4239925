/*
 * Which labels are right? Judges every label by the out-of-fold probability that the
 * small model gives it, without gold.
 *
 * - clean_probability: posterior of the low-loss part of a mixture per class
 *   (mixture.h). Classes with fewer than CLEAN_CLASS_MIN labelled rows are shrunk to the
 *   fit over all. Where the parts don't separate, or the clean share leaves 20 .. 95 %,
 *   a label is clean when its probability reaches its class's mean probability of that
 *   label (confident learning, Northcutt et al. 2021). In both cases the value falls
 *   strictly with the loss within a class: 1 % of it is the loss's rank.
 * - confidence: P(true = y | text, label) ∝ p(y | text) · T[label | y], with T from the
 *   confident joint; then the log odds of each class are shifted so that their mean is
 *   the share that the confident joint calls right. Rows without a label: the
 *   probability of the small model's label.
 *
 * Rows come in blocks, the same blocks in each of three passes, so that the
 * probabilities never have to be in memory at once; what is kept is 24 bytes a row.
 *
 *   clean_new → for each pass: clean_add for all blocks, clean_end → clean_row
 */
#ifndef FREEAL_SELECTOR_CLEAN_H
#define FREEAL_SELECTOR_CLEAN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEAN_CLASS_MIN 50
#define CLEAN_BOUND 0.7 /* clean from this clean_probability on */
#define CLEAN_PASSES 3

struct clean;

/* All defined for every row; without a label: loss, label_probability and
 * clean_probability 0, not clean. */
struct clean_row {
	int32_t label;	   /* as given; -1: none */
	int32_t slm_label; /* likeliest class; the lowest of equals */
	float loss;	   /* -log of the label's probability */
	float label_probability;
	float slm_probability;
	float clean_probability;
	float confidence; /* that the final label (this one, else slm_label) is right */
	float support;	  /* probability of the final label over its mean: low ones are to be
			   * asked again; halved without a label */
	bool clean;
};

struct clean_summary {
	size_t labelled;
	size_t clean;
	double log_likelihood;	     /* mean over labelled rows */
	double log_likelihood_error; /* its standard error */
	bool separated;		     /* every class with CLEAN_CLASS_MIN rows got a mixture */
};

/* For exactly `row_count` rows of `class_count` > 0 classes. ERR_NO_MEMORY. */
enum err clean_new(size_t row_count, size_t class_count, struct clean **ret_clean) WARN_UNUSED;
void clean_free(struct clean *c);

/* The next `n` rows of the current pass: probabilities n × classes, row-major, finite,
 * in 0 .. 1; labels -1 .. classes-1. ERR_INVALID (pass 1): msg says which row. */
enum err clean_add(struct clean *c, const float *probabilities, const int32_t *labels, size_t n,
		   struct err_msg *msg) WARN_UNUSED;
/* Ends a pass; all rows must have come. ERR_NO_MEMORY. */
enum err clean_end(struct clean *c) WARN_UNUSED;

/* After the last pass. */
struct clean_row clean_row(const struct clean *c, size_t i);
struct clean_summary clean_summary(const struct clean *c);
/* Share of class `k`'s labels that the confident joint calls right; 1 without any. */
double clean_class_correct(const struct clean *c, size_t k);

#endif
