/*
 * The states that enter the trained layers, of all rows: with frozen layers they are the same in
 * each epoch.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_CACHE_H
#define FREEAL_TRAINER_ENCODER_TUNE_CACHE_H

#include "trainer/encoder/tune.h"
#include "trainer/encoder/tune_pack.h"

enum { TUNE_VIEW_TEXT, TUNE_VIEW_SECOND, TUNE_VIEW_COUNT };

struct tune_cache {
	size_t hidden;
	uint64_t *starts[TUNE_VIEW_COUNT]; /* (rows) the first token's place in `states` */
	float *states;			   /* NULL: nothing is kept */
};

/* Keeps the rows where `needed` of the view is true, in one pass over them, if they fit in
 * `bytes_max` and the network has frozen layers; else nothing. */
enum err tune_cache_init(struct tune_cache *c, struct network *n,
			 const struct rows *const views[TUNE_VIEW_COUNT],
			 const bool *const needed[TUNE_VIEW_COUNT], size_t bytes_max,
			 const struct progress *progress) WARN_UNUSED;
void tune_cache_done(struct tune_cache *c);
/* States (tokens, hidden) of a row that is kept. */
const float *tune_cache_states(const struct tune_cache *c, size_t view, size_t row);

#endif
