/*
 * What is left to lease in one phase: items 0 .. count-1, each open, out (leased) or
 * settled. Items are handed out in order; returned ones first. Pure memory: rebuilt from
 * the store when a phase begins or the coordinator restarts.
 */
#ifndef FREEAL_COORDINATOR_AGENDA_H
#define FREEAL_COORDINATOR_AGENDA_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct agenda;

/* All items open. NULL: no memory. */
struct agenda *agenda_new(uint64_t count);
void agenda_free(struct agenda *a);

/* Leaves an item out altogether: it counts neither as settled nor as open. Before any
 * other call for that item. */
void agenda_exclude(struct agenda *a, uint64_t index);
/* True the first time: the item is done. */
bool agenda_settle(struct agenda *a, uint64_t index);
/* Next open item, which is out from then on. `ret_attempt` counts from 1. */
bool agenda_next(struct agenda *a, uint64_t *ret_index, uint32_t *ret_attempt);
/* The item comes back, to be handed out before the others. ERR_NO_MEMORY. */
enum err agenda_return(struct agenda *a, uint64_t index, uint32_t attempt) WARN_UNUSED;
/* The item comes back from a worker that was lost with it, `losses` of them by now: it may be
 * what ends them. agenda_next_suspect alone hands it out. ERR_NO_MEMORY. */
enum err agenda_suspect(struct agenda *a, uint64_t index, uint32_t attempt,
			uint32_t losses) WARN_UNUSED;
/* The suspect that waits longest, which is out from then on; false also where it has more than
 * `losses_max`. */
bool agenda_next_suspect(struct agenda *a, uint32_t losses_max, uint64_t *ret_index,
			 uint32_t *ret_attempt, uint32_t *ret_losses);
/* Somebody works on it already (known from a renewal after a restart). */
void agenda_take_out(struct agenda *a, uint64_t index);

/* Nothing is left to do: settled, or left out. */
bool agenda_is_settled(const struct agenda *a, uint64_t index);
uint64_t agenda_count(const struct agenda *a);	 /* items that are in */
uint64_t agenda_settled(const struct agenda *a); /* of these, done */

#endif
