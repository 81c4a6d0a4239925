#include "mockllm/pacer.h"

#include "base/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { PACER_ITEMS_MAX = 1 << 17 };

struct entry {
	uint64_t due_ms;
	uint64_t order; /* first come, first served among equals */
	void *item;
};

struct pacer {
	pacer_step_fn *step;
	pacer_cancel_fn *cancel;
	struct clock clock;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool stopping;
	struct entry *heap; /* PACER_ITEMS_MAX; the earliest is first */
	size_t count;
	uint64_t order;
};

static bool entry_before(const struct entry *a, const struct entry *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_push(struct pacer *p, struct entry entry)
{
	size_t at = p->count++;
	while (at > 0 && entry_before(&entry, &p->heap[(at - 1) / 2])) {
		p->heap[at] = p->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	p->heap[at] = entry;
}

static struct entry heap_pop(struct pacer *p)
{
	assert(p->count > 0);
	struct entry first = p->heap[0];
	struct entry last = p->heap[--p->count];
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= p->count)
			break;
		if (child + 1 < p->count && entry_before(&p->heap[child + 1], &p->heap[child]))
			child++;
		if (!entry_before(&p->heap[child], &last))
			break;
		p->heap[at] = p->heap[child];
		at = child;
	}
	p->heap[at] = last;
	return first;
}

/* Waits for the earliest item's time or a change; the lock is held. */
static void pacer_wait(struct pacer *p)
{
	if (p->count == 0) {
		pthread_cond_wait(&p->changed, &p->lock);
		return;
	}
	uint64_t due_ms = p->heap[0].due_ms;
	struct timespec until = {.tv_sec = (time_t)(due_ms / 1000),
				 .tv_nsec = (long)(due_ms % 1000) * 1000000};
	pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

static void *pacer_main(void *context)
{
	struct pacer *p = context;
	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		uint64_t now_ms = clock_mono_ms(&p->clock);
		if (p->count == 0 || p->heap[0].due_ms > now_ms) {
			pacer_wait(p);
			continue;
		}
		struct entry entry = heap_pop(p);
		pthread_mutex_unlock(&p->lock);
		uint64_t due_ms = p->step(entry.item, now_ms);
		if (due_ms)
			pacer_add(p, entry.item, due_ms);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

enum err pacer_new(pacer_step_fn *step, pacer_cancel_fn *cancel, struct pacer **ret_pacer)
{
	struct pacer *p = calloc(1, sizeof(*p));
	if (!p)
		return ERR_NO_MEMORY;
	p->step = step;
	p->cancel = cancel;
	p->clock = clock_system();
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&p->lock, NULL);
	p->heap = calloc(PACER_ITEMS_MAX, sizeof(*p->heap));
	if (!p->heap || pthread_create(&p->thread, NULL, pacer_main, p) != 0) {
		pacer_free(p);
		return ERR_NO_MEMORY;
	}
	p->has_thread = true;
	*ret_pacer = p;
	return ERR_OK;
}

void pacer_add(struct pacer *p, void *item, uint64_t due_ms)
{
	pthread_mutex_lock(&p->lock);
	bool taken = !p->stopping && p->count < PACER_ITEMS_MAX;
	if (taken) {
		heap_push(p, (struct entry){due_ms, p->order++, item});
		if (p->heap[0].item == item)
			pthread_cond_signal(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	if (!taken)
		p->cancel(item);
}

void pacer_stop(struct pacer *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	if (p->has_thread)
		pthread_join(p->thread, NULL);
	p->has_thread = false;
	/* Nobody else touches the heap any more: additions are cancelled by their callers. */
	while (p->count > 0)
		p->cancel(heap_pop(p).item);
}

void pacer_free(struct pacer *p)
{
	if (!p)
		return;
	pacer_stop(p);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p->heap);
	free(p);
}
