/* libs: wire base freeal-coordinator coordinator_bench.c worker_peers.c */
/* The coordinator's leases: limits are granted before them, what doesn't fit them changes nothing,
 * and they return when they should. */
#include "coordinator_bench.h"

#include <string.h>

/* Who may send how much is said before anything is leased, and again after a restart. */
static void limits_are_granted(void **state)
{
	struct bench *b = *state;
	b->limited = true;
	samples_post(b);
	workers_run(b, 4, one_is_leased);
	assert_int_equal(b->grants, 1);
	coordinator_kill(b);
	coordinator_start(b);
	b->leases = b->grants = 0;
	/* It still holds four. */
	workers_run(b, 4, one_is_leased);
	assert_int_equal(b->grants, 1);
}

static bool one_is_paid(struct bench *b)
{
	char reply[4096];
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	return strstr(reply, "\"requests\":1,") != NULL;
}

static bool two_are_paid(struct bench *b)
{
	char reply[4096];
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	return strstr(reply, "\"requests\":2,") != NULL;
}

/* D12, D14: results for other rounds, absent samples or classes are not applied. */
static void results_that_do_not_fit_change_nothing(void **state)
{
	struct bench *b = *state;
	char reply[4096];
	samples_post(b);
	workers_run(b, 1, one_is_leased);
	annotation_send(b, 7, 3, 1);
	annotation_send(b, 0, SAMPLES + 5, 1);
	annotation_send(b, 0, 4, 99);
	workers_run(b, 1, results_are_acknowledged);
	assert_int_equal(labelled(b), 0);
	/* A late answer to work that is still open is kept, once. */
	annotation_send(b, 0, 5, 1);
	workers_run(b, 1, results_are_acknowledged);
	annotation_send(b, 0, 5, 0);
	workers_run(b, 1, results_are_acknowledged);
	assert_int_equal(labelled(b), 1);
	/* Sent again, it cost nothing more; another lease's answer was paid for. */
	workers_run(b, 1, one_is_paid);
	attempt_send(b, 0, 5, 2, 0);
	workers_run(b, 1, results_are_acknowledged);
	assert_int_equal(labelled(b), 1);
	workers_run(b, 1, two_are_paid);
	/* C17: the first one stays, the other is counted. */
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "\"disagreements\":1"));
}

/* A lease handed back is given out again at once, and counts as no attempt. */
static void a_returned_lease_comes_back(void **state)
{
	struct bench *b = *state;
	samples_post(b);
	workers_run(b, 1, one_is_leased);
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = b->last_item;
	uint64_t item = b->last_item;
	b->leases = 0;
	worker_return(b->annotator, &name, "test");
	workers_run(b, 1, one_is_leased);
	assert_int_equal(b->last_item, item);
	assert_int_equal(b->last_attempt, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(limits_are_granted, limited_bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(results_that_do_not_fit_change_nothing, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(a_returned_lease_comes_back, bench_make, bench_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
