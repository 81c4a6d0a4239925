/*
 * The coordinator's state, shared by the files that act on it from the loop's thread:
 *
 *   loop      one turn: receive, serve, advance, commit, answer, lease
 *   message   what workers say
 *   phase     what happens when a phase begins and ends       pool     the demonstrations
 *   dispatch  who gets which work               order    what it says
 *   budget    what it may cost                  grant    shares of the endpoints' limits
 *   result    what comes back
 *   pull      streams pulled from workers        feed   streams served to them
 *   recall    kept replies looked up for annotators
 *   note      jobs at a provider's Batch API, and who looks after them
 *
 * HTTP threads read the store by transactions of their own and reach the loop by `inbox`.
 */
#ifndef FREEAL_COORDINATOR_COORDINATOR_H
#define FREEAL_COORDINATOR_COORDINATOR_H

#include "base/clock.h"
#include "base/err.h"
#include "config/task.h"
#include "coordinator/again.h"
#include "coordinator/agenda.h"
#include "coordinator/batches.h"
#include "coordinator/holders.h"
#include "coordinator/inbox.h"
#include "coordinator/label.h"
#include "coordinator/late.h"
#include "coordinator/lease.h"
#include "coordinator/peer.h"
#include "coordinator/reserve.h"
#include "coordinator/round.h"
#include "coordinator/share.h"
#include "coordinator/tables.h"
#include "llm/prompt_size.h"
#include "proto/stream.pb-c.h"
#include "wire/folder_stream.h"
#include "wire/socket.h"
#include "wire/stream.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* How long a lease lasts without a heartbeat. Workers send fifteen in that time, and one that
 * sends none for two thirds of it is forgotten. */
#define LEASE_TTR_MS 15000u
#define LEASE_TTR_MS_MIN 750u
#define HEARTBEATS_PER_LEASE 15u
#define HEARTBEATS_MISSED_MAX 5u /* by a worker that still gets more work */

struct coordinator_config {
	const char *task_path; /* NULL: the project's own copy */
	const char *project_dir;
	const char *endpoint;	       /* ROUTER for the workers; NULL: no bus (the CLI's reads) */
	const char *selector_endpoint; /* told to trainers */
	uint32_t ttr_ms;	       /* of leases; 0: LEASE_TTR_MS */
	const struct auth *auth;       /* keys for the bus; NULL: ipc:// alone */
};

/* Results acknowledged after the commit. */
struct ack {
	struct peer_id to;
	Freeal__WorkName name;
	uint32_t attempt;
};

/* A note to send after the commit: that it is stored, or to its new holder. */
#define NOTE_SENDS_MAX 128u
struct note_send {
	struct peer_id to;
	uint8_t token[BATCH_TOKEN_BYTES];
	bool whole;
};

/* Keys that an annotator wants looked up, after the commit. */
struct recall_request;

/* A result whose rows are still being pulled from the worker that has them. */
struct pending_pull {
	struct stream_pull pull;
	Freeal__Result *result; /* a copy; NULL: nothing is pending */
	struct again *again;	/* SELECT: who is to be asked again, as far as it has come */
	struct peer_id from;
	uint64_t index;
};

struct coordinator {
	struct clock clock;
	uint64_t now_ms;
	struct task *task;
	Freeal__Project *project;
	char project_dir[1024];
	char selector_endpoint[256];
	struct store *store;
	struct store_txn *txn; /* of this turn; NULL until something needs it */
	void *zmq;
	struct socket *socket;
	uint8_t epoch[PEER_EPOCH_BYTES];

	Freeal__StateRecord state;
	char stop_reason[256]; /* what state.stop_reason points to */
	Freeal__CounterRecord counters;
	Freeal__RoundRecord round; /* counted since the phase's record; under meta "open" */
	Freeal__Usage usage;	   /* what round.usage points to */
	uint64_t sample_count;	   /* in the store, newcomers included */
	int32_t *labels;	   /* training label by sample_no; LABEL_NONE, LABEL_SET */
	uint64_t labels_capacity;
	uint64_t labelled;  /* labels that are not LABEL_NONE */
	uint64_t set_aside; /* samples asked in this round without a usable answer */

	struct agenda *agenda;
	uint32_t ttr_ms;
	struct lease_table *leases;
	struct peer_table *peers;
	struct holders *holders;	  /* under meta "holders" */
	struct reserve *reserve;	  /* its sums are in the counters when they are stored */
	struct prompt_size question_size; /* of what question_llm is asked; NULL: not yet */
	const Freeal__Llm *question_llm;
	const char *budget_out; /* why the next work can't be leased; NULL: it can */
	struct share **shares;	/* by endpoint; NULL: it has no limits */
	const Freeal__Llm
	    *grants_llm; /* peers' `usable` is about its endpoints; NULL: about none */
	struct pending_pull pending;
	Freeal__Pool *pool;	     /* of state.pool_version; NULL */
	struct folder_writer *model; /* the model that is being pulled; NULL */

	struct late late;
	struct ack *acks;
	size_t ack_count, ack_capacity;
	Freeal__KeptRecord kept; /* totals of the kept replies */
	struct batches *batches;
	struct note_send note_sends[NOTE_SENDS_MAX];
	size_t note_send_count;
	struct recall_request *recalls;
	uint32_t recall_count;
	struct inbox *inbox;
	struct inbox_request *serving;	  /* was too long for one turn, NULL */
	struct inbox_request *served[64]; /* wait for the commit */
	size_t served_count;

	bool phase_entered; /* the agenda is that of state.phase */
	uint64_t phase_began_ms;
	uint64_t phase_settled_at_begin;
	uint32_t mend_count; /* times that this round went back for what a worker had lost */
	bool stopping;
	char failed[512]; /* why the run can't go on; "" while it can */
	enum err fatal;	  /* the process must end */

	pthread_mutex_t status_mutex;
	char *status_json; /* published each turn that changes something */
	uint64_t status_due_ms;
};

/* Opens the project (makes it when it is missing) and loads its state. */
enum err coordinator_open(const struct coordinator_config *config, struct coordinator **ret_c,
			  struct err_msg *msg) WARN_UNUSED;
void coordinator_close(struct coordinator *c);
/* Runs until stop is requested or nothing can go on; the result is the exit reason. */
enum err coordinator_run(struct coordinator *c) WARN_UNUSED;

/* The turn's transaction; NULL after a fatal error. */
struct store_txn *coordinator_txn(struct coordinator *c);
/* Notes an error that ends the process, once. */
void coordinator_fatal(struct coordinator *c, enum err e, const char *what);
/* The run can't go on, but the process can serve what there is. */
void coordinator_fail(struct coordinator *c, const char *reason);
/* To be acknowledged after the commit. */
void coordinator_ack(struct coordinator *c, const struct peer_id *to, const Freeal__WorkName *name,
		     uint32_t attempt);
/* A peer that can't be reached: what it holds runs out. */
void coordinator_peer_forget(struct coordinator *c, uint32_t number);
/* Where the last final model is: PROJECT/model. */
void coordinator_model_path(const struct coordinator *c, char *path, size_t size);
const Freeal__RoundConfig *coordinator_round_config(const struct coordinator *c);
/* The first of the endpoints that the round asks. */
const Freeal__Endpoint *coordinator_endpoint_first(const struct coordinator *c);
/* Copy of the status for an HTTP thread; free it. NULL: not yet, or no memory. */
char *coordinator_status(struct coordinator *c);

/* message.c */
void message_take(struct coordinator *c, const struct peer_id *from, const Freeal__Envelope *e);

/* phase.c: goes on to the next phases as far as their work is settled. */
void phase_advance(struct coordinator *c);
/* A worker lacks something that an earlier phase made: goes back there, a few times in one
 * round; more often, and the run has failed. False: that can't be missing in this phase. */
bool phase_mend(struct coordinator *c, Freeal__Missing missing, const char *reason);

/* pool.c: c->pool becomes the state's pool. */
enum err pool_load(struct coordinator *c) WARN_UNUSED;
/* Stores pool 1: the task file's examples, then what the LLM wrote. */
enum err pool_generated_put(struct coordinator *c, uint64_t *ret_count) WARN_UNUSED;
/* Stores the pool that the round's SELECT picked. */
enum err pool_selected_put(struct coordinator *c, const Freeal__SelectResult *select) WARN_UNUSED;

/* dispatch.c */
void dispatch_leases(struct coordinator *c);
/* Who does the work of the phase; NONE: nobody. */
Freeal__Role dispatch_role(Freeal__Phase phase);
/* The LLM that the phase asks; NULL: none. */
const Freeal__Llm *dispatch_llm(const struct coordinator *c);
/* GENERATE of a project whose model is an encoder: asking begins once a trainer has said that it
 * can train it. */
bool dispatch_waits_for_trainer(const struct coordinator *c);
/* Ends the lease of a work, which is to be leased again as attempt + 1. */
void dispatch_return(struct coordinator *c, uint64_t index, uint32_t attempt);

/* recall.c */
/* To be answered after the commit; dropped where there are too many: it is asked again. */
void recall_queue(struct coordinator *c, const struct peer_id *from, const Freeal__Recall *recall);
void recalls_answer(struct coordinator *c);
void recalls_done(struct coordinator *c);

/* note.c: what a message about a job changes; BatchNoted is sent after the commit. */
void note_take(struct coordinator *c, uint32_t peer, const Freeal__BatchNote *note);
/* An annotator has said Hello: it is told the notes that it holds. */
void notes_hello(struct coordinator *c, uint32_t peer);
/* It has left in good order. */
void notes_leave(struct coordinator *c, uint32_t peer);
/* The phase's works under open notes are nobody else's. */
void notes_enter(struct coordinator *c);
/* Gives notes whose holders are gone to annotators that are there. */
void notes_turn(struct coordinator *c);
void notes_send(struct coordinator *c);
/* A work that only this annotator may have. */
bool note_work_next(struct coordinator *c, uint32_t peer, uint64_t *ret_index,
		    uint32_t *ret_attempt);
/* The work's lease has ended: true where it waits for its note's holder. */
bool note_work_return(struct coordinator *c, uint64_t index, uint32_t attempt);

/* budget.c */
enum err budget_open(struct coordinator *c) WARN_UNUSED;
/* The task has one: what is reserved is on disk before a lease is sent. */
bool budget_is_durable(const struct coordinator *c);
/* The task's, and --max-requests; 0: none. */
struct amount budget_limits(const struct coordinator *c);
/* Why no LLM is asked any more: "budget", "max_requests"; NULL: it is, or answers are awaited. */
const char *budget_stop_reason(const struct coordinator *c);
/* Reserves what a work of the phase may cost. ERR_LIMIT: it doesn't fit. */
enum err budget_reserve(struct coordinator *c, uint64_t index, uint32_t attempt) WARN_UNUSED;
/* A worker has that lease from before a restart. */
void budget_claim(struct coordinator *c, uint64_t index, uint32_t attempt);
/* What came of it is counted. */
void budget_settle(struct coordinator *c, uint64_t index, uint32_t attempt);
/* What nobody claims is lost. */
void budget_turn(struct coordinator *c);
/* Sums go into the counters. */
void budget_note(struct coordinator *c);

/* grant.c */
enum err grants_open(struct coordinator *c) WARN_UNUSED;
void grants_close(struct coordinator *c);
/* An annotator takes part in the shares, or is to hear its grants again. */
void grants_join(struct coordinator *c, const struct peer *p);
/* Its shares are free: at once, or when they have run out. */
void grants_leave(struct coordinator *c, const struct peer *p, bool in_order);
/* Sends those that are due. */
void grants_send(struct coordinator *c);
/* When grants_send may have some; UINT64_MAX: not by time alone. */
uint64_t grants_next_ms(const struct coordinator *c);

/* result.c */
void result_take(struct coordinator *c, uint32_t peer, const Freeal__Result *result);
/* A lease that ended too often, or whose work failed too often. */
void result_give_up(struct coordinator *c, uint64_t index, const char *reason);
/* Settles a work other than ANNOTATE: its result is stored. */
void result_settle(struct coordinator *c, uint64_t index, const Freeal__Result *result);

/* pull.c */
void pull_begin(struct coordinator *c, uint32_t peer, uint64_t index, const Freeal__Result *result);
void pull_take(struct coordinator *c, const Freeal__Chunk *chunk);
void pull_drop(struct coordinator *c);

/* feed.c */
void feed_serve(struct coordinator *c, uint32_t peer, const Freeal__ChunkRequest *request);

/* status.c */
void status_publish(struct coordinator *c);

/* coordinator.c: state, counters and the open round go into the turn's transaction. */
void coordinator_state_put(struct coordinator *c);
/* Room for labels of `count` samples. */
enum err coordinator_labels_reserve(struct coordinator *c, uint64_t count) WARN_UNUSED;

#endif
