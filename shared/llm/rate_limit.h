/*
 * What a server says of its limits in a reply's head: how many requests and tokens are left,
 * and when there are more. Pure.
 *
 *	x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens    a number
 *	x-ratelimit-reset-requests, x-ratelimit-reset-tokens            "1s", "6m0s", "20ms", "12.5"
 */
#ifndef FREEAL_LLM_RATE_LIMIT_H
#define FREEAL_LLM_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: nothing was said. */
struct rate_limit {
	bool spent[2];	      /* none is left of the requests, the tokens */
	uint64_t reset_ms[2]; /* until there are more; 0: not said */
};

/* Takes note of a line of the head, "name: value" without its end. */
void rate_limit_header(struct rate_limit *r, const char *line, size_t size);
/* How long to send nothing; 0: go on. */
uint64_t rate_limit_pause_ms(const struct rate_limit *r);

/* "1h2m3.5s", "20ms", or seconds without a unit. UINT64_MAX: neither, or too long to count. */
uint64_t rate_limit_duration_ms(const char *text);

#endif
