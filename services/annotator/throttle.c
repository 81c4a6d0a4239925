#include "annotator/throttle.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define WINDOW_CUT_MS 1000   /* one bad moment halves the window once */
#define BREAKER_OPENED_MAX 4 /* in a row, before the endpoint counts as blocked */

static bool code_is(const char *code, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(code, *list) == 0)
			return true;
	}
	return false;
}

/* Error codes that no waiting and no other text will mend. */
static const char *const codes_no_credit[] = {"insufficient_quota", "billing_not_active",
					      "billing_hard_limit_reached", NULL};
static const char *const codes_settings[] = {"model_not_found",	      "invalid_api_key",
					     "unsupported_parameter", "unsupported_value",
					     "account_deactivated",   NULL};
static const char *const codes_refused[] = {"content_filter", "content_policy_violation", NULL};

static struct judgement transfer_judge(enum transfer transfer)
{
	switch (transfer) {
	case TRANSFER_UNREACHABLE:
		return (struct judgement){VERDICT_RETRY, "unreachable"};
	case TRANSFER_TIMEOUT:
		return (struct judgement){VERDICT_RETRY, "timeout"};
	case TRANSFER_TOO_LARGE:
		return (struct judgement){VERDICT_RETRY, "too_large"};
	case TRANSFER_CERTIFICATE:
		return (struct judgement){VERDICT_BLOCK, "certificate"};
	case TRANSFER_URL:
		return (struct judgement){VERDICT_BLOCK, "url"};
	case TRANSFER_NO_KEY:
		return (struct judgement){VERDICT_BLOCK, "no_key"};
	case TRANSFER_DONE:
		break;
	}
	assert(!"a transfer that is done is judged by its status");
	return (struct judgement){VERDICT_RETRY, "unreachable"};
}

struct judgement throttle_judge(const struct outcome *o)
{
	if (o->transfer != TRANSFER_DONE)
		return transfer_judge(o->transfer);
	uint32_t status = o->status;
	if (status >= 200 && status < 300) {
		if (o->malformed)
			return (struct judgement){VERDICT_RETRY, "malformed"};
		return (struct judgement){VERDICT_ANSWER, ""};
	}
	if (status == 402 || code_is(o->code, codes_no_credit))
		return (struct judgement){VERDICT_BLOCK, "no_credit"};
	if (status == 429)
		return (struct judgement){VERDICT_PAUSE, "rate_limit"};
	if (status == 503 && o->retry_after_ms != RETRY_AFTER_NONE)
		return (struct judgement){VERDICT_PAUSE, "unavailable"};
	if (status >= 500)
		return (struct judgement){VERDICT_RETRY, "server_error"};
	if (status == 408 || status == 409 || status == 425)
		return (struct judgement){VERDICT_RETRY, "server_error"};
	if (status == 401)
		return (struct judgement){VERDICT_BLOCK, "key_refused"};
	if (status == 403)
		return (struct judgement){VERDICT_BLOCK, "forbidden"};
	if (status == 404)
		return (struct judgement){VERDICT_BLOCK, "not_found"};
	if (status < 400 || status == 405)
		return (struct judgement){VERDICT_BLOCK, "url"};
	if (code_is(o->code, codes_settings))
		return (struct judgement){VERDICT_BLOCK, "settings"};
	if (code_is(o->code, codes_refused))
		return (struct judgement){VERDICT_UNUSABLE, "refused"};
	return (struct judgement){VERDICT_UNUSABLE, "rejected"};
}

uint64_t retry_delay_ms(uint32_t tries, uint64_t retry_after_ms, struct rng *rng)
{
	double delay_ms;
	if (retry_after_ms != RETRY_AFTER_NONE) {
		if (retry_after_ms > RETRY_MS_MAX)
			retry_after_ms = RETRY_MS_MAX;
		if (retry_after_ms < RETRY_MS_MIN)
			retry_after_ms = RETRY_MS_MIN;
		delay_ms = (double)retry_after_ms * (1.0 + 0.1 * rng_double(rng));
	} else {
		delay_ms = RETRY_MS_MIN * (double)((uint64_t)1 << (tries < 10 ? tries : 10));
		if (delay_ms > RETRY_MS_MAX)
			delay_ms = RETRY_MS_MAX;
		delay_ms *= 0.5 + 0.5 * rng_double(rng);
		if (delay_ms < RETRY_MS_MIN)
			delay_ms = RETRY_MS_MIN * (1.0 + 0.1 * rng_double(rng));
	}
	return delay_ms > RETRY_MS_MAX ? RETRY_MS_MAX : (uint64_t)delay_ms;
}

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
