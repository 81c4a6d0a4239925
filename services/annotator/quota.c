#include "annotator/quota.h"

/* Servers count in their own way, and what is sent evenly does not arrive evenly. */
#define SHARE_USED 0.985
/* What a rate takes in this time, and twice while a call is under way, is at hand. */
#define DEPTH_MS 10000.0

void quota_init(struct quota *q, const Freeal__Endpoint *endpoint)
{
	*q = (struct quota){.in_flight = UINT32_MAX, .tokens_typical = 1};
	q->needed =
	    endpoint->concurrency || endpoint->requests_per_minute || endpoint->tokens_per_minute;
	bucket_init(&q->requests);
	bucket_init(&q->tokens);
}

static void limit(struct bucket *b, bool limited, double per_minute, uint64_t now_ms)
{
	if (limited)
		bucket_limit(b, per_minute * SHARE_USED, now_ms);
	else
		bucket_unlimit(b);
}

void quota_grant(struct quota *q, const Freeal__Grant *grant, uint64_t now_ms)
{
	bool by_requests = grant->limits & QUOTA_REQUESTS;
	q->until_ms = now_ms + grant->ttl_ms;
	q->in_flight = grant->limits & QUOTA_CONCURRENCY ? grant->concurrency : UINT32_MAX;
	limit(&q->requests, by_requests, grant->requests_per_minute, now_ms);
	limit(&q->tokens, grant->limits & QUOTA_TOKENS, (double)grant->tokens_per_minute, now_ms);
}

bool quota_valid(const struct quota *q, uint64_t now_ms)
{
	return !q->needed || now_ms < q->until_ms;
}

bool quota_empty(const struct quota *q, uint64_t now_ms)
{
	if (!q->needed || !quota_valid(q, now_ms))
		return false;
	return q->in_flight == 0 || (q->requests.limited && q->requests.rate <= 0) ||
	       (q->tokens.limited && q->tokens.rate <= 0);
}

uint32_t quota_room(const struct quota *q, uint32_t in_flight, uint32_t max, uint64_t now_ms)
{
	if (!q->needed)
		return max;
	if (!quota_valid(q, now_ms) || in_flight >= q->in_flight)
		return 0;
	if (max > q->in_flight - in_flight)
		max = q->in_flight - in_flight;
	max = bucket_room(&q->requests, 1, max, now_ms);
	return bucket_room(&q->tokens, q->tokens_typical, max, now_ms);
}

uint64_t quota_due_ms(const struct quota *q, uint64_t now_ms)
{
	if (!q->needed || !quota_valid(q, now_ms))
		return UINT64_MAX;
	uint64_t requests_ms = bucket_due_ms(&q->requests, 1, now_ms);
	uint64_t tokens_ms = bucket_due_ms(&q->tokens, q->tokens_typical, now_ms);
	uint64_t due_ms = requests_ms > tokens_ms ? requests_ms : tokens_ms;
	return due_ms > now_ms ? due_ms : UINT64_MAX;
}

static uint32_t least(uint32_t max, double value)
{
	return value < max ? (uint32_t)value : max;
}

uint32_t quota_depth(const struct quota *q, uint32_t max, double latency_ms, uint64_t now_ms)
{
	double ahead_ms = DEPTH_MS + 2 * latency_ms;
	if (!q->needed)
		return max;
	if (!quota_valid(q, now_ms))
		return 1;
	if (quota_empty(q, now_ms))
		return 0;
	max = least(max, q->in_flight);
	if (q->requests.limited)
		max = least(max, q->requests.rate * ahead_ms + 1);
	if (q->tokens.limited && q->tokens_typical > 1)
		max = least(max, q->tokens.rate * ahead_ms / q->tokens_typical + 1);
	return max;
}

void quota_take(struct quota *q, uint64_t tokens, uint64_t now_ms)
{
	bucket_take(&q->requests, 1, now_ms);
	bucket_take(&q->tokens, (double)tokens, now_ms);
	q->tokens_typical = tokens > 1 ? (double)tokens : 1;
}

void quota_settle(struct quota *q, uint64_t taken, uint64_t used, uint64_t now_ms)
{
	bucket_correct(&q->tokens, (double)taken, (double)used, now_ms);
}

uint64_t quota_tokens_of(uint64_t prompt_bytes)
{
	return prompt_bytes > 4 ? (prompt_bytes + 3) / 4 : 1;
}
