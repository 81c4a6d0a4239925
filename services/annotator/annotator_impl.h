/*
 * The annotator's state, shared by the two files that act on it: annotator.c (what
 * comes from the bus and what is sent) and settle.c (what comes of a request).
 */
#ifndef FREEAL_ANNOTATOR_ANNOTATOR_IMPL_H
#define FREEAL_ANNOTATOR_ANNOTATOR_IMPL_H

#include "annotator/annotator.h"
#include "annotator/lane.h"
#include "annotator/pools.h"
#include "base/limits.h"
#include "llm/answer.h"

struct annotator {
	struct annotator_config config;
	struct worker *worker;
	struct client *client;
	Freeal__Project *project; /* NULL before the first Welcome */
	struct answer_labels *labels;
	struct pools pools;
	struct lane lanes[ROUND_COUNT_MAX]; /* by round */
	uint32_t round;			    /* of the newest lease */
	struct ask **flying;		    /* the asks in flight, in no order */
	uint32_t in_flight;
	uint64_t requests, retries, done;
	uint64_t status_due_ms;
	uint64_t now_ms;
	bool dirty;
};

const Freeal__Llm *llm_of(const struct annotator *a, const struct ask *ask);
const Freeal__Endpoint *endpoint_of(const struct annotator *a, const struct ask *ask);
struct lane *lane_of(struct annotator *a, const struct ask *ask);

/* Tells the coordinator how this annotator is doing. */
void status_send(struct annotator *a);
/* Hands the lease back and frees the ask. */
void ask_return(struct annotator *a, struct ask *ask, const char *reason);
/* A request of the ask is under way; it has come back. */
void ask_flies(struct annotator *a, struct ask *ask);
void ask_landed(struct annotator *a, struct ask *ask);
/* Ends an ask that could not be put at all. The last lease ends as unusable instead, so
 * that one work can't stop the run: `reason` is the annotation's then. */
void ask_failed(struct annotator *a, struct ask *ask, const char *reason, const char *error);

#endif
