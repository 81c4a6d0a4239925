/*
 * An annotator's share of an endpoint's limits: what the coordinator granted, and what is
 * left of it now. Pure; time is an argument.
 */
#ifndef FREEAL_ANNOTATOR_QUOTA_H
#define FREEAL_ANNOTATOR_QUOTA_H

#include "annotator/bucket.h"
#include "proto/envelope.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/* Bits of Grant.limits. */
#define QUOTA_REQUESTS 1u
#define QUOTA_TOKENS 2u
#define QUOTA_CONCURRENCY 4u

struct quota {
	bool needed;	    /* the endpoint has limits: nothing is sent without a grant */
	uint64_t until_ms;  /* the grant's end; 0: none came */
	uint32_t in_flight; /* granted; UINT32_MAX: no limit */
	struct bucket requests;
	struct bucket tokens;
	double tokens_typical; /* what the last call took; at least 1 */
};

void quota_init(struct quota *q, const Freeal__Endpoint *endpoint);
/* Takes a grant; it is good from now on. */
void quota_grant(struct quota *q, const Freeal__Grant *grant, uint64_t now_ms);

/* Whether a grant is there where one is needed. */
bool quota_valid(const struct quota *q, uint64_t now_ms);
/* Whether it is a share of nothing. */
bool quota_empty(const struct quota *q, uint64_t now_ms);
/* How many calls may be sent now, of about the size of the last one; at most `max`. */
uint32_t quota_room(const struct quota *q, uint32_t in_flight, uint32_t max, uint64_t now_ms);
/* When that may grow by time alone; UINT64_MAX: never. */
uint64_t quota_due_ms(const struct quota *q, uint64_t now_ms);
/* Asks that are worth having at hand where a call takes `latency_ms`: `max` where no limit says
 * otherwise. A slow share keeps nothing from other annotators. */
uint32_t quota_depth(const struct quota *q, uint32_t max, double latency_ms, uint64_t now_ms);

/* A call goes out that may use `tokens`; it used `used` of these `taken`. */
void quota_take(struct quota *q, uint64_t tokens, uint64_t now_ms);
void quota_settle(struct quota *q, uint64_t taken, uint64_t used, uint64_t now_ms);

/* What a prompt of so many bytes is taken for, in tokens. */
uint64_t quota_tokens_of(uint64_t prompt_bytes);

#endif
