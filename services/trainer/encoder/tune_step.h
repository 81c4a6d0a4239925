/*
 * One step of the training after the other: forward, loss, backward, optimiser. What tune_run
 * is made of, and benchmarks.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_STEP_H
#define FREEAL_TRAINER_ENCODER_TUNE_STEP_H

#include "trainer/encoder/tune.h"

struct tuner;

/* All that steps need is allocated here; with frozen layers it also makes one pass over the rows
 * (tune_cache.h). Network, data and config are borrowed. */
enum err tuner_new(struct network *n, const struct tune_data *data,
		   const struct tune_config *config, const struct progress *progress,
		   struct tuner **ret_tuner, struct err_msg *msg) WARN_UNUSED;
void tuner_free(struct tuner *t);

/* Rows of data that take part in that epoch: `ret_rows` (count of data). */
size_t tuner_rows(const struct tuner *t, uint32_t epoch, uint32_t *ret_rows);
/* ret_lengths (count of data): tokens of each row in a step of that epoch, both views. */
void tuner_lengths(const struct tuner *t, uint32_t epoch, uint32_t *ret_lengths);
/* The clean set that steps go by (count of data); at first data->clean. For the caller to set. */
bool *tuner_clean(struct tuner *t);
/* Cross-entropies of the labelled rows as their last steps made them (count of data); NAN: none
 * yet. For the caller to reset. */
float *tuner_losses(struct tuner *t);
struct optimizer *tuner_optimizer(struct tuner *t);

/*
 * A step with up to batch_rows rows of data. The epoch says w, `step` names the dropout masks.
 * Rows that nothing is to be learnt from are left out. ERR_INVALID: the loss is not finite;
 * ERR_CANCELLED: what network_cancel looks at was set.
 */
enum err tuner_step(struct tuner *t, const uint32_t *rows, size_t count, uint32_t epoch,
		    uint64_t step, double rate, double *ret_loss, struct err_msg *msg) WARN_UNUSED;

/* The step's parts, for tests: the loss and the network's gradients, which are added to. */
enum err tuner_gradients(struct tuner *t, const uint32_t *rows, size_t count, uint32_t epoch,
			 uint64_t step, double *ret_loss, struct err_msg *msg) WARN_UNUSED;

#endif
