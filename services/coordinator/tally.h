/*
 * Counts over the samples for the report: labels by class and source, and against gold.
 * Pure.
 */
#ifndef FREEAL_COORDINATOR_TALLY_H
#define FREEAL_COORDINATOR_TALLY_H

#include "base/err.h"
#include "coordinator/view.h"

#include <stdint.h>

#define TALLY_BINS 10

/* How many, and how many of these right. */
struct tally_share {
	uint64_t samples, correct;
};

struct tally {
	uint32_t class_count;
	uint64_t samples;
	uint64_t sources[4];	    /* by Freeal__LabelSource */
	uint64_t set_aside;	    /* asked, without a usable answer */
	uint64_t predicted, agreed; /* by the final model; with the final label */
	double confidence_sum;
	uint64_t *by_class; /* final labels, class_count */
	/* Against gold; all 0 without. */
	uint64_t gold_samples;
	uint64_t *confusion; /* gold × final label, class_count² */
	struct tally_share final, llm, llm_first, filled, clean, pool, model;
	struct tally_share candidates;	   /* labels chosen from a set */
	struct tally_share candidates_hit; /* sets that hold the right one */
	uint64_t mended, broken;	   /* valid answers overruled */
	struct {
		uint64_t samples;
		double confidence, correct;
	} bins[TALLY_BINS];
};

enum err tally_init(struct tally *t, uint32_t class_count) WARN_UNUSED;
void tally_done(struct tally *t);
void tally_add(struct tally *t, const struct view_row *row);

double tally_share_of(const struct tally_share *s); /* 0 of none */
double tally_macro_f1(const struct tally *t);
/* Expected calibration error over ten bins of equal width (Guo et al. 2017). */
double tally_calibration_error(const struct tally *t);

#endif
