/*
 * The annotator's state, shared by the files that act on it: annotator.c (what comes from
 * the bus), send.c (what is sent, and to which endpoint) and settle.c (what comes of a call).
 */
#ifndef FREEAL_ANNOTATOR_ANNOTATOR_IMPL_H
#define FREEAL_ANNOTATOR_ANNOTATOR_IMPL_H

#include "annotator/annotator.h"
#include "annotator/batch_job.h"
#include "annotator/call.h"
#include "annotator/lane.h"
#include "annotator/order.h"
#include "annotator/queue.h"
#include "annotator/recall.h"
#include "annotator/understand.h"
#include "base/buf.h"
#include "base/limits.h"
#include "llm/answer.h"

/* A queue for each round's settings, and one for second views. */
#define QUEUE_AUGMENT ROUND_COUNT_MAX
#define QUEUE_COUNT (ROUND_COUNT_MAX + 1)

struct annotator {
	struct annotator_config config;
	struct worker *worker;
	struct client *client;
	Freeal__Project *project; /* NULL before the first Welcome */
	struct answer_labels *labels;
	struct orders orders;
	struct lane **lanes; /* by position in the project's endpoints */
	uint32_t lane_count;
	struct queue queues[QUEUE_COUNT];
	struct batch_job *jobs;
	struct client *batch_client; /* of the jobs alone */
	struct recall recall;	     /* asks that wait for kept replies */
	uint32_t queue;		     /* of the newest lease */
	struct call **flying;	     /* in no order */
	uint32_t in_flight;
	uint64_t requests, retries, limited, recalled, done;
	uint64_t status_due_ms;
	struct buf body, key_body; /* of the request that is being written; of the one looked up */
	uint64_t now_ms;
	bool dirty;
};

/* Whom the asks of a queue may go to, and how; NULL: the project has no such asks. */
const Freeal__Llm *queue_llm(const struct annotator *a, uint32_t queue);
/* Which queue a work belongs to. */
uint32_t queue_of(const struct annotator *a, const Freeal__WorkName *name);
const Freeal__Llm *llm_of(const struct annotator *a, const struct ask *ask);
/* Whether none of the queue's endpoints answers before a person has done something. */
bool queue_blocked(const struct annotator *a, uint32_t queue);

/* Tells the coordinator how this annotator is doing. */
void status_send(struct annotator *a);
/* Hands the lease back and frees the ask. */
void ask_return(struct annotator *a, struct ask *ask, const char *reason);
/* Ends an ask that could not be put at all. The last lease ends as unusable instead, so
 * that one work can't stop the run: `reason` is the annotation's then. */
void ask_failed(struct annotator *a, struct ask *ask, const Freeal__Endpoint *endpoint,
		const char *reason, const char *error);
/* settle.c: what becomes of an ask with an answer. */
void ask_meant(struct annotator *a, struct ask *ask, const Freeal__Endpoint *endpoint,
	       const struct meaning *m);

/* People are told that an endpoint is blocked; that it goes on. */
void lane_block_say(struct annotator *a, struct lane *l);
void lane_resumed_say(struct annotator *a, struct lane *l);

/* batch_request.c: sends what the job's state asks for; errors are client_send's. */
WARN_UNUSED enum err batch_request(struct annotator *a, struct batch_job *j);
/* batch_answers.c: the content of an output or error file. */
void batch_answers_take(struct annotator *a, struct batch_job *j, const char *body, size_t size);

/* lookup.c: puts an ask's question, first to the kept replies, then to the servers. */
void ask_put(struct annotator *a, struct ask *ask);
/* Makes sure that the ask's key is that of its question to this endpoint; false: it can't be
 * kept. */
bool ask_key_set(struct annotator *a, struct ask *ask, const struct lane *lane);
void lookups_take(struct annotator *a, const Freeal__Recalled *recalled);
/* Another project: what waits is another question now. */
void lookups_renew(struct annotator *a);
struct ask *lookup_remove(struct annotator *a, const Freeal__WorkName *name);
void lookups_done(struct annotator *a);

/* A call is under way; it has come back; all has been done about it, and it is freed. */
void call_flies(struct annotator *a, struct call *call);
void call_landed(struct annotator *a, struct call *call);
void call_settled(struct call *call);

#endif
