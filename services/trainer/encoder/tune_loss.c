#include "trainer/encoder/tune_loss.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct loss {
	const struct tune_terms *t;
	const float *logits;
	float *target, *gradient;
	double scale; /* 1 / rows of the batch */
	double sum;   /* unscaled */
};

/* Adds weight * cross-entropy of the place's logits against l->target; returns that alone. */
static double place_cross_entropy(struct loss *l, size_t place, double weight)
{
	size_t k = l->t->class_count;
	double loss = robust_cross_entropy(l->logits + place * k, l->target, k, l->scale * weight,
					   l->gradient + place * k);
	l->sum += weight * loss;
	return loss;
}

static void target_set(struct loss *l, int32_t a, double share, int32_t b)
{
	memset(l->target, 0, l->t->class_count * sizeof *l->target);
	l->target[a] += (float)share;
	l->target[b] += (float)(1.0 - share);
}

static float member_loss(struct loss *l, const struct tune_member *m)
{
	const struct tune_terms *t = l->t;
	size_t k = t->class_count;
	double own = NAN;
	assert(!m->clean || m->label >= 0);
	if (m->label >= 0) {
		target_set(l, m->label, 1.0, m->label);
		own = place_cross_entropy(l, m->text, m->clean ? 1.0 : t->noisy_weight);
	}
	if (m->second == TUNE_NO_TEXT)
		return (float)own;
	if (m->clean)
		(void)place_cross_entropy(l, m->second, t->ramp);
	else
		l->sum += t->ramp * robust_consistency(
					l->logits + m->text * k, l->logits + m->second * k, k,
					t->robust, l->scale * t->ramp, l->gradient + m->text * k,
					l->gradient + m->second * k);
	return (float)own;
}

double tune_loss(const struct tune_terms *t, const float *logits, float *target,
		 float *ret_gradient, float *ret_losses)
{
	assert(t->member_count > 0);
	struct loss l = {.t = t,
			 .logits = logits,
			 .target = target,
			 .gradient = ret_gradient,
			 .scale = 1.0 / (double)t->member_count};
	size_t places = t->text_count + t->mixture_count;
	memset(ret_gradient, 0, places * t->class_count * sizeof *ret_gradient);
	for (size_t i = 0; i < t->member_count; i++)
		ret_losses[i] = member_loss(&l, &t->members[i]);
	for (size_t i = 0; i < t->mixture_count; i++) {
		const struct tune_mixture *m = &t->mixtures[i];
		target_set(&l, t->members[m->a].label, t->mixture_share, t->members[m->b].label);
		(void)place_cross_entropy(&l, t->text_count + i, t->ramp);
	}
	return l.sum * l.scale;
}
