#include "llm/price.h"

#include <stdbool.h>

#define TOKENS_UNIT 1000000u

static uint64_t saturate(unsigned __int128 value)
{
	return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

uint64_t price_nano_usd(const Freeal__Endpoint *endpoint, uint64_t tokens_in,
			uint64_t tokens_cached, uint64_t tokens_out)
{
	if (tokens_cached > tokens_in)
		tokens_cached = tokens_in;
	unsigned __int128 sum =
	    (unsigned __int128)(tokens_in - tokens_cached) * endpoint->nano_usd_per_million_in;
	sum += (unsigned __int128)tokens_cached * endpoint->nano_usd_per_million_cached;
	sum += (unsigned __int128)tokens_out * endpoint->nano_usd_per_million_out;
	return saturate((sum + TOKENS_UNIT - 1) / TOKENS_UNIT);
}

uint64_t price_batch_nano_usd(uint64_t nano_usd)
{
	return nano_usd / 2 + nano_usd % 2;
}

struct price_bound price_bound(const Freeal__Project *project, const Freeal__Llm *llm,
			       uint64_t prompt_bytes, uint32_t tokens_max)
{
	uint64_t samples = llm->samples > 1 ? llm->samples : 1;
	uint64_t attempts = llm->attempts_max > 1 ? llm->attempts_max : 1;
	/* What has no usable answer among several is asked again alone. */
	uint64_t requests = samples * (attempts + (llm->batch > 1));
	/* Servers whose models reason by themselves count that, too. */
	bool reasons = llm->reasoning || (llm->effort && *llm->effort);
	uint64_t tokens_out = (uint64_t)tokens_max + (reasons ? llm->reasoning_tokens : 0);
	struct price_bound bound = {
	    .requests = requests,
	    .tokens = saturate((unsigned __int128)requests * (prompt_bytes + tokens_out)),
	};
	for (size_t i = 0; i < llm->n_endpoints; i++) {
		const Freeal__Endpoint *e = project->endpoints[llm->endpoints[i]];
		/* Where the server's cache is dearer than none, all may come from it. */
		uint64_t one = price_nano_usd(e, prompt_bytes, 0, tokens_out);
		uint64_t cached = price_nano_usd(e, prompt_bytes, prompt_bytes, tokens_out);
		one = one > cached ? one : cached;
		if (llm->batch_api)
			one = price_batch_nano_usd(one);
		uint64_t all = saturate((unsigned __int128)one * requests);
		if (all > bound.nano_usd)
			bound.nano_usd = all;
	}
	return bound;
}
