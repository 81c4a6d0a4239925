/*
 * Things to be done later, by one thread: a heap of due times. Used for delayed and
 * dripping replies, so that waiting ones need no thread each.
 */
#ifndef FREEAL_MOCKLLM_PACER_H
#define FREEAL_MOCKLLM_PACER_H

#include "base/err.h"

#include <stdint.h>

struct pacer;

/* Does the item's next step; returns when it is due again (monotonic ms), 0 for never. */
typedef uint64_t pacer_step_fn(void *item, uint64_t now_ms);
/* Called instead of a step when the pacer ends; the item is not due again. */
typedef void pacer_cancel_fn(void *item);

WARN_UNUSED enum err pacer_new(pacer_step_fn *step, pacer_cancel_fn *cancel,
			       struct pacer **ret_pacer);
/* Takes the item until its last step; where there is no room it is cancelled at once. */
void pacer_add(struct pacer *p, void *item, uint64_t due_ms);
/* Cancels what waits and whatever is added from now on. Idempotent. */
void pacer_stop(struct pacer *p);
void pacer_free(struct pacer *p);

#endif
