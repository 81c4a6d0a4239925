/*
 * What requests to an LLM used, summed.
 */
#ifndef FREEAL_LLM_USAGE_H
#define FREEAL_LLM_USAGE_H

#include "proto/work.pb-c.h"

/* Adds each field of `usage`; NULL: nothing. */
void usage_add(Freeal__Usage *sum, const Freeal__Usage *usage);

#endif
