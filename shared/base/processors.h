/*
 * How many processors this process may use.
 */
#ifndef FREEAL_BASE_PROCESSORS_H
#define FREEAL_BASE_PROCESSORS_H

#include <stdint.h>

/* At least 1: those that it may be scheduled on, or fewer where its control group (a
 * container's limit) grants less time. */
uint32_t processors_available(void);

/* Processors' worth of time that the text of a cgroup's cpu.max ("QUOTA PERIOD" or
 * "max PERIOD") grants, rounded up; 0: no limit. */
uint32_t processors_quota(const char *text);

#endif
