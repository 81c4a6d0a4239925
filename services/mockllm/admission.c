#include "mockllm/admission.h"

#include <inttypes.h>

void admission_begin(struct api *api, struct outcome *o)
{
	pthread_mutex_lock(&api->lock);
	o->counted = true;
	if (++api->counts.in_flight > api->counts.in_flight_max)
		api->counts.in_flight_max = api->counts.in_flight;
	pthread_mutex_unlock(&api->lock);
}

/* OpenAI writes such times as "120ms" or "7.66s". */
static void reset_header(struct outcome *o, const char *name, uint64_t ms)
{
	if (ms < 1000)
		outcome_header(o, name, "%" PRIu64 "ms", ms);
	else
		outcome_header(o, name, "%.3fs", (double)ms / 1000);
}

static void state_headers(const struct rate *r, uint64_t now_ms, struct outcome *o)
{
	if (r->requests.per_minute) {
		outcome_header(o, "x-ratelimit-limit-requests", "%" PRIu64, r->requests.per_minute);
		outcome_header(o, "x-ratelimit-remaining-requests", "%" PRIu64,
			       rate_remaining(&r->requests, now_ms));
		reset_header(o, "x-ratelimit-reset-requests", rate_reset_ms(&r->requests, now_ms));
	}
	if (r->tokens.per_minute) {
		outcome_header(o, "x-ratelimit-limit-tokens", "%" PRIu64, r->tokens.per_minute);
		outcome_header(o, "x-ratelimit-remaining-tokens", "%" PRIu64,
			       rate_remaining(&r->tokens, now_ms));
		reset_header(o, "x-ratelimit-reset-tokens", rate_reset_ms(&r->tokens, now_ms));
	}
}

bool admission_take(struct api *api, uint64_t tokens, struct outcome *o)
{
	uint64_t now_ms = clock_mono_ms(&api->clock);
	uint64_t wait_ms = rate_take(&api->rate, tokens, now_ms);
	state_headers(&api->rate, now_ms, o);
	if (!wait_ms) {
		api->counts.accepted++;
		return true;
	}
	api->counts.rate_limited++;
	outcome_header(o, "Retry-After", "%" PRIu64, (wait_ms + 999) / 1000);
	outcome_header(o, "retry-after-ms", "%" PRIu64, wait_ms);
	outcome_error(o, 429, "Rate limit reached: wait as long as Retry-After says.",
		      "rate_limit_exceeded", NULL);
	return false;
}
