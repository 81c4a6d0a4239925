/*
 * Threads that stay: a team runs one function on all of its threads at once, many
 * thousand times a second. Sums that are made per worker and added in the workers' order
 * depend on the team's size alone.
 */
#ifndef FREEAL_MATH_TEAM_H
#define FREEAL_MATH_TEAM_H

#include "base/err.h"

#include <stddef.h>

struct team;

/* `worker_count` (at least 1) threads, the caller of team_run being the first. */
enum err team_new(size_t worker_count, struct team **ret_team) WARN_UNUSED;
void team_free(struct team *t);
size_t team_size(const struct team *t);

/* Calls work(context, worker, worker_count) once on each thread, worker = 0 .. size-1, and
 * returns when all have returned. Signals wait until then. Not to be called from within `work`. */
void team_run(struct team *t, void (*work)(void *context, size_t worker, size_t worker_count),
	      void *context);

/* The worker's contiguous share of `count` things, in multiples of `grain` but for the last. */
void team_share(size_t count, size_t grain, size_t worker, size_t worker_count, size_t *ret_first,
		size_t *ret_count);

#endif
