/*
 * Late answers that were counted: a worker sends a result again until it is acknowledged, and
 * what it cost is to be counted once. The newest so many are remembered, of this process alone.
 */
#ifndef FREEAL_COORDINATOR_LATE_H
#define FREEAL_COORDINATOR_LATE_H

#include "proto/work.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LATE_COUNT_MAX 4096u

/* Zeroed is empty. */
struct late {
	uint64_t keys[LATE_COUNT_MAX];
	size_t next;
};

/* True the first time that this lease of a work comes. */
bool late_first(struct late *l, const Freeal__WorkName *name, uint32_t attempt);

#endif
