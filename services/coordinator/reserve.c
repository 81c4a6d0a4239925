#include "coordinator/reserve.h"

#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>

#define BUCKET_COUNT 8192

/* Sums of amounts that may each be as large as can be. */
struct sum {
	unsigned __int128 requests, tokens, nano_usd;
};

struct entry {
	struct entry *next;
	uint64_t index;
	uint32_t attempt;
	bool lost;
	struct amount amount;
};

struct reserve {
	struct entry *buckets[BUCKET_COUNT];
	uint64_t out_count, lost_count;
	struct sum out, lost, unclaimed;
};

struct reserve *reserve_new(void)
{
	return calloc(1, sizeof(struct reserve));
}

void reserve_free(struct reserve *r)
{
	if (!r)
		return;
	reserve_clear(r);
	free(r);
}

static void sum_add(struct sum *s, const struct amount *a)
{
	s->requests += a->requests;
	s->tokens += a->tokens;
	s->nano_usd += a->nano_usd;
}

static void sum_take(struct sum *s, const struct amount *a)
{
	assert(s->requests >= a->requests && s->tokens >= a->tokens && s->nano_usd >= a->nano_usd);
	s->requests -= a->requests;
	s->tokens -= a->tokens;
	s->nano_usd -= a->nano_usd;
}

static uint64_t saturated(unsigned __int128 value)
{
	return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static struct amount sum_amount(const struct sum *s)
{
	return (struct amount){saturated(s->requests), saturated(s->tokens),
			       saturated(s->nano_usd)};
}

static uint64_t smaller(uint64_t a, unsigned __int128 b)
{
	return b < a ? (uint64_t)b : a;
}

/* Takes out as much of it as there is; settings may have changed since it was reserved. */
static struct amount unclaimed_take(struct reserve *r, const struct amount *a)
{
	const struct amount taken = {
	    smaller(a->requests, r->unclaimed.requests),
	    smaller(a->tokens, r->unclaimed.tokens),
	    smaller(a->nano_usd, r->unclaimed.nano_usd),
	};
	sum_take(&r->unclaimed, &taken);
	return taken;
}

void reserve_load(struct reserve *r, const struct amount *unclaimed, const struct amount *lost)
{
	sum_add(&r->unclaimed, unclaimed);
	sum_add(&r->lost, lost);
}

static bool fits(uint64_t limit, unsigned __int128 sum)
{
	return limit == 0 || sum <= limit;
}

bool reserve_fits(const struct reserve *r, const struct amount *limits, const struct amount *spent,
		  const struct amount *more)
{
	struct sum s = r->out;
	s.requests += r->unclaimed.requests + r->lost.requests;
	s.tokens += r->unclaimed.tokens + r->lost.tokens;
	s.nano_usd += r->unclaimed.nano_usd + r->lost.nano_usd;
	sum_add(&s, spent);
	sum_add(&s, more);
	return fits(limits->requests, s.requests) && fits(limits->tokens, s.tokens) &&
	       fits(limits->nano_usd, s.nano_usd);
}

static struct entry **bucket_of(struct reserve *r, uint64_t index)
{
	return &r->buckets[hash_mix(index, 0) % BUCKET_COUNT];
}

static struct entry **entry_at(struct reserve *r, uint64_t index, uint32_t attempt)
{
	struct entry **at = bucket_of(r, index);
	while (*at && ((*at)->index != index || (*at)->attempt != attempt))
		at = &(*at)->next;
	return at;
}

/* Ends it: nothing is reserved or lost for it any more. */
static void entry_remove(struct reserve *r, struct entry **at)
{
	struct entry *e = *at;
	*at = e->next;
	sum_take(e->lost ? &r->lost : &r->out, &e->amount);
	r->lost_count -= e->lost;
	r->out_count -= !e->lost;
	free(e);
}

/* True: it was forgotten, so that *at is the next one. */
static bool entry_lose(struct reserve *r, struct entry **at)
{
	struct entry *e = *at;
	if (e->lost)
		return false;
	sum_take(&r->out, &e->amount);
	sum_add(&r->lost, &e->amount);
	r->out_count--;
	if (r->lost_count == RESERVE_LOST_MAX) {
		*at = e->next;
		free(e);
		return true;
	}
	e->lost = true;
	r->lost_count++;
	return false;
}

enum err reserve_add(struct reserve *r, uint64_t index, uint32_t attempt,
		     const struct amount *amount)
{
	struct entry **at = entry_at(r, index, attempt);
	/* Attempts are counted from 1 again after a restart: the older one stays lost. */
	if (*at && !entry_lose(r, at)) {
		struct entry *old = *at;
		*at = old->next;
		r->lost_count--;
		free(old);
	}
	struct entry *e = malloc(sizeof *e);
	if (!e)
		return ERR_NO_MEMORY;
	struct entry **bucket = bucket_of(r, index);
	*e = (struct entry){.next = *bucket, .index = index, .attempt = attempt, .amount = *amount};
	*bucket = e;
	r->out_count++;
	sum_add(&r->out, amount);
	return ERR_OK;
}

enum err reserve_claim(struct reserve *r, uint64_t index, uint32_t attempt,
		       const struct amount *amount)
{
	if (*entry_at(r, index, attempt))
		return ERR_OK;
	const struct amount taken = unclaimed_take(r, amount);
	return reserve_add(r, index, attempt, &taken);
}

void reserve_claim_settled(struct reserve *r, const struct amount *amount)
{
	(void)unclaimed_take(r, amount);
}

bool reserve_settle(struct reserve *r, uint64_t index, uint32_t attempt)
{
	bool had = false;
	for (struct entry **at = bucket_of(r, index); *at;) {
		struct entry *e = *at;
		if (e->index == index && e->attempt == attempt) {
			had = true;
			entry_remove(r, at);
		} else if (e->index != index || !entry_lose(r, at)) {
			at = &e->next;
		}
	}
	return had;
}

void reserve_return(struct reserve *r, uint64_t index, uint32_t attempt)
{
	struct entry **at = entry_at(r, index, attempt);
	if (*at && !(*at)->lost)
		entry_remove(r, at);
}

void reserve_lose(struct reserve *r, uint64_t index, uint32_t attempt)
{
	struct entry **at = entry_at(r, index, attempt);
	if (*at)
		(void)entry_lose(r, at);
}

void reserve_unclaimed_lose(struct reserve *r)
{
	r->lost.requests += r->unclaimed.requests;
	r->lost.tokens += r->unclaimed.tokens;
	r->lost.nano_usd += r->unclaimed.nano_usd;
	r->unclaimed = (struct sum){0};
}

void reserve_clear(struct reserve *r)
{
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		while (r->buckets[i]) {
			struct entry *e = r->buckets[i];
			r->buckets[i] = e->next;
			if (!e->lost) {
				sum_take(&r->out, &e->amount);
				sum_add(&r->lost, &e->amount);
			}
			free(e);
		}
	}
	r->out_count = r->lost_count = 0;
}

struct amount reserve_reserved(const struct reserve *r)
{
	struct sum s = r->out;
	s.requests += r->unclaimed.requests;
	s.tokens += r->unclaimed.tokens;
	s.nano_usd += r->unclaimed.nano_usd;
	return sum_amount(&s);
}

struct amount reserve_lost(const struct reserve *r)
{
	return sum_amount(&r->lost);
}

uint64_t reserve_count(const struct reserve *r)
{
	return r->out_count;
}

bool reserve_has_unclaimed(const struct reserve *r)
{
	return r->unclaimed.requests || r->unclaimed.tokens || r->unclaimed.nano_usd;
}
