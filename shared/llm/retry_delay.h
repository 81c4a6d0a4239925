/*
 * How long to wait before a request is sent again. Pure.
 */
#ifndef FREEAL_LLM_RETRY_DELAY_H
#define FREEAL_LLM_RETRY_DELAY_H

#include "base/rng.h"
#include "llm/retry_after.h"

#include <stdint.h>

#define RETRY_MS_MIN 250u
#define RETRY_MS_MAX 60000u

/*
 * How long to wait before try `tries` + 1: `retry_after_ms` clamped to
 * RETRY_MS_MIN .. RETRY_MS_MAX and up to a tenth more, or without one
 * RETRY_MS_MIN * 2^tries of which a random half is left out; never above RETRY_MS_MAX.
 */
uint64_t retry_delay_ms(uint32_t tries, uint64_t retry_after_ms, struct rng *rng);

#endif
