/*
 * Views: a sample's probabilities by several models become one, their geometric mean, renormalised.
 * What one view has never seen, another may know, and no single one is as sure as it says.
 */
#ifndef FREEAL_TRAINER_VIEWS_H
#define FREEAL_TRAINER_VIEWS_H

#include <stddef.h>

/* Of a view's probability: no view can rule a class out. */
#define VIEW_PROBABILITY_MIN 1e-6f

/* Adds the logarithms of a view's `count` probabilities. */
void views_add(float *logs, const float *probabilities, size_t count);
/* Makes the sums over `view_count` views, (row_count, class_count), probabilities. */
void views_mean(float *logs, size_t row_count, size_t class_count, size_t view_count);

#endif
