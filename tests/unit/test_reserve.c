/* libs: freeal-coordinator-lib */
/* Spent, reserved and lost never exceed the limit, whatever becomes of the leases. */
#include "coordinator/reserve.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct amount none = {0}, ten = {1, 100, 10};

static void reserved_is(const struct reserve *r, uint64_t nano_usd, uint64_t lost)
{
	assert_int_equal(reserve_reserved(r).nano_usd, nano_usd);
	assert_int_equal(reserve_lost(r).nano_usd, lost);
}

static void test_what_becomes_of_a_lease(void **state)
{
	(void)state;
	struct reserve *r = reserve_new();
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(reserve_add(r, i, 1, &ten), ERR_OK);
	reserved_is(r, 40, 0);
	assert_int_equal(reserve_reserved(r).requests, 4);
	assert_int_equal(reserve_reserved(r).tokens, 400);
	assert_true(reserve_settle(r, 0, 1));
	assert_false(reserve_settle(r, 0, 1));
	reserve_return(r, 1, 1);
	reserve_lose(r, 2, 1);
	reserve_lose(r, 2, 1);
	reserved_is(r, 10, 10);
	assert_int_equal(reserve_count(r), 1);
	/* What is lost can't come back unused, but its answer can. */
	reserve_return(r, 2, 1);
	reserved_is(r, 10, 10);
	assert_true(reserve_settle(r, 2, 1));
	reserved_is(r, 10, 0);
	/* The answer of an older lease: the newer one is asked for nothing. */
	reserve_lose(r, 3, 1);
	assert_int_equal(reserve_add(r, 3, 2, &ten), ERR_OK);
	reserved_is(r, 10, 10);
	assert_true(reserve_settle(r, 3, 1));
	reserved_is(r, 0, 10);
	assert_true(reserve_settle(r, 3, 2));
	reserved_is(r, 0, 0);
	reserve_free(r);
}

static void test_limits(void **state)
{
	(void)state;
	struct reserve *r = reserve_new();
	const struct amount spent = {5, 500, 50};
	assert_true(reserve_fits(r, &none, &spent, &ten));
	assert_true(reserve_fits(r, &(struct amount){6, 600, 60}, &spent, &ten));
	assert_false(reserve_fits(r, &(struct amount){5, 0, 0}, &spent, &ten));
	assert_false(reserve_fits(r, &(struct amount){0, 599, 0}, &spent, &ten));
	assert_false(reserve_fits(r, &(struct amount){0, 0, 59}, &spent, &ten));
	assert_int_equal(reserve_add(r, 0, 1, &ten), ERR_OK);
	assert_false(reserve_fits(r, &(struct amount){6, 0, 0}, &spent, &ten));
	assert_true(reserve_fits(r, &(struct amount){7, 0, 0}, &spent, &ten));
	reserve_lose(r, 0, 1);
	assert_false(reserve_fits(r, &(struct amount){6, 0, 0}, &spent, &ten));
	/* Prices beyond all limits. */
	const struct amount huge = {1, UINT64_MAX, UINT64_MAX};
	assert_false(reserve_fits(r, &(struct amount){0, UINT64_MAX, 0}, &spent, &huge));
	for (uint64_t i = 1; i < 5; i++)
		assert_int_equal(reserve_add(r, i, 1, &huge), ERR_OK);
	assert_true(reserve_reserved(r).nano_usd == UINT64_MAX);
	for (uint64_t i = 1; i < 5; i++)
		assert_true(reserve_settle(r, i, 1));
	reserved_is(r, 0, 10);
	reserve_free(r);
}

static void test_a_restart(void **state)
{
	(void)state;
	struct reserve *r = reserve_new();
	reserve_load(r, &(struct amount){4, 400, 45}, &ten);
	reserved_is(r, 45, 10);
	assert_true(reserve_has_unclaimed(r));
	assert_int_equal(reserve_claim(r, 7, 3, &ten), ERR_OK);
	assert_int_equal(reserve_claim(r, 7, 3, &ten), ERR_OK);
	reserve_claim_settled(r, &ten);
	reserved_is(r, 35, 10);
	assert_int_equal(reserve_count(r), 1);
	reserve_unclaimed_lose(r);
	assert_false(reserve_has_unclaimed(r));
	reserved_is(r, 10, 35);
	/* Prices went up: no more is claimed than there is. */
	assert_int_equal(reserve_claim(r, 8, 1, &(struct amount){9, 900, 900}), ERR_OK);
	reserved_is(r, 10, 35);
	/* The same attempt as one that was lost before the restart. */
	assert_int_equal(reserve_add(r, 9, 1, &ten), ERR_OK);
	reserve_lose(r, 9, 1);
	assert_int_equal(reserve_add(r, 9, 1, &ten), ERR_OK);
	reserved_is(r, 20, 45);
	assert_true(reserve_settle(r, 9, 1));
	reserved_is(r, 10, 45);
	reserve_clear(r);
	reserved_is(r, 0, 55);
	assert_int_equal(reserve_count(r), 0);
	reserve_free(r);
}

static void test_more_lost_than_is_remembered(void **state)
{
	(void)state;
	struct reserve *r = reserve_new();
	for (uint64_t i = 0; i <= RESERVE_LOST_MAX; i++) {
		assert_int_equal(reserve_add(r, i, 1, &ten), ERR_OK);
		reserve_lose(r, i, 1);
	}
	assert_true(reserve_settle(r, 0, 1));
	assert_false(reserve_settle(r, RESERVE_LOST_MAX, 1));
	reserved_is(r, 0, 10 * RESERVE_LOST_MAX);
	reserve_free(r);
}

#define WORKS 12

/* A coordinator and what its LLM really billed. */
struct world {
	struct reserve *r;
	struct rng rng;
	struct amount limits, spent;
	uint64_t billed;
	uint32_t attempts[WORKS];
	/* Of each attempt: its bound, and whether its cost is still to be told. */
	struct amount bounds[WORKS][64];
	bool out[WORKS][64];
	bool settled[WORKS];
};

static struct amount bound_draw(struct world *w)
{
	return (struct amount){1 + rng_below(&w->rng, 2), 1 + rng_below(&w->rng, 300),
			       1 + rng_below(&w->rng, 50)};
}

/* The sums are stored before the lease is sent; from then on it may be billed. */
static void lease(struct world *w, uint32_t i)
{
	struct amount bound = bound_draw(w);
	if (w->settled[i] || w->attempts[i] == 63 ||
	    !reserve_fits(w->r, &w->limits, &w->spent, &bound))
		return;
	uint32_t attempt = ++w->attempts[i];
	assert_int_equal(reserve_add(w->r, i, attempt, &bound), ERR_OK);
	w->bounds[i][attempt] = bound;
	w->out[i][attempt] = true;
}

static void answer(struct world *w, uint32_t i, uint32_t attempt)
{
	if (!w->out[i][attempt])
		return;
	const struct amount *b = &w->bounds[i][attempt];
	struct amount cost = {b->requests, rng_below(&w->rng, b->tokens + 1),
			      rng_below(&w->rng, b->nano_usd + 1)};
	w->billed += cost.nano_usd;
	w->out[i][attempt] = false;
	if (!reserve_settle(w->r, i, attempt))
		reserve_claim_settled(w->r, b);
	w->spent.requests += cost.requests;
	w->spent.tokens += cost.tokens;
	w->spent.nano_usd += cost.nano_usd;
	w->settled[i] = true;
}

/* Its worker dies; what it did is billed and never told. */
static void lose(struct world *w, uint32_t i, uint32_t attempt)
{
	if (!w->out[i][attempt])
		return;
	w->billed += rng_below(&w->rng, w->bounds[i][attempt].nano_usd + 1);
	w->out[i][attempt] = false;
	reserve_lose(w->r, i, attempt);
}

/* The coordinator dies, and some of the workers: the others renew what they have. */
static void restart(struct world *w)
{
	struct amount reserved = reserve_reserved(w->r), lost = reserve_lost(w->r);
	reserve_free(w->r);
	w->r = reserve_new();
	reserve_load(w->r, &reserved, &lost);
	for (uint32_t i = 0; i < WORKS; i++) {
		for (uint32_t k = 1; k <= w->attempts[i]; k++) {
			if (!w->out[i][k])
				continue;
			/* Of two leases of one work, the newer one is renewed. */
			if (k == w->attempts[i] && !w->settled[i] && rng_below(&w->rng, 2)) {
				assert_int_equal(reserve_claim(w->r, i, k, &w->bounds[i][k]),
						 ERR_OK);
				continue;
			}
			w->billed += rng_below(&w->rng, w->bounds[i][k].nano_usd + 1);
			w->out[i][k] = false;
		}
	}
	reserve_unclaimed_lose(w->r);
}

static void world_check(const struct world *w)
{
	struct amount reserved = reserve_reserved(w->r), lost = reserve_lost(w->r);
	assert_true(w->spent.nano_usd + reserved.nano_usd + lost.nano_usd <= w->limits.nano_usd);
	assert_true(w->spent.tokens + reserved.tokens + lost.tokens <= w->limits.tokens);
	assert_true(w->spent.requests + reserved.requests + lost.requests <= w->limits.requests);
	assert_true(w->billed <= w->limits.nano_usd);
}

static void test_random_fates(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct world w = {
		    .r = reserve_new(), .rng = rng_make(seed), .limits = {30, 3000, 500}};
		for (int step = 0; step < 120; step++) {
			uint32_t i = (uint32_t)rng_below(&w.rng, WORKS);
			uint32_t k = (uint32_t)rng_below(&w.rng, w.attempts[i] + 1);
			switch (rng_below(&w.rng, 8)) {
			case 0:
			case 1:
			case 2:
				lease(&w, i);
				break;
			case 3:
			case 4:
				answer(&w, i, k);
				break;
			case 5:
				lose(&w, i, k);
				break;
			case 6:
				if (w.out[i][k] && !w.settled[i]) {
					reserve_return(w.r, i, k);
					w.out[i][k] = false;
				}
				break;
			default:
				if (rng_below(&w.rng, 4) == 0)
					restart(&w);
				break;
			}
			world_check(&w);
		}
		reserve_free(w.r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_becomes_of_a_lease),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_a_restart),
	    cmocka_unit_test(test_more_lost_than_is_remembered),
	    cmocka_unit_test(test_random_fates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
