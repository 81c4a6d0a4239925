/*
 * A coordinator and a selector for tests of the trainer as a process: two ROUTERs that
 * lease work, serve the training set, pull what is offered and keep what they get. The
 * texts are made so that a linear model gets nearly all right.
 */
#ifndef FREEAL_TESTS_TRAINER_PEERS_H
#define FREEAL_TESTS_TRAINER_PEERS_H

#include "wire/stream.h"
#include "worker_peers.h"

#define SAMPLE_COUNT 600
#define RESULT_COUNT_MAX 32

struct peer {
	struct socket *socket;
	struct peer_id trainer; /* who said Hello last; size 0: nobody yet */
	uint32_t hello_count;
};

struct peers {
	char dir[64], bus[128], selector_endpoint[128], data[128], model[128];
	void *zmq;
	struct peer coordinator, selector;
	pid_t pid; /* of the trainer; 0: not running */
	char texts[SAMPLE_COUNT][96];
	int32_t gold[SAMPLE_COUNT];
	int32_t labels[SAMPLE_COUNT]; /* a tenth is wrong, a twentieth missing */
	bool sets;		      /* every third sample has a set of two, right one last */
	size_t sets_right;	      /* of them judged with the right one */
	/* What came. */
	Freeal__Result *results[RESULT_COUNT_MAX];
	uint32_t result_count, return_count, leaving_count, lease_renew_count;
	uint32_t credit;	       /* as last told */
	uint32_t sample_request_count; /* of the stream "samples" */
	uint32_t model_request_count;  /* of the stream "model", served from p->model */
	uint64_t model_checksum;       /* of the last final training */
	float probabilities[SAMPLE_COUNT][CLASS_COUNT]; /* out-of-fold */
	int oof_count[SAMPLE_COUNT];
	uint64_t vector_count; /* of the last stream of vectors */
	uint64_t vector_hash;  /* of it */
	uint32_t vector_dimensions;
	uint32_t blocked_count, free_count; /* times that it said so */
	char blocked_reason[1024];
	uint32_t offer_count, stored_count, model_done;
	uint32_t loss_stream_count; /* streams of losses stored, recipe "paper" */
	bool store;		    /* false: offers are not answered */
	const char *recipe;
	uint32_t fold_count;
	uint64_t vocabulary_count; /* of embed_lease */
	struct stream_pull pull, model_pull;
};

int peers_setup(void **state);
int peers_teardown(void **state);

/* Starts PROGRAMS/freeal-trainer. */
void trainer_start(struct peers *p, char *const argv[]);
void trainer_train(struct peers *p);
/* Sends the welcome again. */
void trainer_welcome(struct peers *p);
/* Returns the exit code, or -1 after a signal; fails when it takes more than 2 s. */
int trainer_stop(struct peers *p, int signal_number);

/* Leases; each is round 0, attempt 1 unless given. Slot 1 embeds two demonstrations;
 * fold FOLD_COUNT is the final training, whatever fold_count is. */
void embed_lease(struct peers *p, uint32_t slot);
void train_lease(struct peers *p, uint32_t fold, uint32_t attempt);
void predict_lease(struct peers *p, uint64_t from, uint64_t to);
void cancel_send(struct peers *p, Freeal__WorkKind kind, uint64_t item);
/* Pulls the stream "model" into the folder p->model. */
void model_pull(struct peers *p);

/* Plays both until *what reaches `want`. */
void wait_for(struct peers *p, const uint32_t *what, uint32_t want);
/* The result behind those that came so far; it must not be an error. */
const Freeal__Result *wait_result(struct peers *p);

#endif
