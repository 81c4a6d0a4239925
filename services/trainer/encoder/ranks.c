/* Without MPI: one process. */
#include "trainer/encoder/ranks.h"

#ifndef FREEAL_MPI

#include <stdlib.h>

struct ranks {
	struct network *network;
	struct optimizer *optimizer;
};

enum err ranks_start(size_t *ret_number, struct err_msg *msg)
{
	(void)msg;
	*ret_number = 0;
	return ERR_OK;
}

void ranks_stop(void)
{
}

void ranks_follow(void)
{
}

enum err ranks_new(struct network *n, struct optimizer *o, const struct optimizer_config *config,
		   struct ranks **ret_ranks, struct err_msg *msg)
{
	(void)config;
	struct ranks *r = malloc(sizeof *r);
	if (!r)
		return err_set(msg, ERR_NO_MEMORY, "no memory for training");
	*r = (struct ranks){n, o};
	*ret_ranks = r;
	return ERR_OK;
}

void ranks_free(struct ranks *r)
{
	free(r);
}

void ranks_forward(struct ranks *r, const struct batch *b, const float *states,
		   const struct dropout_step *d, float *ret_sentences)
{
	network_forward_from(r->network, b, states, d);
	network_sentences(r->network, b, ret_sentences);
}

void ranks_backward(struct ranks *r, const struct batch *b, const float *dsentences)
{
	network_backward(r->network, b, dsentences);
}

double ranks_step(struct ranks *r, double rate)
{
	return optimizer_step(r->optimizer, rate);
}

#endif
