/*
 * What was spent, may still be spent and may be spent at most, as people read it.
 */
#ifndef FREEAL_COORDINATOR_SPEND_H
#define FREEAL_COORDINATOR_SPEND_H

#include "coordinator/reserve.h"
#include "proto/record.pb-c.h"

#include <jansson.h>

/* {usd, tokens, requests}, and the same for what is reserved for work in hand, for what was lost
 * with workers, and for the limits, null where there is none. NULL: no memory. */
json_t *spend_json(const Freeal__CounterRecord *counters, const struct amount *limits);

#endif
