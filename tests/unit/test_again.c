/* libs: freeal-coordinator-lib */
/* Who is asked again, from one process to the next. */
#include "coordinator/again.h"

#include "coordinator/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void comes_back_as_it_was(void **state)
{
	(void)state;
	char dir[] = "/tmp/freeal-again-XXXXXX", command[64];
	struct store *store;
	struct store_txn *t;
	struct again *a;
	struct err_msg msg;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(tables_open(dir, &store, &msg), ERR_OK);
	assert_int_equal(store_begin(store, true, &t), ERR_OK);
	assert_int_equal(again_get(t, &a), ERR_NOT_FOUND);
	for (uint64_t count = 1; count < 20; count++) {
		a = again_new(count);
		for (uint64_t i = 0; i < count; i += 3)
			again_add(a, i);
		assert_int_equal(again_put(a, t), ERR_OK);
		again_free(a);
		assert_int_equal(again_get(t, &a), ERR_OK);
		for (uint64_t i = 0; i < count; i++)
			assert_int_equal(again_has(a, i), i % 3 == 0);
		for (uint64_t i = count; i < 40; i++)
			assert_false(again_has(a, i)); /* newcomers */
		again_free(a);
	}
	assert_int_equal(store_put(t, TABLE_META, "again", 5, "123456789", 9), ERR_OK);
	assert_int_equal(again_get(t, &a), ERR_CORRUPT);
	store_abort(t);
	store_close(store);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_back_as_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
