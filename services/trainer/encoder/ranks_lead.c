/* Rank 0's side, and the life of the MPI job. */
#include "trainer/encoder/ranks.h"

#ifdef FREEAL_MPI

#include "trainer/encoder/ranks_share.h"

#include <stdlib.h>
#include <string.h>

struct ranks {
	struct network *network;
	struct optimizer *optimizer;
	int count;
	bool is_synced;
	struct share share; /* with more than one rank */
};

static bool started;

static int rank_count(void)
{
	int count = 1;
	if (started)
		MPI_Comm_size(MPI_COMM_WORLD, &count);
	return count;
}

static void order_send(const struct order *o)
{
	for (int i = 1; i < rank_count(); i++)
		MPI_Send(o, sizeof *o, MPI_BYTE, i, 0, MPI_COMM_WORLD);
}

enum err ranks_start(size_t *ret_number, struct err_msg *msg)
{
	int number = 0, level;
	/* Alone, OpenMPI would start a helper process. */
	if (getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_SIZE") || getenv("PMIX_RANK")) {
		/* Trainings run on a thread that main started, one at a time. */
		if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS)
			return err_set(msg, ERR_IO, "MPI can't be started");
		started = true;
		if (level < MPI_THREAD_SERIALIZED)
			return err_set(msg, ERR_INVALID, "this MPI was built without threads");
		MPI_Comm_rank(MPI_COMM_WORLD, &number);
	}
	*ret_number = (size_t)number;
	return ERR_OK;
}

void ranks_stop(void)
{
	int number;
	if (!started)
		return;
	MPI_Comm_rank(MPI_COMM_WORLD, &number);
	if (number == 0)
		order_send(&(struct order){.kind = ORDER_STOP});
	MPI_Finalize();
	started = false;
}

/* Each rank's answer, in their order; the first error counts. */
static enum err answers_wait(int count, struct err_msg *msg)
{
	struct answer first = {0};
	for (int i = 1; i < count; i++) {
		struct answer answer;
		MPI_Recv(&answer, sizeof answer, MPI_BYTE, i, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (!first.err && answer.err) {
			first = answer;
			(void)err_prefix(&first.msg, first.err, "rank %d of the training", i);
		}
	}
	return first.err ? err_set(msg, first.err, "%s", first.msg.text) : ERR_OK;
}

static enum err others_begin(struct ranks *r, const struct optimizer_config *config,
			     struct err_msg *msg)
{
	const struct parameters *p = network_parameters(r->network);
	order_send(&(struct order){.kind = ORDER_BEGIN,
				   .config = p->config,
				   .class_count = p->class_count,
				   .worker_count = team_size(network_team(r->network)),
				   .limits = *network_limits(r->network),
				   .precision = gemm_precision(network_gemm(r->network)),
				   .optimizer = *config});
	return answers_wait(r->count, msg);
}

enum err ranks_new(struct network *n, struct optimizer *o, const struct optimizer_config *config,
		   struct ranks **ret_ranks, struct err_msg *msg)
{
	struct ranks *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(msg, ERR_NO_MEMORY, "no memory for training");
	r->network = n;
	r->optimizer = o;
	r->count = rank_count();
	enum err err = ERR_OK;
	if (r->count > 1) {
		err = others_begin(r, config, msg);
		if (!err && share_init(&r->share, n, o))
			err = err_set(msg, ERR_NO_MEMORY, "no memory for training");
	}
	if (err) {
		ranks_free(r);
		return err;
	}
	*ret_ranks = r;
	return ERR_OK;
}

void ranks_free(struct ranks *r)
{
	if (!r)
		return;
	if (r->count > 1)
		order_send(&(struct order){.kind = ORDER_END});
	share_done(&r->share);
	free(r);
}

static void batch_send(struct ranks *r, const struct batch *b, bool has_states,
		       const struct dropout_step *d)
{
	struct order order = {.kind = ORDER_FORWARD,
			      .text_count = b->text_count,
			      .token_count = b->token_count,
			      .sentences_only = b->sentences_only,
			      .has_states = has_states,
			      .has_keys = b->keys != NULL,
			      .has_dropout = d != NULL};
	if (d)
		order.dropout = *d;
	if (!r->is_synced) {
		order_send(&(struct order){.kind = ORDER_SYNC});
		share_sync(&r->share);
		r->is_synced = true;
	}
	order_send(&order);
	MPI_Bcast((void *)(uintptr_t)b->ids, (int)b->token_count, MPI_UINT32_T, 0, MPI_COMM_WORLD);
	MPI_Bcast((void *)(uintptr_t)b->offsets, (int)b->text_count + 1, MPI_UINT32_T, 0,
		  MPI_COMM_WORLD);
	if (b->keys)
		MPI_Bcast((void *)(uintptr_t)b->keys, (int)b->text_count, MPI_UINT64_T, 0,
			  MPI_COMM_WORLD);
}

void ranks_forward(struct ranks *r, const struct batch *b, const float *states,
		   const struct dropout_step *d, float *ret_sentences)
{
	if (r->count > 1) {
		batch_send(r, b, states != NULL, d);
		/* Rank 0's are only read. */
		share_forward(&r->share, b, (float *)(uintptr_t)states, d, ret_sentences);
		return;
	}
	network_forward_from(r->network, b, states, d);
	network_sentences(r->network, b, ret_sentences);
}

void ranks_backward(struct ranks *r, const struct batch *b, const float *dsentences)
{
	if (r->count > 1) {
		order_send(&(struct order){.kind = ORDER_BACKWARD});
		share_backward(&r->share, (float *)(uintptr_t)dsentences);
	} else {
		network_backward(r->network, b, dsentences);
	}
}

double ranks_step(struct ranks *r, double rate)
{
	if (r->count > 1)
		order_send(&(struct order){.kind = ORDER_STEP, .rate = rate});
	return optimizer_step(r->optimizer, rate);
}

#endif
