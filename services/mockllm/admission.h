/* Whether a request that costs tokens is let in: the limits, their headers and their counts. */
#ifndef FREEAL_MOCKLLM_ADMISSION_H
#define FREEAL_MOCKLLM_ADMISSION_H

#include "mockllm/api.h"

/* Counts it as in flight until it is sent. */
void admission_begin(struct api *api, struct outcome *o);

/*
 * Takes `tokens` from the limits. Where they don't allow it, the outcome becomes a 429 with
 * Retry-After (seconds) and retry-after-ms, and false comes back. The x-ratelimit-... headers
 * of the limits that there are stand on it either way. The caller holds the API's lock.
 */
bool admission_take(struct api *api, uint64_t tokens, struct outcome *o);

#endif
