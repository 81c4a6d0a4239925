/* libs: freeal-coordinator-lib */
/* Leases end when they should and not before, whatever is renewed in between. */
#include "coordinator/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expires_at_its_time(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(100);
	struct lease ended;
	assert_int_equal(lease_next_ms(t), UINT64_MAX);
	assert_int_equal(lease_add(t, 7, 2, 0, 3, 1000), ERR_OK);
	assert_int_equal(lease_next_ms(t), 1100);
	assert_false(lease_expire(t, 1099, &ended));
	assert_true(lease_expire(t, 1100, &ended));
	assert_int_equal(ended.index, 7);
	assert_int_equal(ended.attempt, 2);
	assert_int_equal(ended.peer, 3);
	assert_null(lease_find(t, 7));
	assert_int_equal(lease_count(t), 0);
	lease_table_free(t);
}

static void renewal_moves_end_and_holder(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(100);
	struct lease ended;
	assert_int_equal(lease_add(t, 1, 1, 0, 0, 0), ERR_OK);
	assert_int_equal(lease_add(t, 2, 1, 0, 0, 10), ERR_OK);
	lease_renew(t, 1, 5, 50);
	assert_int_equal(lease_count_of(t, 0), 1);
	assert_int_equal(lease_count_of(t, 5), 1);
	assert_true(lease_expire(t, 120, &ended));
	assert_int_equal(ended.index, 2);
	assert_false(lease_expire(t, 149, &ended));
	assert_true(lease_expire(t, 150, &ended));
	assert_int_equal(ended.index, 1);
	lease_table_free(t);
}

static void leases_of_one_who_is_gone_run_out_as_nobodys(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(100);
	struct lease ended;
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(lease_add(t, i, 1, 0, (uint32_t)(i % 2), i), ERR_OK);
	lease_orphan(t, 1);
	assert_int_equal(lease_count_of(t, 0), 2);
	assert_int_equal(lease_count_of(t, 1), 0);
	assert_int_equal(lease_count_of(t, LEASE_NOBODY), 2);
	lease_renew(t, 1, 7, 50); /* it is back, as another */
	assert_int_equal(lease_count_of(t, 7), 1);
	assert_true(lease_expire(t, 103, &ended));
	assert_int_equal(ended.index, 0);
	assert_true(lease_expire(t, 103, &ended));
	assert_true(lease_expire(t, 103, &ended));
	assert_int_equal(ended.index, 3);
	assert_int_equal(ended.peer, LEASE_NOBODY);
	assert_int_equal(lease_count_of(t, LEASE_NOBODY), 0);
	lease_table_free(t);
}

static void all_leases_of_a_peer_can_be_taken_back(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(100);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(lease_add(t, i, 2, 0, (uint32_t)(i % 2), 0), ERR_OK);
	for (uint64_t i = 1; i < 6; i += 2) {
		assert_non_null(lease_of(t, 1));
		assert_int_equal(lease_of(t, 1)->index, i);
		assert_int_equal(lease_of(t, 1)->attempt, 2);
		lease_remove(t, i);
	}
	assert_null(lease_of(t, 1));
	assert_int_equal(lease_count(t), 3);
	lease_table_free(t);
}

static void extended_leases_end_later_in_the_same_order(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(100);
	struct lease ended;
	assert_int_equal(lease_add(t, 1, 1, 0, 0, 0), ERR_OK);
	lease_extend(t, 1000);
	assert_int_equal(lease_add(t, 2, 1, 0, 0, 1000), ERR_OK);
	assert_false(lease_expire(t, 1099, &ended));
	assert_true(lease_expire(t, 1100, &ended));
	assert_int_equal(ended.index, 1);
	assert_true(lease_expire(t, 1100, &ended));
	assert_int_equal(ended.index, 2);
	lease_table_free(t);
}

static void many_leases_in_one_bucket_keep_apart(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(10);
	for (uint64_t i = 0; i < 50000; i++)
		assert_int_equal(lease_add(t, i, 1, 0, (uint32_t)(i % 3), i), ERR_OK);
	for (uint64_t i = 0; i < 50000; i += 2)
		lease_remove(t, i);
	assert_int_equal(lease_count(t), 25000);
	assert_null(lease_find(t, 2));
	assert_int_equal(lease_find(t, 3)->index, 3);
	lease_table_clear(t);
	assert_int_equal(lease_count(t), 0);
	assert_int_equal(lease_count_of(t, 1), 0);
	lease_table_free(t);
}

/* E4: what workers were lost with is leased in small groups, then alone. */
static void suspects_are_leased_apart(void **state)
{
	(void)state;
	struct lease_table *t = lease_table_new(100);
	uint64_t no = 0;
	assert_int_equal(lease_add(t, no++, 1, 0, 0, 0), ERR_OK);
	assert_int_equal(lease_losses_max(t, 0), UINT32_MAX); /* innocent ones weigh nothing */
	for (uint32_t i = 0; i < LEASE_SUSPECTS_MAX; i++) {
		assert_true(lease_losses_max(t, 0) >= 1);
		assert_int_equal(lease_add(t, no++, 2, 1, 0, 0), ERR_OK);
		assert_true(lease_losses_max(t, 0) <= 1);
	}
	assert_int_equal(lease_losses_max(t, 0), 0);
	assert_int_equal(lease_add(t, no, 3, 2, 1, 0), ERR_OK);
	assert_int_equal(lease_losses_max(t, 1), 0);
	lease_renew(t, no, 2, 1); /* it moves with its lease */
	assert_int_equal(lease_losses_max(t, 1), UINT32_MAX);
	assert_int_equal(lease_losses_max(t, 2), 0);
	lease_orphan(t, 2);
	assert_int_equal(lease_losses_max(t, 2), UINT32_MAX);
	assert_int_equal(lease_find(t, no)->losses, 2);
	lease_remove(t, 1);
	assert_int_equal(lease_losses_max(t, 0), 1);
	lease_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expires_at_its_time),
	    cmocka_unit_test(renewal_moves_end_and_holder),
	    cmocka_unit_test(leases_of_one_who_is_gone_run_out_as_nobodys),
	    cmocka_unit_test(all_leases_of_a_peer_can_be_taken_back),
	    cmocka_unit_test(extended_leases_end_later_in_the_same_order),
	    cmocka_unit_test(suspects_are_leased_apart),
	    cmocka_unit_test(many_leases_in_one_bucket_keep_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
