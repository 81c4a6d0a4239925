/* libs: freeal-coordinator-lib */
/* A late answer counts once, however often it is sent. */
#include "coordinator/late.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void each_lease_comes_first_once(void **state)
{
	(void)state;
	static struct late l;
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	for (uint32_t i = 0; i < LATE_COUNT_MAX / 2; i++) {
		name.item = i;
		assert_true(late_first(&l, &name, 1));
		assert_false(late_first(&l, &name, 1));
		assert_true(late_first(&l, &name, 2));
	}
	name.item = 0;
	assert_false(late_first(&l, &name, 2));
	name.round = 1;
	assert_true(late_first(&l, &name, 2)); /* in the place of the oldest */
	name.round = 0;
	assert_true(late_first(&l, &name, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_lease_comes_first_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
