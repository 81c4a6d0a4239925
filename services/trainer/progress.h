/*
 * How a long call hears that nobody wants its result any more, and says how far
 * it is. Each pointer may be NULL, and so may the struct's.
 */
#ifndef FREEAL_TRAINER_PROGRESS_H
#define FREEAL_TRAINER_PROGRESS_H

#include "base/crash.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct progress {
	const atomic_bool *cancel;   /* set by another thread */
	atomic_uint_fast64_t *done;  /* steps, of */
	atomic_uint_fast64_t *total; /* so many */
};

static inline bool progress_cancelled(const struct progress *p)
{
	crash_point("train_step");
	return p && p->cancel && atomic_load_explicit(p->cancel, memory_order_relaxed);
}

static inline void progress_set(const struct progress *p, size_t done, size_t total)
{
	if (p && p->total)
		atomic_store_explicit(p->total, total, memory_order_relaxed);
	if (p && p->done)
		atomic_store_explicit(p->done, done, memory_order_relaxed);
}

#endif
