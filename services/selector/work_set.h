/*
 * Which samples to ask again: those whose current label has the least support.
 *
 * Support is the out-of-fold probability of the label over the mean probability of that
 * class (clean.h): how much more the text speaks for its label than any text does. It
 * finds more wrong labels than the probability alone where the classes or the
 * annotator's bias are uneven, and ranks the same where they are even.
 */
#ifndef FREEAL_SELECTOR_WORK_SET_H
#define FREEAL_SELECTOR_WORK_SET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Marks the round(share · n) rows with the least support; ties by row. Returns how many
 * through `ret_count`. ERR_NO_MEMORY. */
enum err work_set_choose(const float *support, size_t n, double share, bool *ret_chosen,
			 size_t *ret_count) WARN_UNUSED;

#endif
