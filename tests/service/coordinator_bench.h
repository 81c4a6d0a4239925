/*
 * A bench for the coordinator as a process, with an annotator and a trainer that are played here.
 */
#ifndef FREEAL_TESTS_COORDINATOR_BENCH_H
#define FREEAL_TESTS_COORDINATOR_BENCH_H

#include "wire/worker.h"
#include "worker_peers.h"

#define SAMPLES 20

struct bench {
	char dir[64], endpoint[96];
	pid_t pid;
	int port;
	char token[128];
	void *context;
	struct worker *trainer; /* settles EMBED */
	struct worker *annotator;
	bool answer;	 /* leases are answered at once */
	int answers_max; /* behind so many the others are held; 0: none is */
	int leases, welcomes, grants;
	bool limited; /* no lease may come before a grant */
	uint8_t project_id[16];
	uint64_t last_item;
	uint32_t last_attempt;
	bool hold_arrivals; /* their EMBED is not answered */
	uint32_t arrivals_leases;
	int recalled, recalled_count; /* entries with a body; answers */
	uint64_t trained;	      /* samples of the TRAIN that was leased; 0: none yet */
};

/* For cmocka_unit_test_setup_teardown; *state is the bench. */
int bench_make(void **state);
/* Its task has limits for all annotators together. */
int limited_bench_make(void **state);
int bench_free(void **state);

/* Returns when its HTTP port is known. */
void coordinator_start(struct bench *b);
/* kill -9. */
void coordinator_kill(struct bench *b);
/* One request with a connection of its own; the whole reply. */
void http(struct bench *b, const char *method, const char *path, const char *token,
	  const char *body, char *reply, size_t size);
/* Samples `from` to `to`, without the latter. */
void samples_send(struct bench *b, int from, int to);
/* All SAMPLES, and the start of the project. */
void samples_post(struct bench *b);
/* How many samples have the LLM's label. */
int labelled(struct bench *b);

/* Results, whether leased or not. An annotation is of attempt 1. */
void embed_send(struct bench *b, uint64_t item, uint32_t slot);
void attempt_send(struct bench *b, uint32_t round, uint64_t item, uint32_t attempt,
		  uint32_t class_id);
void annotation_send(struct bench *b, uint32_t round, uint64_t item, uint32_t class_id);

/* Turns both workers until `done` says so, 20 s at most. */
void workers_run(struct bench *b, uint32_t credit, bool (*done)(struct bench *));
bool one_is_leased(struct bench *b);
/* Those of the annotator. */
bool results_are_acknowledged(struct bench *b);

#endif
