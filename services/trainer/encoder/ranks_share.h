/*
 * One rank's part of a step, which all ranks call at the same time: what rank 0 has of the batch
 * goes out, what it needs comes back.
 */
#ifndef FREEAL_TRAINER_ENCODER_RANKS_SHARE_H
#define FREEAL_TRAINER_ENCODER_RANKS_SHARE_H

#include "trainer/encoder/ranks.h"

#include <mpi.h>

enum order_kind {
	ORDER_BEGIN, /* a training; each rank answers */
	ORDER_SYNC,  /* rank 0's weights and moments come */
	ORDER_FORWARD,
	ORDER_BACKWARD,
	ORDER_STEP,
	ORDER_END,  /* of the training */
	ORDER_STOP, /* of the process */
};

/* What rank 0 sends before the others are to do anything. The processes are of one build. */
struct order {
	enum order_kind kind;
	/* BEGIN */
	struct encoder_config config;
	size_t class_count, worker_count;
	struct network_limits limits;
	enum precision precision;
	struct optimizer_config optimizer;
	/* FORWARD */
	size_t text_count, token_count;
	bool sentences_only, has_states, has_keys, has_dropout;
	struct dropout_step dropout;
	/* STEP */
	double rate;
};

struct answer {
	enum err err;
	struct err_msg msg;
};

/* Buffers of a rank, and its share of the batch of the last forward. */
struct share {
	struct network *network;
	struct optimizer *optimizer;
	int count, number; /* of ranks */
	MPI_Datatype row;  /* (hidden) floats */
	struct batch whole, own;
	size_t text_first, token_first; /* of `own` in `whole` */
	uint32_t *own_offsets;		/* (texts_max + 1) */
	float *words;			/* (words_max, hidden) touched rows of the word table */
	size_t words_max;
	int *counts, *starts; /* (count) */
};

enum err share_init(struct share *s, struct network *n, struct optimizer *o) WARN_UNUSED;
void share_done(struct share *s);

void share_sync(struct share *s);
/* `b` is the whole batch, on each rank. `states` and `sentences` have room for it on rank 0, for
 * the own share on others; NULL states: from the ids. */
void share_forward(struct share *s, const struct batch *b, float *states,
		   const struct dropout_step *d, float *sentences);
void share_backward(struct share *s, float *dsentences);

#endif
