#include "coordinator/share.h"

#include <stdlib.h>
#include <string.h>

struct part {
	uint64_t peer;
	bool gone;
	uint64_t due_ms; /* of its next grant */
	uint64_t amounts[SHARE_KINDS], until_ms;
	/* Larger ones that it was granted before: it may not know better yet. */
	uint64_t old_amounts[SHARE_KINDS], old_until_ms[SHARE_KINDS];
};

struct share {
	uint64_t limits[SHARE_KINDS];
	uint64_t hold_ms, renew_ms, settle_ms;
	struct part *parts; /* in the order in which they came */
	size_t count, capacity;
	struct share_grant *grants; /* room for `capacity` */
	uint64_t joined_ms, next_ms;
};

struct share *share_new(const uint64_t limits[SHARE_KINDS], uint64_t hold_ms, uint64_t renew_ms,
			uint64_t settle_ms)
{
	struct share *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	memcpy(s->limits, limits, sizeof s->limits);
	s->hold_ms = hold_ms;
	s->renew_ms = renew_ms;
	s->settle_ms = settle_ms;
	s->next_ms = UINT64_MAX;
	return s;
}

void share_free(struct share *s)
{
	if (!s)
		return;
	free(s->parts);
	free(s->grants);
	free(s);
}

static struct part *part_find(const struct share *s, uint64_t peer)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->parts[i].peer == peer)
			return &s->parts[i];
	return NULL;
}

/* What it may use at most. */
static uint64_t part_out(const struct part *p, int kind, uint64_t now_ms)
{
	uint64_t amount = now_ms < p->until_ms ? p->amounts[kind] : 0;
	uint64_t old = now_ms < p->old_until_ms[kind] ? p->old_amounts[kind] : 0;
	return amount > old ? amount : old;
}

static enum err parts_reserve(struct share *s)
{
	if (s->count < s->capacity)
		return ERR_OK;
	if (s->count == SHARE_PEERS_MAX)
		return ERR_LIMIT;
	size_t capacity = s->capacity ? 2 * s->capacity : 16;
	struct part *parts = realloc(s->parts, capacity * sizeof *parts);
	if (!parts)
		return ERR_NO_MEMORY;
	s->parts = parts;
	struct share_grant *grants = realloc(s->grants, capacity * sizeof *grants);
	if (!grants)
		return ERR_NO_MEMORY;
	s->grants = grants;
	s->capacity = capacity;
	return ERR_OK;
}

enum err share_join(struct share *s, uint64_t peer, uint64_t now_ms)
{
	struct part *p = part_find(s, peer);
	if (!p) {
		enum err e = parts_reserve(s);
		if (e)
			return e;
		p = &s->parts[s->count++];
		*p = (struct part){.peer = peer};
	}
	p->gone = false;
	p->due_ms = 0;
	s->joined_ms = now_ms;
	s->next_ms = 0;
	return ERR_OK;
}

void share_leave(struct share *s, uint64_t peer)
{
	struct part *p = part_find(s, peer);
	if (!p)
		return;
	size_t behind = s->count - (size_t)(p - s->parts) - 1;
	memmove(p, p + 1, behind * sizeof *p);
	s->count--;
	s->next_ms = 0;
}

void share_lose(struct share *s, uint64_t peer)
{
	struct part *p = part_find(s, peer);
	if (!p)
		return;
	p->gone = true;
	s->next_ms = 0;
}

/* When all that it was granted has ended. */
static uint64_t part_end_ms(const struct part *p)
{
	uint64_t end_ms = p->until_ms;
	for (int k = 0; k < SHARE_KINDS; k++)
		end_ms = p->old_until_ms[k] > end_ms ? p->old_until_ms[k] : end_ms;
	return end_ms;
}

/* Forgets those that are gone and whose grants have ended; returns how many are there. */
static size_t parts_expire(struct share *s, uint64_t now_ms)
{
	size_t kept = 0, present = 0;
	for (size_t i = 0; i < s->count; i++) {
		struct part *p = &s->parts[i];
		if (p->gone && now_ms >= part_end_ms(p))
			continue;
		present += !p->gone;
		s->parts[kept++] = *p;
	}
	s->count = kept;
	return present;
}

uint64_t share_out(const struct share *s, enum share_kind kind, uint64_t now_ms)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < s->count; i++)
		sum += part_out(&s->parts[i], (int)kind, now_ms);
	return sum;
}

/* The part of the one at `position` among `count`. */
static uint64_t part_target(uint64_t limit, size_t position, size_t count, uint64_t now_ms)
{
	uint64_t rest = limit % count;
	uint64_t first = now_ms / SHARE_TURN_MS % count * rest % count;
	return limit / count + ((position + count - first) % count < rest);
}

/* A grant smaller than the one before: that one, or a still larger one, counts until it ends. */
static void part_shrink(struct part *p, int kind, uint64_t now_ms)
{
	uint64_t out = part_out(p, kind, now_ms);
	p->old_amounts[kind] = out;
	if (p->until_ms > p->old_until_ms[kind])
		p->old_until_ms[kind] = p->until_ms;
}

/* The new grant of one; `totals` is what all may use, and is kept so. False: it has what it is to
 * have, and needn't be renewed yet. */
static bool part_grant(const struct share *s, struct part *p, size_t position, size_t count,
		       uint64_t now_ms, uint64_t totals[SHARE_KINDS])
{
	uint64_t amounts[SHARE_KINDS], out[SHARE_KINDS];
	bool due = now_ms >= p->due_ms;
	for (int k = 0; k < SHARE_KINDS; k++) {
		uint64_t target = part_target(s->limits[k], position, count, now_ms);
		out[k] = part_out(p, k, now_ms);
		uint64_t room = s->limits[k] - (totals[k] - out[k]);
		amounts[k] = target < room ? target : room;
		due = due || now_ms >= p->until_ms || amounts[k] > p->amounts[k];
	}
	if (!due)
		return false;
	for (int k = 0; k < SHARE_KINDS; k++)
		if (now_ms < p->until_ms && amounts[k] < p->amounts[k])
			part_shrink(p, k, now_ms);
	memcpy(p->amounts, amounts, sizeof amounts);
	p->until_ms = now_ms + s->hold_ms;
	p->due_ms = now_ms + s->renew_ms;
	for (int k = 0; k < SHARE_KINDS; k++)
		totals[k] = totals[k] - out[k] + part_out(p, k, now_ms);
	return true;
}

/* What changes next by time alone: a renewal, or the end of what others wait for. */
static uint64_t part_next_ms(const struct part *p, uint64_t now_ms)
{
	uint64_t next_ms = p->gone ? UINT64_MAX : p->due_ms;
	if (p->gone && now_ms < p->until_ms)
		next_ms = p->until_ms;
	for (int k = 0; k < SHARE_KINDS; k++)
		if (now_ms < p->old_until_ms[k] && p->old_until_ms[k] < next_ms)
			next_ms = p->old_until_ms[k];
	return next_ms;
}

size_t share_grants(struct share *s, uint64_t now_ms, const struct share_grant **ret_grants)
{
	if (now_ms < s->next_ms)
		return 0;
	size_t present = parts_expire(s, now_ms), position = 0, count = 0;
	uint64_t totals[SHARE_KINDS], out = 0;
	for (int k = 0; k < SHARE_KINDS; k++) {
		totals[k] = share_out(s, (enum share_kind)k, now_ms);
		out += totals[k];
	}
	if (out == 0 && now_ms < s->joined_ms + s->settle_ms) {
		s->next_ms = s->joined_ms + s->settle_ms;
		return 0;
	}
	s->next_ms = UINT64_MAX;
	for (size_t i = 0; i < s->count; i++) {
		struct part *p = &s->parts[i];
		if (!p->gone && part_grant(s, p, position++, present, now_ms, totals)) {
			struct share_grant *g = &s->grants[count++];
			g->peer = p->peer;
			memcpy(g->amounts, p->amounts, sizeof g->amounts);
		}
		uint64_t next_ms = part_next_ms(p, now_ms);
		s->next_ms = next_ms < s->next_ms ? next_ms : s->next_ms;
	}
	*ret_grants = s->grants;
	return count;
}

uint64_t share_next_ms(const struct share *s)
{
	return s->next_ms;
}

bool share_usable(const struct share *s, uint64_t peer, uint64_t now_ms)
{
	const struct part *p = part_find(s, peer);
	if (!p || now_ms >= p->until_ms)
		return false;
	for (int k = 0; k < SHARE_KINDS; k++)
		if (s->limits[k] && p->amounts[k] == 0)
			return false;
	return true;
}
