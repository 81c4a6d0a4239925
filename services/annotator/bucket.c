#include "annotator/bucket.h"

#include <math.h>

#define MINUTE_MS 60000.0
#define BURST_MS 1000.0
/* Sums of many small refills are not exact. */
#define SLACK 1e-6

static double level_at(const struct bucket *b, uint64_t now_ms)
{
	double level = b->level;
	if (now_ms > b->at_ms)
		level += b->rate * (double)(now_ms - b->at_ms);
	return level < b->burst ? level : b->burst;
}

static void refill(struct bucket *b, uint64_t now_ms)
{
	b->level = level_at(b, now_ms);
	if (now_ms > b->at_ms)
		b->at_ms = now_ms;
}

void bucket_init(struct bucket *b)
{
	*b = (struct bucket){0};
}

void bucket_limit(struct bucket *b, double per_minute, uint64_t now_ms)
{
	if (b->limited)
		refill(b, now_ms);
	b->rate = per_minute / MINUTE_MS;
	b->burst = fmax(fmax(b->rate * BURST_MS, b->largest), 1);
	if (!b->limited) {
		b->level = per_minute > 0 ? 1 : 0;
		b->at_ms = now_ms;
	}
	b->limited = true;
}

void bucket_unlimit(struct bucket *b)
{
	b->limited = false;
}

/* What has to be there for an amount. */
static double need_of(const struct bucket *b, double amount)
{
	return (amount < b->burst ? amount : b->burst) - SLACK;
}

bool bucket_has(const struct bucket *b, double amount, uint64_t now_ms)
{
	if (!b->limited)
		return true;
	return b->rate > 0 && level_at(b, now_ms) >= need_of(b, amount);
}

uint32_t bucket_room(const struct bucket *b, double amount, uint32_t max, uint64_t now_ms)
{
	if (!b->limited)
		return max;
	if (!bucket_has(b, amount, now_ms))
		return 0;
	double times = floor((level_at(b, now_ms) + SLACK) / amount);
	if (times < 1)
		return 1;
	return times < max ? (uint32_t)times : max;
}

uint64_t bucket_due_ms(const struct bucket *b, double amount, uint64_t now_ms)
{
	if (bucket_has(b, amount, now_ms))
		return now_ms;
	if (b->rate <= 0)
		return UINT64_MAX;
	double wait_ms = ceil((need_of(b, amount) - level_at(b, now_ms)) / b->rate);
	return now_ms + (wait_ms < 1 ? 1 : wait_ms < 1e12 ? (uint64_t)wait_ms : 1000000000000u);
}

void bucket_take(struct bucket *b, double amount, uint64_t now_ms)
{
	if (!b->limited)
		return;
	refill(b, now_ms);
	b->largest = fmax(b->largest, amount);
	b->burst = fmax(b->burst, amount);
	b->level -= amount;
}

void bucket_correct(struct bucket *b, double taken, double used, uint64_t now_ms)
{
	if (!b->limited)
		return;
	refill(b, now_ms);
	b->level += taken - used;
	if (b->level > b->burst)
		b->level = b->burst;
}
