/* libs: math */
#include "math/team.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS_MAX = 8, TURNS = 5000 };

struct tally {
	unsigned calls[WORKERS_MAX]; /* each written by its worker alone */
	size_t worker_count;
	atomic_int wrong;
};

static void count_call(void *context, size_t worker, size_t worker_count)
{
	struct tally *tally = context;
	if (worker >= worker_count || worker_count != tally->worker_count)
		atomic_fetch_add(&tally->wrong, 1);
	else
		tally->calls[worker]++;
}

/* Each thread is called once a turn, and team_run returns after all: else a count is short. */
static void test_each_worker_once(void **state)
{
	(void)state;
	for (size_t size = 1; size <= WORKERS_MAX; size = size < 3 ? size + 1 : size + 5) {
		struct team *team;
		assert_int_equal(team_new(size, &team), ERR_OK);
		assert_int_equal(team_size(team), size);
		struct tally tally = {.worker_count = size};
		for (unsigned turn = 1; turn <= TURNS; turn++) {
			team_run(team, count_call, &tally);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(tally.calls[i], turn);
		}
		assert_int_equal(atomic_load(&tally.wrong), 0);
		team_free(team);
	}
	team_free(NULL);
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void nap_and_count(void *context, size_t worker, size_t worker_count)
{
	if (worker)
		nap();
	count_call(context, worker, worker_count);
}

/* Both sides have gone to sleep when the other is ready. */
static void test_sleepers(void **state)
{
	(void)state;
	struct team *team;
	assert_int_equal(team_new(2, &team), ERR_OK);
	struct tally tally = {.worker_count = 2};
	for (unsigned turn = 1; turn <= 20; turn++) {
		nap();
		team_run(team, nap_and_count, &tally);
		assert_int_equal(tally.calls[0], turn);
		assert_int_equal(tally.calls[1], turn);
	}
	team_free(team);
}

static int64_t processor_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void test_idle_costs_nothing(void **state)
{
	(void)state;
	struct team *team;
	assert_int_equal(team_new(2, &team), ERR_OK);
	struct tally tally = {.worker_count = 2};
	team_run(team, count_call, &tally);
	nap();
	int64_t before = processor_us();
	for (int i = 0; i < 25; i++)
		nap();
	assert_in_range(processor_us() - before, 0, 10000);
	team_free(team);
}

static void test_share(void **state)
{
	(void)state;
	static const size_t counts[] = {0, 1, 7, 16, 31, 32, 33, 1000};
	static const size_t grains[] = {1, 3, 16, 64};
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
		for (size_t g = 0; g < sizeof grains / sizeof *grains; g++)
			for (size_t workers = 1; workers <= 5; workers++) {
				size_t next = 0, most = 0, least = SIZE_MAX;
				for (size_t w = 0; w < workers; w++) {
					size_t first, count;
					team_share(counts[c], grains[g], w, workers, &first,
						   &count);
					assert_int_equal(first, next);
					assert_true(!count || first % grains[g] == 0);
					next = first + count;
					most = count > most ? count : most;
					least = count < least ? count : least;
				}
				assert_int_equal(next, counts[c]);
				/* The last grain may be cut off. */
				assert_true(most - least < 2 * grains[g]);
			}
}

static atomic_bool handled;

static void handle(int number)
{
	(void)number;
	atomic_store(&handled, true);
}

static void raise_in_work(void *context, size_t worker, size_t worker_count)
{
	(void)worker_count;
	if (worker != 0)
		return;
	(void)kill(getpid(), SIGUSR1);
	*(bool *)context = atomic_load(&handled);
}

/* A handler runs after the work, not on top of it. */
static void test_signals_wait(void **state)
{
	(void)state;
	struct sigaction action = {.sa_handler = handle}, before;
	assert_int_equal(0, sigaction(SIGUSR1, &action, &before));
	for (size_t size = 1; size <= 2; size++) {
		struct team *t;
		bool within = true;
		atomic_store(&handled, false);
		assert_int_equal(ERR_OK, team_new(size, &t));
		team_run(t, raise_in_work, &within);
		team_free(t);
		assert_false(within);
		assert_true(atomic_load(&handled));
	}
	assert_int_equal(0, sigaction(SIGUSR1, &before, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_worker_once),   cmocka_unit_test(test_sleepers),
	    cmocka_unit_test(test_idle_costs_nothing), cmocka_unit_test(test_share),
	    cmocka_unit_test(test_signals_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
