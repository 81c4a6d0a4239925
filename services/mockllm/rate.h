/*
 * How fast all clients together may ask: a bucket of requests and one of tokens, refilled
 * continuously, that hold what comes in a second (at least one). Pure but for its state;
 * the caller sees to it that one thread at a time calls.
 */
#ifndef FREEAL_MOCKLLM_RATE_H
#define FREEAL_MOCKLLM_RATE_H

#include <stdint.h>

struct rate_bucket {
	uint64_t per_minute; /* 0: no limit */
	double room;	     /* what a full bucket holds */
	double level;	     /* below 0 after a request that was larger than the bucket */
	uint64_t at_ms;	     /* when `level` was true */
};

struct rate {
	struct rate_bucket requests;
	struct rate_bucket tokens;
};

/* Full buckets at `now_ms`. */
void rate_init(struct rate *r, uint64_t requests_per_minute, uint64_t tokens_per_minute,
	       uint64_t now_ms);

/*
 * Takes one request of `tokens`. Where it is refused nothing is taken, and the time (ms, at
 * least 1) after which it would pass is returned; else 0. A request of more tokens than the
 * bucket holds passes when it is full, and the next ones wait the longer.
 */
uint64_t rate_take(struct rate *r, uint64_t tokens, uint64_t now_ms);

/* How much may be taken at once, and the time (ms) until the bucket is full. */
uint64_t rate_remaining(const struct rate_bucket *b, uint64_t now_ms);
uint64_t rate_reset_ms(const struct rate_bucket *b, uint64_t now_ms);

#endif
