/* libs: freeal-annotator-lib */
#include "annotator/window.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * A server in simulated time: `slots` requests are served at once, each for `service_ms`, give or
 * take `spread`; the others wait their turn. The client keeps the window full.
 */
#define IN_FLIGHT_MAX 4096

struct world {
	struct window window;
	struct rng rng;
	uint32_t slots;
	double service_ms, spread;
	double free_ms[IN_FLIGHT_MAX]; /* by slot */
	uint64_t sent_ms[IN_FLIGHT_MAX], end_ms[IN_FLIGHT_MAX];
	uint32_t in_flight;
	uint64_t now_ms, answers;
	double in_flight_sum; /* over ms */
};

static void request_send(struct world *w)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < w->slots && i < IN_FLIGHT_MAX; i++)
		if (w->free_ms[i] < w->free_ms[best])
			best = i;
	double begin_ms =
	    w->free_ms[best] > (double)w->now_ms ? w->free_ms[best] : (double)w->now_ms;
	double takes_ms = w->service_ms * (1 + w->spread * (2 * rng_double(&w->rng) - 1));
	w->free_ms[best] = begin_ms + takes_ms;
	w->sent_ms[w->in_flight] = w->now_ms;
	w->end_ms[w->in_flight++] = (uint64_t)(begin_ms + takes_ms);
}

static void world_run(struct world *w, uint64_t ms)
{
	w->answers = 0;
	w->in_flight_sum = 0;
	for (uint64_t end_ms = w->now_ms + ms; w->now_ms < end_ms; w->now_ms++) {
		for (uint32_t i = 0; i < w->in_flight;) {
			if (w->end_ms[i] > w->now_ms) {
				i++;
				continue;
			}
			window_answer(&w->window, w->in_flight, w->sent_ms[i], w->now_ms);
			w->in_flight--;
			w->sent_ms[i] = w->sent_ms[w->in_flight];
			w->end_ms[i] = w->end_ms[w->in_flight];
			w->answers++;
		}
		while (w->in_flight < (uint32_t)w->window.size)
			request_send(w);
		w->in_flight_sum += w->in_flight;
	}
}

static struct world *world_new(uint32_t max, uint32_t slots, double service_ms, double spread)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	window_init(&w->window, max);
	w->rng = rng_make(slots);
	w->slots = slots;
	w->service_ms = service_ms;
	w->spread = spread;
	w->now_ms = 1000;
	return w;
}

/* A server without an end of its own: the window opens in a few seconds and stays open. */
static void test_constant_latency(void **state)
{
	(void)state;
	static const double spreads[] = {0, 0.3, 0.9};
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(1000, 1000, 1000, spreads[i]);
		world_run(w, 8000);
		assert_true(w->window.size >= 950);
		world_run(w, 30000);
		assert_true(w->in_flight_sum / 30000 >= 950);
		assert_true(w->answers >= 950 * 30 * 9 / 10);
		free(w);
	}
}

/* A full server gives all that it can, and no queue of hundreds stands before it. */
static void test_saturated(void **state)
{
	(void)state;
	static const double spreads[] = {0, 0.3};
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_new(1000, 40, 200, spreads[i]);
		world_run(w, 10000);
		world_run(w, 60000);
		double could = 60000.0 / 200 * 40;
		assert_true((double)w->answers >= 0.95 * could);
		assert_true(w->in_flight_sum / 60000 <= 3 * 40);
		free(w);
	}
}

/* The latency rises by itself, without a fault of the window: no spiral. */
static void test_slower_by_itself(void **state)
{
	(void)state;
	struct world *w = world_new(200, 1000, 100, 0.3);
	world_run(w, 5000);
	assert_true(w->window.size >= 195);
	w->service_ms = 1500;
	world_run(w, 30000);
	world_run(w, 30000);
	assert_true(w->in_flight_sum / 30000 >= 190);
	free(w);
}

/* A server that loses most of its slots is followed down, and up again. */
static void test_capacity_changes(void **state)
{
	(void)state;
	struct world *w = world_new(400, 400, 200, 0.2);
	world_run(w, 10000);
	assert_true(w->window.size >= 380);
	w->slots = 20;
	world_run(w, 60000);
	assert_true(w->window.size <= 100);
	w->slots = 400;
	world_run(w, 120000);
	assert_true(w->window.size >= 300);
	free(w);
}

static void test_cut(void **state)
{
	(void)state;
	struct window w;
	window_init(&w, 8);
	assert_true(w.size == 8);
	window_cut(&w, 100);
	assert_true(w.size == 4);
	for (int i = 0; i < 10; i++)
		window_cut(&w, 100);
	assert_true(w.size == 1);
	/* What was sent before says nothing. */
	for (int i = 0; i < 100; i++)
		window_answer(&w, 1, 99, 150);
	assert_true(w.size == 1);
	for (uint64_t i = 0; i < 1000; i++)
		window_answer(&w, 8, 100 + i, 150 + i);
	assert_true(w.size == 8);
}

/* Less is asked than it allows: it stays. */
static void test_not_full(void **state)
{
	(void)state;
	struct window w;
	window_init(&w, 1000);
	double size = w.size;
	for (uint64_t i = 0; i < 1000; i++)
		window_answer(&w, 3, i, i + 1 + i);
	assert_true(w.size == size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_constant_latency),
	    cmocka_unit_test(test_saturated),
	    cmocka_unit_test(test_slower_by_itself),
	    cmocka_unit_test(test_capacity_changes),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_not_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
