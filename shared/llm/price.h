/*
 * What requests to an endpoint cost, in nano-dollars (billionths of a dollar): integers, so that
 * sums don't depend on their order. Pure.
 */
#ifndef FREEAL_LLM_PRICE_H
#define FREEAL_LLM_PRICE_H

#include "proto/project.pb-c.h"

#include <stdint.h>

/* The price of one request, rounded up. `tokens_cached` of the `tokens_in` came from the server's
 * cache. Saturates at UINT64_MAX. */
uint64_t price_nano_usd(const Freeal__Endpoint *endpoint, uint64_t tokens_in,
			uint64_t tokens_cached, uint64_t tokens_out);

/* The same by OpenAI's Batch API: half of it, rounded up. Prices in a project are always those of
 * single requests. */
uint64_t price_batch_nano_usd(uint64_t nano_usd);

/* The most that a request may turn out to be. */
struct price_bound {
	uint64_t requests;
	uint64_t tokens;
	uint64_t nano_usd;
};

/* Of asking one sample with a prompt of `prompt_bytes` (a token is at least one byte) at the
 * dearest of the LLM's endpoints: with others and alone, all its attempts, its samples, its longest
 * answers and reasoning. Failed requests that a server answered with an error are free and not in
 * it. */
struct price_bound price_bound(const Freeal__Project *project, const Freeal__Llm *llm,
			       uint64_t prompt_bytes, uint32_t tokens_max);

#endif
