/* libs: llm */
/* Prices in nano-dollars: exact, rounded up once, never wrapped. */
#include "llm/price.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static Freeal__Endpoint endpoint_make(uint64_t in, uint64_t cached, uint64_t out)
{
	Freeal__Endpoint e = FREEAL__ENDPOINT__INIT;
	e.nano_usd_per_million_in = in;
	e.nano_usd_per_million_cached = cached;
	e.nano_usd_per_million_out = out;
	return e;
}

static void a_request_is_priced(void **state)
{
	(void)state;
	/* $0.15, $0.0375 and $0.60 a million. */
	Freeal__Endpoint e = endpoint_make(150000000, 37500000, 600000000);
	assert_int_equal(price_nano_usd(&e, 1000000, 0, 0), 150000000);
	assert_int_equal(price_nano_usd(&e, 0, 0, 1), 600);
	assert_int_equal(price_nano_usd(&e, 1000, 400, 10), 600 * 150 + 400 * 375 / 10 + 10 * 600);
	assert_int_equal(price_nano_usd(&e, 1, 1, 0), 38); /* 37.5 */
	assert_int_equal(price_nano_usd(&e, 10, 99, 0), price_nano_usd(&e, 10, 10, 0));
	assert_int_equal(price_nano_usd(&e, 0, 0, 0), 0);
	e = endpoint_make(UINT64_MAX, 0, UINT64_MAX);
	assert_true(price_nano_usd(&e, UINT64_MAX, 0, UINT64_MAX) == UINT64_MAX);
}

static void a_batch_costs_half(void **state)
{
	(void)state;
	Freeal__Endpoint e = endpoint_make(1000000, 1000000, 2000000), *endpoints[] = {&e};
	uint32_t first = 0;
	Freeal__Project p = FREEAL__PROJECT__INIT;
	Freeal__Llm llm = FREEAL__LLM__INIT;
	p.endpoints = endpoints;
	p.n_endpoints = 1;
	llm.endpoints = &first;
	llm.n_endpoints = 1;
	llm.batch_api = true;
	llm.samples = 3;
	assert_int_equal(price_batch_nano_usd(10), 5);
	assert_int_equal(price_batch_nano_usd(11), 6);
	assert_true(price_batch_nano_usd(UINT64_MAX) == UINT64_MAX / 2 + 1);
	assert_int_equal(price_bound(&p, &llm, 101, 20).nano_usd, 3 * 71); /* of 141 each */
}

static void a_bound_holds_for_the_dearest_endpoint(void **state)
{
	(void)state;
	Freeal__Endpoint cheap = endpoint_make(1000000, 1000000, 2000000);
	Freeal__Endpoint dear = endpoint_make(3000000, 5000000, 7000000);
	Freeal__Endpoint *endpoints[] = {&cheap, &dear};
	uint32_t numbers[] = {0, 1};
	Freeal__Project p = FREEAL__PROJECT__INIT;
	Freeal__Llm llm = FREEAL__LLM__INIT;
	p.endpoints = endpoints;
	p.n_endpoints = 2;
	llm.endpoints = numbers;
	llm.n_endpoints = 2;
	struct price_bound b = price_bound(&p, &llm, 100, 20);
	assert_int_equal(b.requests, 1);
	assert_int_equal(b.tokens, 120);
	assert_int_equal(b.nano_usd, 100 * 5 + 20 * 7);
	llm.n_endpoints = 1;
	assert_int_equal(price_bound(&p, &llm, 100, 20).nano_usd, 100 * 1 + 20 * 2);
	llm.samples = 3;
	llm.attempts_max = 2;
	llm.reasoning_tokens = 50;
	assert_int_equal(price_bound(&p, &llm, 100, 20).tokens, 6 * 120);
	llm.reasoning = true;
	b = price_bound(&p, &llm, 100, 20);
	assert_int_equal(b.requests, 6);
	assert_int_equal(b.tokens, 6 * 170);
	assert_int_equal(b.nano_usd, 6 * (100 + 70 * 2));
	assert_true(price_bound(&p, &llm, UINT64_MAX / 2, 1).tokens == UINT64_MAX);
	llm.samples = 1;
	llm.batch = 8;
	assert_int_equal(price_bound(&p, &llm, 100, 20).requests, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_priced),
	    cmocka_unit_test(a_batch_costs_half),
	    cmocka_unit_test(a_bound_holds_for_the_dearest_endpoint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
