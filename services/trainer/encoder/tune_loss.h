/*
 * The loss of a batch on the logits of its texts, second views and mixtures, and its gradient.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_LOSS_H
#define FREEAL_TRAINER_ENCODER_TUNE_LOSS_H

#include "trainer/robust.h"

#define TUNE_NO_TEXT ((size_t)-1)

/* A row of the batch. */
struct tune_member {
	uint32_t row;
	int32_t label; /* -1: unlabelled */
	bool clean;
	size_t text;   /* where its logits are */
	size_t second; /* its second view's; TUNE_NO_TEXT: none */
};

/* share * a + (1 - share) * b of two members' sentence states. */
struct tune_mixture {
	size_t a, b; /* members, clean */
};

struct tune_terms {
	const struct tune_member *members; /* (member_count) */
	size_t member_count;
	const struct tune_mixture *mixtures; /* (mixture_count); their logits come last */
	size_t mixture_count;
	size_t text_count;    /* texts and second views */
	double mixture_share; /* l of robust.h */
	double ramp;	      /* w */
	double noisy_weight;
	const struct robust_config *robust;
	size_t class_count;
};

/* `logits` (text_count + mixture_count, class_count); writes their gradient, and to ret_losses
 * (member_count) the cross-entropies of the texts, NAN where there is no label. `target`
 * (class_count) is scratch. */
double tune_loss(const struct tune_terms *t, const float *logits, float *target,
		 float *ret_gradient, float *ret_losses);

#endif
