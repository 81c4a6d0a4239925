/*
 * Training by several processes, the ranks of an MPI job (`mpirun -np N freeal-trainer ...`), or
 * by this one alone.
 *
 * Rank 0 runs the service and the training. The others follow it: each has a network of its own
 * with the same weights and takes its share of every batch's texts. The sentence states come
 * together on rank 0, which computes head and loss; the gradients are summed over the ranks, and
 * all make the same step. Dropout masks are functions of texts and steps, so that N ranks train
 * as one does, but for the order of the additions. Passes without gradients are rank 0's alone.
 */
#ifndef FREEAL_TRAINER_ENCODER_RANKS_H
#define FREEAL_TRAINER_ENCODER_RANKS_H

#include "trainer/encoder/network.h"
#include "trainer/encoder/optimizer.h"

/* Before all else here, once; does nothing where this process was not started by mpirun, or MPI
 * was not built in. `ret_number`: this process's rank. */
enum err ranks_start(size_t *ret_number, struct err_msg *msg) WARN_UNUSED;
/* Rank 0: lets the others end. To be called by all at the end. */
void ranks_stop(void);
/* What the other ranks do: trains with rank 0 until that stops. A training that can't be set up
 * here fails there. */
void ranks_follow(void);

struct ranks;

/* For a training by rank 0. All is borrowed; what weights and optimizer hold when the first
 * batch comes goes to the other ranks. Errors are those of any rank. */
enum err ranks_new(struct network *n, struct optimizer *o, const struct optimizer_config *config,
		   struct ranks **ret_ranks, struct err_msg *msg) WARN_UNUSED;
void ranks_free(struct ranks *r);

/* network_forward_from and network_sentences. */
void ranks_forward(struct ranks *r, const struct batch *b, const float *states,
		   const struct dropout_step *d, float *ret_sentences);
/* network_backward of the batch of the last ranks_forward, and the sum of all gradients, the
 * head's included. Once for each step. */
void ranks_backward(struct ranks *r, const struct batch *b, const float *dsentences);
/* optimizer_step. */
double ranks_step(struct ranks *r, double rate);

#endif
