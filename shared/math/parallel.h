/*
 * A loop over independent tasks on a few threads.
 *
 * Results never depend on the thread count as long as every task writes memory
 * of its own; sums over tasks are added by the caller in the tasks' order.
 */
#ifndef FREEAL_MATH_PARALLEL_H
#define FREEAL_MATH_PARALLEL_H

#include <stddef.h>

/*
 * Calls `work(context, i)` for i in 0 .. task_count-1 on up to `thread_count`
 * threads, the caller's being one of them, and returns when all are done.
 * Where a thread can't be started the others take its share.
 */
void parallel_for(size_t thread_count, size_t task_count, void (*work)(void *, size_t),
		  void *context);

#endif
