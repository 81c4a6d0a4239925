/* libs: freeal-coordinator-lib */
/* What is granted never adds up to more than the limits, and all of it is granted in the end. */
#include "coordinator/share.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HOLD_MS 15000
#define RENEW_MS 3333
#define SETTLE_MS 1000
#define PEERS 40

/* Grants as the annotators have them: until when each that was sent may still be used. */
struct seen {
	uint64_t peer, until_ms;
	uint64_t amounts[SHARE_KINDS];
};

struct world {
	struct share *share;
	uint64_t limits[SHARE_KINDS], now_ms;
	struct seen seen[4096];
	size_t count;
};

static void world_init(struct world *w, uint64_t requests, uint64_t tokens, uint64_t concurrency)
{
	*w = (struct world){.limits = {requests, tokens, concurrency}, .now_ms = 500000};
	w->share = share_new(w->limits, HOLD_MS, RENEW_MS, SETTLE_MS);
	assert_non_null(w->share);
}

/* The most that peers may use: of each, the largest of its grants that have not ended. */
static void sum_check(struct world *w)
{
	for (int k = 0; k < SHARE_KINDS; k++) {
		uint64_t sum = 0;
		for (size_t i = 0; i < w->count; i++) {
			uint64_t largest = 0;
			bool first = true;
			for (size_t j = 0; j < w->count; j++) {
				const struct seen *s = &w->seen[j];
				if (s->peer != w->seen[i].peer)
					continue;
				first = first && j >= i;
				if (s->until_ms > w->now_ms && s->amounts[k] > largest)
					largest = s->amounts[k];
			}
			sum += first ? largest : 0;
		}
		uint64_t out = share_out(w->share, (enum share_kind)k, w->now_ms);
		assert_true(sum <= out && out <= w->limits[k]);
	}
}

static void seen_forget(struct world *w, uint64_t peer)
{
	size_t kept = 0;
	for (size_t i = 0; i < w->count; i++)
		if (w->seen[i].peer != peer && w->seen[i].until_ms > w->now_ms)
			w->seen[kept++] = w->seen[i];
	w->count = kept;
}

static void world_turn(struct world *w)
{
	const struct share_grant *grants;
	size_t n = share_grants(w->share, w->now_ms, &grants);
	seen_forget(w, UINT64_MAX);
	for (size_t i = 0; i < n; i++) {
		struct seen *s = &w->seen[w->count++];
		s->peer = grants[i].peer;
		s->until_ms = w->now_ms + HOLD_MS;
		memcpy(s->amounts, grants[i].amounts, sizeof s->amounts);
	}
	sum_check(w);
}

/* In steps, as the loop does; nothing may come due in between that is not said. */
static void world_run(struct world *w, uint64_t ms)
{
	uint64_t end_ms = w->now_ms + ms;
	while (w->now_ms < end_ms) {
		uint64_t next_ms = share_next_ms(w->share);
		if (next_ms > w->now_ms)
			w->now_ms = next_ms < end_ms ? next_ms : end_ms;
		world_turn(w);
		assert_true(share_next_ms(w->share) > w->now_ms);
	}
}

static uint64_t amount_of(const struct world *w, uint64_t peer, enum share_kind kind)
{
	uint64_t amount = 0;
	for (size_t i = 0; i < w->count; i++)
		if (w->seen[i].peer == peer && w->seen[i].until_ms > w->now_ms)
			amount = w->seen[i].amounts[kind];
	return amount;
}

static void join(struct world *w, uint64_t peer)
{
	assert_int_equal(share_join(w->share, peer, w->now_ms), ERR_OK);
}

static void test_those_that_come_together_share_at_once(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, 60, 10000, 2);
	for (uint64_t i = 1; i <= 3; i++) {
		join(&w, i);
		world_turn(&w);
		assert_int_equal(w.count, 0);
		w.now_ms += 300;
	}
	world_run(&w, SETTLE_MS);
	uint64_t concurrency = 0, tokens = 0;
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(amount_of(&w, i, SHARE_REQUESTS), 20);
		concurrency += amount_of(&w, i, SHARE_CONCURRENCY);
		tokens += amount_of(&w, i, SHARE_TOKENS);
	}
	assert_int_equal(concurrency, 2);
	assert_int_equal(tokens, 10000);
	share_free(w.share);
}

static void test_a_joiner_waits_for_the_larger_grants_to_end(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, 60, 0, 0);
	join(&w, 1);
	world_run(&w, 20000);
	assert_int_equal(amount_of(&w, 1, SHARE_REQUESTS), 60);
	join(&w, 2);
	world_turn(&w);
	assert_int_equal(amount_of(&w, 1, SHARE_REQUESTS), 60);
	assert_int_equal(amount_of(&w, 2, SHARE_REQUESTS), 0);
	assert_false(share_usable(w.share, 2, w.now_ms));
	world_run(&w, RENEW_MS);
	assert_int_equal(amount_of(&w, 1, SHARE_REQUESTS), 30);
	assert_int_equal(share_out(w.share, SHARE_REQUESTS, w.now_ms), 60);
	world_run(&w, HOLD_MS);
	assert_int_equal(amount_of(&w, 2, SHARE_REQUESTS), 30);
	assert_true(share_usable(w.share, 2, w.now_ms));
	/* A kind without a limit is never granted. */
	assert_int_equal(amount_of(&w, 1, SHARE_TOKENS), 0);
	share_free(w.share);
}

static void test_what_comes_back(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, 0, 0, 8);
	join(&w, 1);
	join(&w, 2);
	world_run(&w, SETTLE_MS);
	assert_int_equal(amount_of(&w, 2, SHARE_CONCURRENCY), 4);
	/* In good order: at once. */
	share_leave(w.share, 1);
	seen_forget(&w, 1);
	world_turn(&w);
	assert_int_equal(amount_of(&w, 2, SHARE_CONCURRENCY), 8);
	join(&w, 3);
	world_run(&w, HOLD_MS + RENEW_MS);
	assert_int_equal(amount_of(&w, 3, SHARE_CONCURRENCY), 4);
	/* Lost: when it has run out, and not before. */
	share_lose(w.share, 3);
	uint64_t lost_ms = w.now_ms;
	while (amount_of(&w, 2, SHARE_CONCURRENCY) < 8)
		world_run(&w, 1);
	assert_in_range(w.now_ms - lost_ms, HOLD_MS - RENEW_MS - 1, HOLD_MS);
	/* Lost and found. */
	join(&w, 4);
	world_run(&w, HOLD_MS + RENEW_MS);
	share_lose(w.share, 4);
	world_run(&w, 100);
	join(&w, 4);
	world_run(&w, 2 * HOLD_MS);
	assert_int_equal(amount_of(&w, 4, SHARE_CONCURRENCY), 4);
	share_free(w.share);
}

/* Two of three, by turns: each has something in two of three turns, for long enough. */
static void test_remainders_go_round(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, 2, 0, 0);
	uint64_t had_ms[4] = {0};
	for (uint64_t i = 1; i <= 3; i++)
		join(&w, i);
	for (int turn = 0; turn < 9; turn++) {
		world_run(&w, SHARE_TURN_MS);
		for (uint64_t i = 1; i <= 3; i++)
			had_ms[i] += amount_of(&w, i, SHARE_REQUESTS) * SHARE_TURN_MS;
		assert_int_equal(share_out(w.share, SHARE_REQUESTS, w.now_ms), 2);
	}
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(had_ms[i], 6 * SHARE_TURN_MS);
	share_free(w.share);
}

/* Whatever happens, in any order: sum_check, and in quiet all is granted, evenly. */
static void test_random_comings_and_goings(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct rng rng = rng_make(seed);
		struct world w;
		bool there[PEERS] = {false};
		world_init(&w, rng_below(&rng, 2) * (1 + rng_below(&rng, 500)),
			   rng_below(&rng, 100000), 1 + rng_below(&rng, 50));
		for (int step = 0; step < 100; step++) {
			uint64_t peer = rng_below(&rng, 1 + seed % PEERS);
			switch (rng_below(&rng, 5)) {
			case 0:
			case 1:
				join(&w, peer);
				there[peer] = true;
				break;
			case 2:
				share_leave(w.share, peer);
				seen_forget(&w, peer);
				there[peer] = false;
				break;
			case 3:
				share_lose(w.share, peer);
				there[peer] = false;
				break;
			default:
				world_run(&w, rng_below(&rng, 20000));
				break;
			}
			world_turn(&w);
		}
		join(&w, 0);
		there[0] = true;
		world_run(&w,
			  3 * HOLD_MS + SHARE_TURN_MS - (w.now_ms + 3 * HOLD_MS) % SHARE_TURN_MS);
		world_run(&w, SHARE_TURN_MS / 2);
		uint64_t n = 0;
		for (uint64_t i = 0; i < PEERS; i++)
			n += there[i];
		for (int k = 0; k < SHARE_KINDS; k++) {
			assert_int_equal(share_out(w.share, (enum share_kind)k, w.now_ms),
					 w.limits[k]);
			for (uint64_t i = 0; i < PEERS; i++)
				if (there[i])
					assert_in_range(amount_of(&w, i, (enum share_kind)k),
							w.limits[k] / n, w.limits[k] / n + 1);
		}
		share_free(w.share);
	}
}

static void test_too_many(void **state)
{
	(void)state;
	const uint64_t limits[SHARE_KINDS] = {1, 1, 1};
	struct share *s = share_new(limits, HOLD_MS, RENEW_MS, 0);
	const struct share_grant *grants;
	for (uint64_t i = 0; i < SHARE_PEERS_MAX; i++)
		assert_int_equal(share_join(s, i, 0), ERR_OK);
	assert_int_equal(share_join(s, SHARE_PEERS_MAX, 0), ERR_LIMIT);
	assert_int_equal(share_grants(s, 0, &grants), SHARE_PEERS_MAX);
	assert_int_equal(share_out(s, SHARE_CONCURRENCY, 0), 1);
	share_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_those_that_come_together_share_at_once),
	    cmocka_unit_test(test_a_joiner_waits_for_the_larger_grants_to_end),
	    cmocka_unit_test(test_what_comes_back),
	    cmocka_unit_test(test_remainders_go_round),
	    cmocka_unit_test(test_random_comings_and_goings),
	    cmocka_unit_test(test_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
