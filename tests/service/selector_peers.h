/*
 * A coordinator and a trainer for tests of the selector as a process: a ROUTER that leases
 * work and pulls what the selector makes, and a DEALER that offers rows and vectors. The
 * rows are made so that a tenth of the labels is wrong.
 */
#ifndef FREEAL_TESTS_SELECTOR_PEERS_H
#define FREEAL_TESTS_SELECTOR_PEERS_H

#include "wire/stream.h"
#include "worker_peers.h"

#define SAMPLE_COUNT 3000
#define DIMENSIONS 12
#define GENERATED_COUNT 9

struct peers {
	char dir[64], bus[128], bind[128], data[128];
	void *zmq;
	struct socket *coordinator, *trainer;
	struct peer_id selector; /* who said Hello last; size 0: nobody yet */
	pid_t pid;		 /* 0: not running */
	/* The data. */
	int32_t gold[SAMPLE_COUNT], labels[SAMPLE_COUNT];
	float probabilities[SAMPLE_COUNT][CLASS_COUNT];
	float vectors[SAMPLE_COUNT][DIMENSIONS];
	float generated[GENERATED_COUNT][DIMENSIONS];
	float broken_probability; /* not 0: takes the place of one */
	/* What came. */
	Freeal__Result *result; /* the last */
	uint32_t result_count, stored_count, welcome_count, missing_count;
	char refusal[256]; /* of the last Stored */
	Freeal__SelectionRow selection[SAMPLE_COUNT];
	uint64_t selection_count;
	uint32_t nearest[SAMPLE_COUNT][8];
	uint32_t nearest_counts[SAMPLE_COUNT];
	uint64_t nearest_count;
	struct stream_pull pull; /* of the coordinator or the trainer */
	uint32_t pull_done;
};

int peers_setup(void **state);
int peers_teardown(void **state);

void selector_start(struct peers *p);
/* Returns the exit code, or -1 after a signal; fails when it takes more than 4 s. */
int selector_stop(struct peers *p, int signal_number);

/* Offers a stream and waits until the selector has answered with Stored. */
void offer(struct peers *p, const char *stream);
/* All that a SELECT of this round reads. */
void offer_round(struct peers *p, uint32_t round);

void pool_send(struct peers *p, const Freeal__Pool *pool);
/* The generated pool, version 1: number i has class i % CLASS_COUNT. */
void pool_generated_send(struct peers *p);
void select_lease(struct peers *p, uint32_t round, uint32_t pool, double relabel);
void retrieve_lease(struct peers *p, uint32_t round, uint64_t pool_version, bool all);
/* The next result; acknowledged. */
const Freeal__Result *wait_result(struct peers *p);
/* Pulls selection/ROUND, nearest/ROUND/SLOT (coordinator) or clean/ROUND/EPOCH (trainer). */
void pull_rows(struct peers *p, const char *stream, bool by_trainer);

/* Plays both until *what reaches `want`. */
void wait_for(struct peers *p, const uint32_t *what, uint32_t want);

#endif
