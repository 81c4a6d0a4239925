/*
 * Where a training stands between two epochs, as a file: weights and moments that are trained,
 * the clean set, the epoch's losses. It is of one training alone, which a hash names.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_CHECKPOINT_H
#define FREEAL_TRAINER_ENCODER_TUNE_CHECKPOINT_H

#include "trainer/encoder/tune_step.h"

/* Raised with each change of the file's layout or of what training makes of the same data. */
#define TUNE_CHECKPOINT_VERSION 1

struct tune_checkpoint {
	uint64_t identity; /* tune_identity's */
	uint32_t epoch;	   /* the next one */
	double loss;	   /* of the last one */
};

/* Of data, configuration, start weights (the network's), team and precision. */
uint64_t tune_identity(struct network *n, const struct tune_data *data,
		       const struct tune_config *config);

/* Written beside PATH, synced and renamed. */
enum err tune_checkpoint_save(const char *path, const struct tune_checkpoint *c, struct network *n,
			      struct tuner *t, size_t row_count, struct err_msg *msg) WARN_UNUSED;
/*
 * Restores network and tuner. ERR_NOT_FOUND: there is none of that identity (no file, another
 * training's, a damaged one), and nothing was changed. Other errors: the file could not be read
 * after it was found good; the network's weights are of no use.
 */
enum err tune_checkpoint_load(const char *path, uint64_t identity, struct network *n,
			      struct tuner *t, size_t row_count, struct tune_checkpoint *ret,
			      struct err_msg *msg) WARN_UNUSED;

#endif
