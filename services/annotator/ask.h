/*
 * An ask: one leased work on its way to an answer, over retries and repeated asks.
 */
#ifndef FREEAL_ANNOTATOR_ASK_H
#define FREEAL_ANNOTATOR_ASK_H

#include "proto/work.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

#define ASK_ENDPOINT_NONE UINT32_MAX

struct ask {
	struct ask *next;    /* in its queue */
	Freeal__Work *work;  /* owned */
	uint32_t ask_no;     /* from 1; grows when an answer is unusable */
	uint32_t tries;	     /* failed requests of this ask */
	uint64_t due_ms;     /* not to be sent before */
	uint64_t first_ms;   /* when it was first sent; 0: not yet */
	uint32_t avoid;	     /* endpoint that failed it last, if there is another; or NONE */
	bool alone;	     /* not in one request with others: such a request was rejected */
	Freeal__Usage usage; /* of all its requests */
};

/* A copy of the work; NULL: no memory. */
struct ask *ask_new(const Freeal__Work *work);
void ask_free(struct ask *a);

#endif
