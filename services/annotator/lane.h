/*
 * A lane: the asks of one round, which all go to the round's LLM, and how that endpoint
 * is doing.
 */
#ifndef FREEAL_ANNOTATOR_LANE_H
#define FREEAL_ANNOTATOR_LANE_H

#include "annotator/ask.h"
#include "annotator/throttle.h"
#include "llm/reply.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCKED_BYTES_MAX 512

struct lane {
	struct throttle throttle;
	struct ask_queue ready;	  /* to be sent as soon as there is room */
	struct ask_queue delayed; /* retries, each due at its own time */
	uint32_t in_flight;
	bool blocked_said; /* people have been told */
	bool rejected_said;
	char blocked[BLOCKED_BYTES_MAX]; /* why, for people */
};

/* The next ask that is due; NULL: none. */
struct ask *lane_pop(struct lane *l, uint64_t now_ms);
/* When lane_pop or the throttle's room may change by time alone. */
uint64_t lane_due_ms(const struct lane *l, uint64_t now_ms);
struct ask *lane_remove(struct lane *l, const Freeal__WorkName *name);
uint32_t lane_waiting(const struct lane *l);
void lane_done(struct lane *l);

/* Writes why the endpoint is blocked and what to do. `reason` is the judgement's; `error`
 * is the server's error, `detail` the transfer's. The key never stands in it. */
void lane_blocked_write(struct lane *l, const Freeal__Endpoint *endpoint, const char *reason,
			uint32_t status, const struct reply_error *error, const char *detail);

#endif
