/*
 * AdamW with decoupled decay, as torch.optim.AdamW, after clipping the gradients' norm, as
 * torch.nn.utils.clip_grad_norm_. Parameters that don't decay are those of parameters.h.
 */
#ifndef FREEAL_TRAINER_ENCODER_OPTIMIZER_H
#define FREEAL_TRAINER_ENCODER_OPTIMIZER_H

#include "trainer/encoder/network.h"

struct optimizer_config {
	double beta1, beta2, epsilon; /* 0.9, 0.999, 1e-8 */
	double decay;		      /* 0.01 */
	double norm_max;	      /* 1; 0: no clipping */
};

struct optimizer_config optimizer_config_default(void);

struct optimizer;

/* Two moments per parameter that is trained. `n` is borrowed. */
enum err optimizer_new(struct network *n, const struct optimizer_config *config,
		       struct optimizer **ret_optimizer) WARN_UNUSED;
void optimizer_free(struct optimizer *o);
/* At most; rows of the word table that no text has take none. */
size_t optimizer_bytes(const struct parameters *p, uint32_t frozen);

/* One step with that rate, the network's gradients (which are then 0) and weights (and their
 * bf16 copies). Returns the gradients' norm before clipping; where it is not finite the weights
 * and moments stay as they were. */
double optimizer_step(struct optimizer *o, double rate);

/* For checkpoints: the moments (parameters' size each, of which those before network_trained
 * are never touched) and the number of steps. They may be written to until the next step. */
struct optimizer_state {
	float *first, *second;
	uint64_t *steps;
};
struct optimizer_state optimizer_state(struct optimizer *o);

/* Linear warm-up over the first `warmup` steps, then linear to 0 at `steps`; as transformers'
 * get_linear_schedule_with_warmup. `step` from 0. */
double optimizer_rate(double rate, uint64_t step, uint64_t warmup, uint64_t steps);

#endif
