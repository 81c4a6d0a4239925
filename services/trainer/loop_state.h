/*
 * The trainer's loop, shared by the files that act on it from the loop's thread:
 *
 *   loop           one turn; what the coordinator says
 *   loop_jobs      jobs: started, ended, reported; their clean sets
 *   loop_selector  the connection to the selector
 */
#ifndef FREEAL_TRAINER_LOOP_STATE_H
#define FREEAL_TRAINER_LOOP_STATE_H

#include "base/clock.h"
#include "base/limits.h"
#include "base/runner.h"
#include "trainer/job.h"
#include "trainer/loop.h"

/* Each has a thread that runs one job at a time. PREDICT needs a model and a block of
 * samples alone, so it never waits for a training. */
enum lane_kind { LANE_HEAVY, LANE_LIGHT, LANE_COUNT };

struct lane {
	struct runner *runner;
	struct job_context *context; /* the thread's */
};

struct loop {
	const struct loop_config *config;
	struct clock clock;
	uint64_t now_ms; /* of this turn */
	void *zmq;
	struct worker *worker;
	struct socket *selector; /* NULL: endpoint not known yet */
	char selector_endpoint[4 * NAME_BYTES_MAX];
	uint8_t epoch[16];
	uint64_t selector_heard_ms; /* 0: never */
	uint64_t hello_due_ms;
	char folder[4096]; /* the slot of config->data that is ours */
	struct dataset *dataset;
	struct supply *supply;
	struct outbox *outbox;
	struct model_folders models;
	struct lane lanes[LANE_COUNT];
	Freeal__Project *project; /* NULL: before the first Welcome */
	bool project_ready;	  /* the replica is this project's, and its model possible here */
	bool blocked;		  /* the coordinator was told why it is not */
	uint64_t check_due_ms;	  /* when that is looked at again */
	struct job *jobs;	  /* oldest first */
	struct refit *refit;
	char losses_name[STREAM_NAME_BYTES_MAX]; /* the refit's, offered; "": none */
	struct supply_need clean_need;		 /* the refit's answer, being pulled */
	enum err error;				 /* the process should end with it */
	struct err_msg *msg;
};

/* loop_jobs.c */
enum err lanes_open(struct loop *l) WARN_UNUSED;
/* False: a thread hangs in its job and the rest can't be freed. */
bool lanes_close(struct loop *l);
bool lanes_idle(const struct loop *l);
/* The job that trains or embeds; NULL: none. */
struct job *job_running_heavy(const struct loop *l);
void job_remove(struct loop *l, struct job *j);
/* Nobody wants it any more. */
void job_cancel(struct loop *l, struct job *j);
/* The selector has the stream of that name, or won't take it. */
void jobs_stored(struct loop *l, const Freeal__Stored *stored);
/* Takes what has ended, starts what can start. */
void jobs_tick(struct loop *l);

/* loop_selector.c */
void selector_connect(struct loop *l, const char *endpoint);
void selector_drain(struct loop *l);
uint64_t selector_tick(struct loop *l);

/* loop.c */
void chunk_take(struct loop *l, const Freeal__Chunk *chunk);

#endif
