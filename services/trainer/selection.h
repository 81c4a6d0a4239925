/*
 * What the selector decided in one round, by sample: pulled as "selection/ROUND" before
 * the final training.
 */
#ifndef FREEAL_TRAINER_SELECTION_H
#define FREEAL_TRAINER_SELECTION_H

#include "base/err.h"
#include "proto/stream.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct selection {
	size_t count;	     /* samples */
	size_t row_count;    /* rows received so far */
	bool *clean;	     /* (count) the label is trusted */
	bool *overrule;	     /* (count) slm_labels replaces a valid answer */
	int32_t *slm_labels; /* (count) out-of-fold label; -1: none */
	int32_t *class_ids;  /* (count) the label that was judged; -1: none */
};

/* Nothing clean, no labels. */
enum err selection_new(size_t count, struct selection **ret_selection) WARN_UNUSED;
void selection_free(struct selection *s);

/* Takes rows in any order; those of samples at or behind `count` are left out. */
void selection_add(struct selection *s, const Freeal__SelectionChunk *chunk);

#endif
