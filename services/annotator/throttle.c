#include "annotator/throttle.h"

#include "llm/retry_delay.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define WINDOW_CUT_MS 1000   /* one bad moment halves the window once */
#define BREAKER_OPENED_MAX 4 /* in a row, before the endpoint counts as blocked */

void throttle_init(struct throttle *t, uint32_t window_max, uint64_t probe_ms, uint64_t seed)
{
	assert(window_max > 0);
	*t = (struct throttle){0};
	window_init(&t->window, window_max);
	t->probe_ms = probe_ms;
	t->rng = rng_make(seed);
}

static void cut(struct throttle *t, uint64_t now_ms)
{
	if (t->pause_set_ms && now_ms - t->pause_set_ms < WINDOW_CUT_MS)
		return;
	window_cut(&t->window, now_ms);
}

/* Lengthens the endpoint's pause. Of the many requests in flight that are all told to
 * slow down, only one sent after the last pause counts as another pause in a row. */
static uint64_t pause_note(struct throttle *t, uint64_t retry_after_ms, uint64_t sent_ms,
			   uint64_t now_ms)
{
	bool again = t->pause_set_ms == 0 || sent_ms >= t->pause_until_ms;
	if (again) {
		cut(t, now_ms);
		t->pause_set_ms = now_ms;
	}
	uint64_t delay_ms = retry_delay_ms(t->pauses, retry_after_ms, &t->rng);
	if (again)
		t->pauses++;
	if ((again || retry_after_ms != RETRY_AFTER_NONE) && now_ms + delay_ms > t->pause_until_ms)
		t->pause_until_ms = now_ms + delay_ms;
	return t->pause_until_ms > now_ms ? t->pause_until_ms - now_ms : 0;
}

bool throttle_rejects_all(const struct throttle *t, const struct judgement *j)
{
	return !t->answered && j->verdict == VERDICT_UNUSABLE && strcmp(j->reason, "rejected") == 0;
}

void throttle_block(struct throttle *t, uint64_t now_ms)
{
	if (!t->blocked)
		t->probe_due_ms = now_ms + t->probe_ms;
	t->blocked = true;
}

uint64_t throttle_note(struct throttle *t, const struct judgement *j, const struct outcome *o,
		       uint32_t tries, uint64_t sent_ms, uint64_t now_ms)
{
	if (throttle_rejects_all(t, j))
		return 0;
	switch (j->verdict) {
	case VERDICT_ANSWER:
	case VERDICT_UNUSABLE:
		t->answered = true;
		t->blocked = false;
		t->pauses = 0;
		t->answer_ms = now_ms;
		breaker_answered(&t->breaker);
		return 0;
	case VERDICT_PAUSE:
		t->blocked = false;
		breaker_answered(&t->breaker);
		return pause_note(t, o->retry_after_ms, sent_ms, now_ms);
	case VERDICT_BLOCK:
		throttle_block(t, now_ms);
		return 0;
	case VERDICT_RETRY:
		if (o->malformed) {
			/* The server is there, though what it says can't be read. */
			breaker_answered(&t->breaker);
			break;
		}
		breaker_failed(&t->breaker, sent_ms, now_ms);
		if (t->breaker.opened >= BREAKER_OPENED_MAX)
			throttle_block(t, now_ms);
		break;
	}
	return retry_delay_ms(tries, o->retry_after_ms, &t->rng);
}

uint32_t throttle_room(const struct throttle *t, uint32_t in_flight, uint64_t now_ms)
{
	if (now_ms < t->pause_until_ms)
		return 0;
	if (t->blocked)
		return in_flight == 0 && now_ms >= t->probe_due_ms ? 1 : 0;
	uint32_t window = (uint32_t)t->window.size;
	return breaker_room(&t->breaker, window > in_flight ? window - in_flight : 0, now_ms);
}

void throttle_answered(struct throttle *t, uint32_t in_flight, uint64_t sent_ms, uint64_t now_ms)
{
	window_answer(&t->window, in_flight, sent_ms, now_ms);
}

void throttle_spent(struct throttle *t, uint64_t spent_ms, uint64_t now_ms)
{
	uint64_t until_ms = now_ms + (spent_ms < RETRY_MS_MAX ? spent_ms : RETRY_MS_MAX);
	if (spent_ms > 0 && until_ms > t->pause_until_ms)
		t->pause_until_ms = until_ms;
}

void throttle_sent(struct throttle *t, uint64_t now_ms)
{
	breaker_sent(&t->breaker);
	if (t->blocked)
		throttle_probe_sent(t, now_ms);
}

void throttle_probe_sent(struct throttle *t, uint64_t now_ms)
{
	t->probe_due_ms = now_ms + t->probe_ms;
}

uint64_t throttle_due_ms(const struct throttle *t, uint64_t now_ms)
{
	uint64_t due_ms = t->blocked ? t->probe_due_ms : 0;
	if (t->pause_until_ms > due_ms)
		due_ms = t->pause_until_ms;
	if (!t->blocked && t->breaker.until_ms > due_ms)
		due_ms = t->breaker.until_ms;
	return due_ms > now_ms ? due_ms : UINT64_MAX;
}
