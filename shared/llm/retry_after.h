/*
 * How long a server asks its clients to wait. Pure.
 */
#ifndef FREEAL_LLM_RETRY_AFTER_H
#define FREEAL_LLM_RETRY_AFTER_H

#include <stdint.h>

#define RETRY_AFTER_NONE UINT64_MAX

/*
 * Reads a Retry-After value (seconds, or an HTTP date against `wall_ms`) as a duration.
 * A date in the past is 0; a number too large to count saturates; what is neither, a
 * negative number included, is RETRY_AFTER_NONE.
 */
uint64_t retry_after_parse(const char *value, uint64_t wall_ms);

#endif
