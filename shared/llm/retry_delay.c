#include "llm/retry_delay.h"

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
