#include "math/team.h"

#include "base/processors.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* How long a thread looks for its next work before it sleeps: about what waking one costs, so
 * that waiting costs at most twice what the better choice would have. */
#define SPIN_NS 30000
enum { PAUSES_PER_LOOK = 32 };

struct worker {
	struct team *team;
	size_t number;
	pthread_t thread;
};

struct team {
	size_t size, started;
	bool spins;		/* every thread has a processor */
	struct worker *workers; /* (size); the first is the caller of team_run */

	/* Written by the caller before it raises `turn`, read by the others after they saw that. */
	void (*work)(void *, size_t, size_t); /* NULL: leave */
	void *context;

	_Alignas(64) atomic_uint turn;
	atomic_size_t sleeping; /* on `begin` */
	_Alignas(64) atomic_size_t running;
	atomic_bool caller_sleeps; /* on `end` */
	pthread_mutex_t lock;
	pthread_cond_t begin, end;
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static uint64_t now_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool is_next(struct team *t, unsigned turn)
{
	return atomic_load(&t->turn) != turn;
}

static bool is_done(struct team *t, unsigned unused)
{
	(void)unused;
	return !atomic_load(&t->running);
}

/* Whether it came true before the time was up. */
static bool spin(struct team *t, bool (*is_true)(struct team *, unsigned), unsigned turn)
{
	if (is_true(t, turn))
		return true;
	if (!t->spins)
		return false;
	uint64_t until = now_ns() + SPIN_NS;
	do {
		for (int i = 0; i < PAUSES_PER_LOOK; i++) {
			if (is_true(t, turn))
				return true;
			pause_briefly();
		}
	} while (now_ns() < until);
	return false;
}

/* A sleeper counts itself before it looks at `turn` for the last time, and the caller raises
 * `turn` before it looks for sleepers: one of them sees the other. */
static void wait_for_turn(struct team *t, unsigned turn)
{
	if (spin(t, is_next, turn))
		return;
	pthread_mutex_lock(&t->lock);
	atomic_fetch_add(&t->sleeping, 1);
	while (!is_next(t, turn))
		pthread_cond_wait(&t->begin, &t->lock);
	atomic_fetch_sub(&t->sleeping, 1);
	pthread_mutex_unlock(&t->lock);
}

static void wait_for_others(struct team *t)
{
	if (spin(t, is_done, 0))
		return;
	pthread_mutex_lock(&t->lock);
	atomic_store(&t->caller_sleeps, true);
	while (!is_done(t, 0))
		pthread_cond_wait(&t->end, &t->lock);
	atomic_store(&t->caller_sleeps, false);
	pthread_mutex_unlock(&t->lock);
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct team *t = worker->team;
	for (unsigned turn = 0;; turn++) {
		wait_for_turn(t, turn);
		if (!t->work)
			return NULL;
		t->work(t->context, worker->number, t->size);
		if (atomic_fetch_sub(&t->running, 1) == 1 && atomic_load(&t->caller_sleeps)) {
			pthread_mutex_lock(&t->lock);
			pthread_cond_signal(&t->end);
			pthread_mutex_unlock(&t->lock);
		}
	}
}

static void start_turn(struct team *t, void (*work)(void *, size_t, size_t), void *context)
{
	t->work = work;
	t->context = context;
	atomic_store(&t->running, t->started);
	atomic_fetch_add(&t->turn, 1);
	if (atomic_load(&t->sleeping)) {
		pthread_mutex_lock(&t->lock);
		pthread_cond_broadcast(&t->begin);
		pthread_mutex_unlock(&t->lock);
	}
}

/* No handler may run on a thread that works: libraries of generated code, oneDNN for one, borrow
 * the stack pointer, and a handler would write over their data. */
static void signals_block(sigset_t *ret_before)
{
	sigset_t all;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, ret_before);
}

enum err team_new(size_t worker_count, struct team **ret_team)
{
	assert(worker_count > 0);
	struct team *t = calloc(1, sizeof *t);
	struct worker *workers = calloc(worker_count, sizeof *workers);
	if (!t || !workers) {
		free(t);
		free(workers);
		return ERR_NO_MEMORY;
	}
	t->size = worker_count;
	t->spins = worker_count <= processors_available();
	t->workers = workers;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->begin, NULL);
	pthread_cond_init(&t->end, NULL);

	sigset_t before;
	signals_block(&before);
	int failed = 0;
	for (size_t i = 1; i < worker_count && !failed; i++) {
		workers[i] = (struct worker){.team = t, .number = i};
		failed = pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]);
		t->started += !failed;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		team_free(t);
		return ERR_NO_MEMORY;
	}
	*ret_team = t;
	return ERR_OK;
}

void team_free(struct team *t)
{
	if (!t)
		return;
	start_turn(t, NULL, NULL);
	for (size_t i = 1; i <= t->started; i++)
		pthread_join(t->workers[i].thread, NULL);
	pthread_cond_destroy(&t->end);
	pthread_cond_destroy(&t->begin);
	pthread_mutex_destroy(&t->lock);
	free(t->workers);
	free(t);
}

size_t team_size(const struct team *t)
{
	return t->size;
}

void team_run(struct team *t, void (*work)(void *context, size_t worker, size_t worker_count),
	      void *context)
{
	assert(work);
	sigset_t before;
	signals_block(&before);
	if (t->size > 1)
		start_turn(t, work, context);
	work(context, 0, t->size);
	if (t->size > 1)
		wait_for_others(t);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void team_share(size_t count, size_t grain, size_t worker, size_t worker_count, size_t *ret_first,
		size_t *ret_count)
{
	assert(grain > 0 && worker < worker_count);
	size_t grains = count / grain + (count % grain != 0);
	size_t each = grains / worker_count, more = grains % worker_count;
	size_t first = (worker * each + (worker < more ? worker : more)) * grain;
	size_t share = (each + (worker < more)) * grain;
	if (first > count)
		first = count;
	*ret_first = first;
	*ret_count = share < count - first ? share : count - first;
}
