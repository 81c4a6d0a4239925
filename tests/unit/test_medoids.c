/* libs: freeal-selector-lib */
#include "selector/medoids.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "../golden/selector.inc"
#pragma GCC diagnostic pop

#define ROWS 60
#define DIMENSIONS 8

static void as_good_as_pam(void **state)
{
	(void)state;
	const size_t counts[] = {1, 2, 5, 12};
	float rows[ROWS * DIMENSIONS];
	memcpy(rows, vectors, sizeof(rows));
	medoids_normalise(rows, ROWS, DIMENSIONS, vectors_centre);
	for (size_t i = 0; i < 4; i++) {
		uint32_t members[12], again[12];
		size_t k = counts[i];
		assert_int_equal(medoids_pick(rows, ROWS, DIMENSIONS, k, members), ERR_OK);
		for (size_t m = 1; m < k; m++)
			assert_true(members[m - 1] < members[m]);
		double cost = medoids_cost(rows, ROWS, DIMENSIONS, members, k);
		assert_true(cost <= 1.02 * vectors_cost[i]);
		assert_int_equal(medoids_pick(rows, ROWS, DIMENSIONS, k, again), ERR_OK);
		assert_memory_equal(members, again, k * sizeof(*members));
	}
}

static void clusters_get_one_each(void **state)
{
	(void)state;
	float rows[30 * 3];
	for (size_t i = 0; i < 30; i++)
		for (size_t d = 0; d < 3; d++)
			rows[i * 3 + d] =
			    (i % 3 == d ? 1.0f : 0) + 0.001f * (float)((i * 7 + d) % 5);
	medoids_normalise(rows, 30, 3, NULL);
	uint32_t members[3];
	assert_int_equal(medoids_pick(rows, 30, 3, 3, members), ERR_OK);
	assert_int_equal(1 << members[0] % 3 | 1 << members[1] % 3 | 1 << members[2] % 3, 7);
}

static void degenerate(void **state)
{
	(void)state;
	float rows[4 * 2] = {1, 0, 1, 0, 1, 0, 1, 0};
	uint32_t members[8] = {9, 9, 9, 9, 9, 9, 9, 9};
	assert_int_equal(medoids_pick(rows, 0, 2, 3, members), ERR_OK);
	assert_int_equal(medoids_pick(rows, 4, 2, 0, members), ERR_OK);
	assert_int_equal(members[0], 9);
	assert_int_equal(medoids_pick(rows, 2, 2, 8, members), ERR_OK);
	assert_int_equal(members[0], 0);
	assert_int_equal(members[1], 1);
	assert_int_equal(members[2], 9);
	assert_int_equal(medoids_pick(rows, 4, 2, 2, members), ERR_OK); /* all equal */
	assert_int_not_equal(members[0], members[1]);

	float zero[2] = {3, 4};
	const float centre[2] = {3, 4};
	medoids_normalise(zero, 1, 2, centre);
	assert_true(zero[0] == 0 && zero[1] == 0);
}

static void quotas(void **state)
{
	(void)state;
	size_t sum = 0;
	for (size_t k = 0; k < 7; k++)
		sum += medoids_quota(100, 7, k);
	assert_int_equal(sum, 100);
	assert_int_equal(medoids_quota(100, 2, 0), 50);
	assert_int_equal(medoids_quota(2, 3, 2), 0);
	assert_int_equal(medoids_candidate_count(3000, 50), 300);
	assert_int_equal(medoids_candidate_count(1000, 50), 150);
	assert_int_equal(medoids_candidate_count(40, 50), 40);
	assert_int_equal(medoids_candidate_count(10000000, 50), MEDOIDS_CANDIDATES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_good_as_pam),
	    cmocka_unit_test(clusters_get_one_each),
	    cmocka_unit_test(degenerate),
	    cmocka_unit_test(quotas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
