/*
 * When to send, when to wait and when to give up: pure decisions about one LLM
 * endpoint. Time and randomness come in as arguments.
 *
 * What came of a request is judged on its own (llm/judgement.h); what it means for
 * the requests after it is kept in struct throttle:
 *  - 429, and 503 with Retry-After, pause the whole endpoint and halve its window of
 *    requests in flight, which otherwise follows the latency (window.h);
 *  - a wrong key, no credit, an unknown model or a bad certificate block it: nothing
 *    is sent but one probe now and then, until one goes through;
 *  - a request that is rejected before any was answered says the same: the fault may
 *    be a setting. Later it is that one text's;
 *  - other failures delay the one request (exponential backoff with jitter). Many in a
 *    row stop all requests but one now and then (breaker.h), and if that goes on, block it.
 */
#ifndef FREEAL_ANNOTATOR_THROTTLE_H
#define FREEAL_ANNOTATOR_THROTTLE_H

#include "annotator/breaker.h"
#include "annotator/window.h"
#include "base/err.h"
#include "base/rng.h"
#include "llm/judgement.h"

#include <stdbool.h>
#include <stdint.h>

struct throttle {
	struct window window; /* requests that may be in flight */
	struct breaker breaker;
	uint64_t pause_until_ms; /* nothing is sent before */
	uint64_t
	    pause_set_ms;   /* when the pause began; what was sent before can't lengthen it twice */
	uint32_t pauses;    /* in a row, without an answer between them */
	uint64_t answer_ms; /* when an answer last came; 0: never */
	bool answered;	    /* a reply was read, ever */
	bool blocked;
	uint64_t probe_due_ms; /* while blocked */
	uint64_t probe_ms;     /* between probes */
	struct rng rng;
};

void throttle_init(struct throttle *t, uint32_t window_max, uint64_t probe_ms, uint64_t seed);

/* Takes note of what came of a request that was sent at `sent_ms`; returns how long
 * that request waits before it is sent again (0 where it isn't). */
uint64_t throttle_note(struct throttle *t, const struct judgement *j, const struct outcome *o,
		       uint32_t tries, uint64_t sent_ms, uint64_t now_ms);

/* Besides throttle_note for an answer of a request of its own, of `in_flight` with it: how long it
 * took says how many there may be. */
void throttle_answered(struct throttle *t, uint32_t in_flight, uint64_t sent_ms, uint64_t now_ms);

/* The server says that it takes nothing more for so long, before it has had to refuse. */
void throttle_spent(struct throttle *t, uint64_t spent_ms, uint64_t now_ms);

/* Whether the endpoint has rejected all so far: the settings may be at fault. */
bool throttle_rejects_all(const struct throttle *t, const struct judgement *j);

/* Nothing goes through: only probes from now on. */
void throttle_block(struct throttle *t, uint64_t now_ms);

/* How many more requests may be sent now with `in_flight` under way. */
uint32_t throttle_room(const struct throttle *t, uint32_t in_flight, uint64_t now_ms);
/* To be told of each request that is sent. */
void throttle_sent(struct throttle *t, uint64_t now_ms);
/* And of one sent while blocked: the next probe is due later. */
void throttle_probe_sent(struct throttle *t, uint64_t now_ms);
/* When throttle_room may grow by time alone; UINT64_MAX: never. */
uint64_t throttle_due_ms(const struct throttle *t, uint64_t now_ms);

#endif
