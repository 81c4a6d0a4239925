/* What the ranks behind 0 do. */
#include "trainer/encoder/ranks.h"

#ifdef FREEAL_MPI

#include "trainer/encoder/ranks_share.h"

#include <stdlib.h>
#include <time.h>

/* A blocking receive of MPI keeps its processor busy, however long it waits. */
#define POLL_NS_MIN 20000
#define POLL_NS_MAX 20000000

/* One training as this rank sees it. */
struct follower {
	struct parameters parameters;
	struct team *team;
	struct network *network; /* NULL: no training */
	struct optimizer *optimizer;
	struct share share;
	uint32_t *ids, *offsets; /* (tokens_max), (texts_max + 1): the whole batch */
	uint64_t *keys;		 /* (texts_max) */
	float *states;		 /* (tokens_max, hidden) with frozen layers */
	float *sentences;	 /* (texts_max, hidden) */
};

static void order_wait(struct order *ret)
{
	struct timespec pause = {.tv_nsec = POLL_NS_MIN};
	for (;;) {
		int there;
		MPI_Iprobe(0, 0, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE);
		if (there)
			break;
		nanosleep(&pause, NULL);
		/* Longer and longer between trainings. */
		pause.tv_nsec += pause.tv_nsec / 16;
		if (pause.tv_nsec > POLL_NS_MAX)
			pause.tv_nsec = POLL_NS_MAX;
	}
	MPI_Recv(ret, sizeof *ret, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void follower_done(struct follower *f)
{
	share_done(&f->share);
	optimizer_free(f->optimizer);
	network_free(f->network);
	team_free(f->team);
	parameters_done(&f->parameters);
	free(f->ids);
	free(f->offsets);
	free(f->keys);
	free(f->states);
	free(f->sentences);
	*f = (struct follower){0};
}

static enum err buffers_new(struct follower *f)
{
	const struct network_limits *limits = network_limits(f->network);
	size_t hidden = f->parameters.config.hidden;
	f->ids = malloc(limits->tokens_max * sizeof *f->ids);
	f->offsets = malloc((limits->texts_max + 1) * sizeof *f->offsets);
	f->keys = malloc(limits->texts_max * sizeof *f->keys);
	f->sentences = malloc(limits->texts_max * hidden * sizeof *f->sentences);
	if (limits->frozen > 0)
		f->states = malloc(limits->tokens_max * hidden * sizeof *f->states);
	if (!f->ids || !f->offsets || !f->keys || !f->sentences ||
	    (limits->frozen > 0 && !f->states))
		return ERR_NO_MEMORY;
	return share_init(&f->share, f->network, f->optimizer);
}

static void follower_begin(struct follower *f, const struct order *o)
{
	struct answer answer = {.err = ERR_NO_MEMORY, .msg = {"no memory for training"}};
	follower_done(f);
	if (!parameters_init(&f->parameters, &o->config, o->class_count) &&
	    !team_new(o->worker_count, &f->team))
		answer.err = network_new(&f->parameters, &o->limits, f->team, o->precision,
					 &f->network, &answer.msg);
	if (!answer.err)
		answer.err = optimizer_new(f->network, &o->optimizer, &f->optimizer);
	if (!answer.err)
		answer.err = buffers_new(f);
	if (answer.err)
		follower_done(f);
	MPI_Send(&answer, sizeof answer, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
}

static void follower_forward(struct follower *f, const struct order *o)
{
	struct batch batch = {.text_count = o->text_count,
			      .token_count = o->token_count,
			      .ids = f->ids,
			      .offsets = f->offsets,
			      .keys = o->has_keys ? f->keys : NULL,
			      .sentences_only = o->sentences_only};
	MPI_Bcast(f->ids, (int)o->token_count, MPI_UINT32_T, 0, MPI_COMM_WORLD);
	MPI_Bcast(f->offsets, (int)o->text_count + 1, MPI_UINT32_T, 0, MPI_COMM_WORLD);
	if (o->has_keys)
		MPI_Bcast(f->keys, (int)o->text_count, MPI_UINT64_T, 0, MPI_COMM_WORLD);
	share_forward(&f->share, &batch, o->has_states ? f->states : NULL,
		      o->has_dropout ? &o->dropout : NULL, f->sentences);
}

void ranks_follow(void)
{
	struct follower f = {0};
	for (;;) {
		struct order order;
		order_wait(&order);
		switch (order.kind) {
		case ORDER_BEGIN:
			follower_begin(&f, &order);
			break;
		case ORDER_SYNC:
			share_sync(&f.share);
			break;
		case ORDER_FORWARD:
			follower_forward(&f, &order);
			break;
		case ORDER_BACKWARD:
			share_backward(&f.share, f.sentences);
			break;
		case ORDER_STEP:
			(void)optimizer_step(f.optimizer, order.rate);
			break;
		case ORDER_END:
			follower_done(&f);
			break;
		case ORDER_STOP:
			follower_done(&f);
			return;
		}
	}
}

#endif
