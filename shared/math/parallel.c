#include "math/parallel.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS_MAX = 64 };

struct loop {
	void (*work)(void *, size_t);
	void *context;
	size_t task_count;
	atomic_size_t next;
};

static void *loop_run(void *arg)
{
	struct loop *loop = arg;
	for (;;) {
		size_t i = atomic_fetch_add(&loop->next, 1);
		if (i >= loop->task_count)
			return NULL;
		loop->work(loop->context, i);
	}
}

void parallel_for(size_t thread_count, size_t task_count, void (*work)(void *, size_t),
		  void *context)
{
	assert(work);
	struct loop loop = {.work = work, .context = context, .task_count = task_count};
	pthread_t threads[THREADS_MAX];
	size_t started = 0;

	if (thread_count > THREADS_MAX)
		thread_count = THREADS_MAX;
	if (thread_count > task_count)
		thread_count = task_count;
	while (started + 1 < thread_count &&
	       !pthread_create(&threads[started], NULL, loop_run, &loop))
		started++;
	loop_run(&loop);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}
