/*
 * A lane: one endpoint, how it is doing and what it may take.
 */
#ifndef FREEAL_ANNOTATOR_LANE_H
#define FREEAL_ANNOTATOR_LANE_H

#include "annotator/quota.h"
#include "annotator/throttle.h"
#include "llm/dialect.h"
#include "llm/reply.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCKED_BYTES_MAX 512

struct lane {
	Freeal__Endpoint *endpoint; /* owned */
	uint32_t position;	    /* in the project's endpoints */
	struct throttle throttle;
	struct quota quota;
	struct dialect dialect;
	uint32_t in_flight; /* calls */
	bool retired;	    /* the project has it no more; goes with its last call */
	bool blocked_said;  /* people have been told */
	bool rejected_said;
	bool ungranted_said;
	uint64_t ungranted_ms; /* since when asks have waited for a grant; 0: they don't */
	char blocked[BLOCKED_BYTES_MAX]; /* why, for people */
};

/* A copy of the endpoint. Up to `window_max` requests are in flight. */
WARN_UNUSED enum err lane_new(const Freeal__Endpoint *endpoint, uint32_t window_max,
			      uint64_t probe_ms, uint64_t seed, struct lane **ret_lane);
void lane_free(struct lane *l);

/* New settings, new luck: takes them and the unused state over from `fresh`, which it frees;
 * what is in flight and what was learned of the server's dialect stays. */
void lane_renew(struct lane *l, struct lane *fresh);
/* The project has it no more: frees it, now or when its last call has been settled. */
void lane_retire(struct lane *l);
void lane_settled(struct lane *l);

/* Whether both are the same server, model and key, whatever their limits. */
bool lane_serves(const struct lane *l, const Freeal__Endpoint *endpoint);

/* Share of what the endpoint may take that is free now; 0: it takes no call. */
double lane_free_share(const struct lane *l, uint64_t now_ms);
/* Asks that are worth having at hand for it. */
uint32_t lane_depth(const struct lane *l, uint64_t now_ms);
/* When that may grow by time alone; UINT64_MAX: never. */
uint64_t lane_due_ms(const struct lane *l, uint64_t now_ms);

/* Writes why the endpoint is blocked and what to do. `reason` is the judgement's; `error`
 * is the server's error, `detail` the transfer's. The key never stands in it. */
void lane_blocked_write(struct lane *l, const char *reason, uint32_t status,
			const struct reply_error *error, const char *detail);

#endif
