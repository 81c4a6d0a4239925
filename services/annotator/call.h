/*
 * A call: one HTTP request in flight, to one endpoint, for one ask or several of one
 * round.
 */
#ifndef FREEAL_ANNOTATOR_CALL_H
#define FREEAL_ANNOTATOR_CALL_H

#include "annotator/ask.h"
#include "annotator/lane.h"

#include <stdbool.h>
#include <stdint.h>

#define CALL_ASKS_MAX 64

struct call {
	struct lane *lane;
	struct dialect dialect; /* that it was sent in */
	bool probe;		/* sent to see whether the endpoint answers again */
	bool keyed;		/* its one ask's key is that of what was sent */
	uint64_t first_id;	/* of the texts, where there are several asks */
	uint64_t tokens;	/* taken from the endpoint's limit for it */
	uint32_t flying_at;	/* where its owner keeps it */
	uint32_t ask_count;
	struct ask *asks[]; /* owned; who takes one out leaves NULL */
};

/* With no asks yet, and room for `ask_count_max`; NULL: no memory. */
struct call *call_new(struct lane *lane, uint32_t ask_count_max);
/* And the asks that are still in it. */
void call_free(struct call *c);

/* Adds what the server counted, and its price, to the asks: shared evenly, the first ones
 * take what is left over, so that the sum holds. `requests` goes to the first alone. */
void call_usage_add(struct call *c, const Freeal__Usage *usage);

#endif
