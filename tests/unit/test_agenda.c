/* libs: freeal-coordinator-lib */
/* What an agenda hands out, in which order, and what it counts. */
#include "coordinator/agenda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void hands_out_in_order_and_once(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(3);
	uint64_t index;
	uint32_t attempt;
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(agenda_next(a, &index, &attempt));
		assert_int_equal(index, i);
		assert_int_equal(attempt, 1);
	}
	assert_false(agenda_next(a, &index, &attempt));
	agenda_free(a);
}

static void returned_items_come_first_with_the_next_attempt(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(4);
	uint64_t index;
	uint32_t attempt;
	assert_true(agenda_next(a, &index, &attempt));
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(agenda_return(a, 0, 1), ERR_OK);
	assert_int_equal(agenda_return(a, 0, 1), ERR_OK); /* twice changes nothing */
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(index, 0);
	assert_int_equal(attempt, 2);
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(index, 2);
	agenda_free(a);
}

static void settles_once_even_while_returned(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(2);
	uint64_t index;
	uint32_t attempt;
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(agenda_return(a, index, attempt), ERR_OK);
	assert_true(agenda_settle(a, 0));
	assert_false(agenda_settle(a, 0));
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(index, 1);
	assert_int_equal(agenda_settled(a), 1);
	assert_int_equal(agenda_count(a), 2);
	agenda_free(a);
}

static void excluded_items_do_not_count(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(3);
	uint64_t index;
	uint32_t attempt;
	agenda_exclude(a, 1);
	assert_int_equal(agenda_count(a), 2);
	assert_false(agenda_settle(a, 1));
	assert_true(agenda_is_settled(a, 1)); /* a late result for it changes nothing */
	assert_false(agenda_is_settled(a, 0));
	assert_true(agenda_next(a, &index, &attempt));
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(index, 2);
	agenda_free(a);
}

static void items_known_to_be_out_are_not_handed_out(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(2);
	uint64_t index;
	uint32_t attempt;
	agenda_take_out(a, 0);
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(index, 1);
	assert_int_equal(agenda_return(a, 0, 3), ERR_OK);
	assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(index, 0);
	assert_int_equal(attempt, 4);
	agenda_free(a);
}

/* E4: suspects wait their turn, and for one who may have them. */
static void suspects_come_apart_and_in_turn(void **state)
{
	(void)state;
	struct agenda *a = agenda_new(300);
	uint64_t index;
	uint32_t attempt, losses;
	for (uint64_t i = 0; i < 300; i++)
		assert_true(agenda_next(a, &index, &attempt));
	assert_int_equal(agenda_suspect(a, 7, 1, 1), ERR_OK);
	assert_int_equal(agenda_suspect(a, 7, 1, 1), ERR_OK); /* twice changes nothing */
	assert_int_equal(agenda_suspect(a, 3, 4, 2), ERR_OK);
	assert_false(agenda_next(a, &index, &attempt));
	assert_false(agenda_next_suspect(a, 0, &index, &attempt, &losses));
	assert_true(agenda_next_suspect(a, 1, &index, &attempt, &losses));
	assert_int_equal(index, 7);
	assert_int_equal(attempt, 2);
	assert_int_equal(losses, 1);
	assert_false(agenda_next_suspect(a, 1, &index, &attempt, &losses));
	agenda_settle(a, 3); /* its late answer came */
	assert_false(agenda_next_suspect(a, UINT32_MAX, &index, &attempt, &losses));
	for (uint64_t round = 0; round < 1000; round++) {
		for (uint64_t i = 100; i < 150; i++)
			assert_int_equal(agenda_suspect(a, i, 1, 1), ERR_OK);
		for (uint64_t i = 100; i < 150; i++) {
			assert_true(agenda_next_suspect(a, 1, &index, &attempt, &losses));
			assert_int_equal(index, i);
		}
	}
	agenda_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hands_out_in_order_and_once),
	    cmocka_unit_test(returned_items_come_first_with_the_next_attempt),
	    cmocka_unit_test(settles_once_even_while_returned),
	    cmocka_unit_test(excluded_items_do_not_count),
	    cmocka_unit_test(items_known_to_be_out_are_not_handed_out),
	    cmocka_unit_test(suspects_come_apart_and_in_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
