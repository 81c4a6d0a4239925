#include "annotator/call.h"

#include <assert.h>
#include <stdlib.h>

struct call *call_new(struct lane *lane, uint32_t ask_count_max)
{
	assert(ask_count_max > 0 && ask_count_max <= CALL_ASKS_MAX);
	struct call *c = calloc(1, sizeof *c + ask_count_max * sizeof(struct ask *));
	if (c)
		c->lane = lane;
	return c;
}

void call_free(struct call *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->ask_count; i++)
		ask_free(c->asks[i]);
	free(c);
}

static uint64_t share(uint64_t sum, uint32_t i, uint32_t count)
{
	return sum / count + (i < sum % count);
}

void call_usage_add(struct call *c, const Freeal__Usage *usage)
{
	uint32_t n = c->ask_count;
	for (uint32_t i = 0; i < n; i++) {
		Freeal__Usage *u = &c->asks[i]->usage;
		u->requests += i == 0 ? usage->requests : 0;
		u->tokens_in += share(usage->tokens_in, i, n);
		u->tokens_out += share(usage->tokens_out, i, n);
		u->nano_usd += share(usage->nano_usd, i, n);
		u->tokens_cached += share(usage->tokens_cached, i, n);
		u->tokens_reasoning += share(usage->tokens_reasoning, i, n);
	}
}
