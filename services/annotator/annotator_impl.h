/*
 * The annotator's state, shared by the files that act on it: annotator.c (what comes from
 * the bus), send.c (what is sent, and to which endpoint) and settle.c (what comes of a call).
 */
#ifndef FREEAL_ANNOTATOR_ANNOTATOR_IMPL_H
#define FREEAL_ANNOTATOR_ANNOTATOR_IMPL_H

#include "annotator/annotator.h"
#include "annotator/call.h"
#include "annotator/lane.h"
#include "annotator/pools.h"
#include "annotator/queue.h"
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
	struct pools pools;
	struct lane **lanes; /* by position in the project's endpoints */
	uint32_t lane_count;
	struct queue queues[QUEUE_COUNT];
	uint32_t queue;	      /* of the newest lease */
	struct call **flying; /* in no order */
	uint32_t in_flight;
	uint64_t requests, retries, limited, done;
	uint64_t status_due_ms;
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
/* A call is under way; it has come back; all has been done about it, and it is freed. */
void call_flies(struct annotator *a, struct call *call);
void call_landed(struct annotator *a, struct call *call);
void call_settled(struct call *call);

#endif
