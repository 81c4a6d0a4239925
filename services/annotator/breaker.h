/*
 * A circuit breaker: after a number of failures in a row, without an answer between them,
 * nothing is sent for a while; then one request shows whether it works again. Pure; time is
 * an argument.
 */
#ifndef FREEAL_ANNOTATOR_BREAKER_H
#define FREEAL_ANNOTATOR_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES 8
#define BREAKER_OPEN_MS_MIN 1000u
#define BREAKER_OPEN_MS_MAX 30000u

/* Zeroed is closed. */
struct breaker {
	uint32_t failures; /* in a row */
	uint32_t opened;   /* times in a row; 0: closed */
	uint64_t until_ms; /* nothing is sent before */
	bool probing;	   /* the one request is under way */
};

void breaker_answered(struct breaker *b);
/* A request of `sent_ms` failed. Those sent before it opened say nothing new. */
void breaker_failed(struct breaker *b, uint64_t sent_ms, uint64_t now_ms);
void breaker_sent(struct breaker *b);
/* How many requests may go out now; at most `max`. */
uint32_t breaker_room(const struct breaker *b, uint32_t max, uint64_t now_ms);

#endif
