/*
 * How much memory this process may use.
 */
#ifndef FREEAL_BASE_MEMORY_H
#define FREEAL_BASE_MEMORY_H

#include <stdint.h>

/* Bytes of the machine, or fewer where its control group (a container's limit) grants less. */
uint64_t memory_limit(void);

/* Bytes that the text of a cgroup's memory.max (a number or "max") grants; 0: no limit. */
uint64_t memory_quota(const char *text);

#endif
