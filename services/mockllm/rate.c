#include "mockllm/rate.h"

#include <assert.h>
#include <math.h>

static const double MINUTE_MS = 60000;

static void bucket_init(struct rate_bucket *b, uint64_t per_minute, uint64_t now_ms)
{
	b->per_minute = per_minute;
	b->room = fmax(1, (double)per_minute / 60);
	b->level = b->room;
	b->at_ms = now_ms;
}

void rate_init(struct rate *r, uint64_t requests_per_minute, uint64_t tokens_per_minute,
	       uint64_t now_ms)
{
	bucket_init(&r->requests, requests_per_minute, now_ms);
	bucket_init(&r->tokens, tokens_per_minute, now_ms);
}

static double bucket_level(const struct rate_bucket *b, uint64_t now_ms)
{
	double passed_ms = now_ms > b->at_ms ? (double)(now_ms - b->at_ms) : 0;
	return fmin(b->room, b->level + passed_ms * (double)b->per_minute / MINUTE_MS);
}

static uint64_t fill_ms(const struct rate_bucket *b, double missing)
{
	return missing > 0 ? (uint64_t)ceil(missing * MINUTE_MS / (double)b->per_minute) : 0;
}

/* Until `amount` can be taken, or a full bucket where it holds less. */
static uint64_t bucket_wait_ms(const struct rate_bucket *b, uint64_t amount, uint64_t now_ms)
{
	if (b->per_minute == 0)
		return 0;
	/* What rounding takes from a level must not cost a millisecond of waiting. */
	double missing = fmin((double)amount, b->room) - bucket_level(b, now_ms);
	return fill_ms(b, missing - 1e-9 * b->room);
}

static void bucket_take(struct rate_bucket *b, uint64_t amount, uint64_t now_ms)
{
	if (b->per_minute == 0)
		return;
	b->level = bucket_level(b, now_ms) - (double)amount;
	b->at_ms = now_ms;
}

uint64_t rate_take(struct rate *r, uint64_t tokens, uint64_t now_ms)
{
	uint64_t requests_ms = bucket_wait_ms(&r->requests, 1, now_ms);
	uint64_t tokens_ms = bucket_wait_ms(&r->tokens, tokens, now_ms);
	if (requests_ms || tokens_ms)
		return requests_ms > tokens_ms ? requests_ms : tokens_ms;
	bucket_take(&r->requests, 1, now_ms);
	bucket_take(&r->tokens, tokens, now_ms);
	return 0;
}

uint64_t rate_remaining(const struct rate_bucket *b, uint64_t now_ms)
{
	assert(b->per_minute > 0);
	double level = bucket_level(b, now_ms) + 1e-9 * b->room;
	return level > 0 ? (uint64_t)level : 0;
}

uint64_t rate_reset_ms(const struct rate_bucket *b, uint64_t now_ms)
{
	assert(b->per_minute > 0);
	return fill_ms(b, b->room - bucket_level(b, now_ms));
}
