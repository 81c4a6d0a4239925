/* libs: freeal-annotator-lib */
#include "annotator/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What a call costs is shared by its asks without a rest, and the requests count once. */
static void test_usage_shared(void **state)
{
	(void)state;
	Freeal__Endpoint endpoint = FREEAL__ENDPOINT__INIT;
	struct lane *lane;
	assert_int_equal(lane_new(&endpoint, 8, 1000, 1, &lane), ERR_OK);
	for (uint32_t count = 1; count <= 7; count++) {
		struct call *c = call_new(lane, count);
		assert_non_null(c);
		assert_ptr_equal(c->lane, lane);
		Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
		Freeal__Work work = FREEAL__WORK__INIT;
		work.name = &name;
		for (; c->ask_count < count; c->ask_count++)
			assert_non_null(c->asks[c->ask_count] = ask_new(&work));
		Freeal__Usage usage = FREEAL__USAGE__INIT;
		usage.requests = 1;
		usage.tokens_in = 100;
		usage.tokens_out = 3;
		usage.nano_usd = 12345;
		usage.tokens_cached = 1;
		usage.tokens_reasoning = 50;
		call_usage_add(c, &usage);
		call_usage_add(c, &usage);
		Freeal__Usage sum = FREEAL__USAGE__INIT;
		for (uint32_t i = 0; i < count; i++) {
			const Freeal__Usage *u = &c->asks[i]->usage;
			sum.requests += u->requests;
			sum.tokens_in += u->tokens_in;
			sum.tokens_out += u->tokens_out;
			sum.nano_usd += u->nano_usd;
			sum.tokens_cached += u->tokens_cached;
			sum.tokens_reasoning += u->tokens_reasoning;
			assert_true(u->tokens_in >= 2 * (100 / count));
			assert_true(u->tokens_in <= 2 * (100 / count + 1));
		}
		assert_int_equal(sum.requests, 2);
		assert_int_equal(sum.tokens_in, 200);
		assert_int_equal(sum.tokens_out, 6);
		assert_int_equal(sum.nano_usd, 24690);
		assert_int_equal(sum.tokens_cached, 2);
		assert_int_equal(sum.tokens_reasoning, 100);
		call_free(c);
	}
	lane_free(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_usage_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
