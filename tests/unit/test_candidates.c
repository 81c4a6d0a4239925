/* libs: freeal-trainer-lib */
/* Candidate sets by sample. */
#include "trainer/candidates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static void sets_are_found_by_their_sample(void **state)
{
	(void)state;
	struct candidates *c;
	const uint32_t *class_ids;
	assert_int_equal(candidates_new(1000, &c), ERR_OK);
	for (uint32_t i = 3; i < 1000; i += 7) {
		uint32_t set[] = {i, i + 1, i % 5};
		assert_int_equal(candidates_add(c, i, set, 1 + i % 3), ERR_OK);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		size_t n = candidates_of(c, i, &class_ids);
		bool has = i >= 3 && (i - 3) % 7 == 0;
		assert_int_equal(n, has ? 1 + i % 3 : 0);
		if (has)
			assert_int_equal(class_ids[0], i);
	}
	assert_int_equal(candidates_count(c), 143);
	assert_int_equal(candidates_class_end(c), 998 + 1);
	candidates_free(c);
	assert_int_equal(candidates_of(NULL, 0, &class_ids), 0);
	assert_int_equal(candidates_count(NULL), 0);
}

static void the_likeliest_is_of_the_set(void **state)
{
	(void)state;
	const float probabilities[] = {0.7f, 0.2f, 0.0f, 0.1f};
	const float none[] = {1, 0, 0, 0};
	double share;
	assert_int_equal(candidates_likeliest((uint32_t[]){3, 1}, 2, probabilities, &share), 1);
	assert_true(share > 0.666 && share < 0.667);
	assert_int_equal(candidates_likeliest((uint32_t[]){2, 0, 1}, 3, probabilities, &share), 0);
	assert_true(share > 0.777 && share < 0.778);
	/* Nothing is known: the one that was named first. */
	assert_int_equal(candidates_likeliest((uint32_t[]){3, 1}, 2, none, &share), 3);
	assert_true(share == 0.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sets_are_found_by_their_sample),
	    cmocka_unit_test(the_likeliest_is_of_the_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
