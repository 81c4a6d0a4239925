/* libs: base */
/* Limits of control groups, and that there is one at all. */
#include "base/memory.h"

#include "base/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void quotas_are_read(void **state)
{
	(void)state;
	assert_int_equal(memory_quota("max\n"), 0);
	assert_int_equal(memory_quota(""), 0);
	assert_int_equal(memory_quota("1073741824\n"), 1u << 30);
	assert_true(memory_quota("9223372036854771712\n") == 9223372036854771712u);
}

static void there_is_a_limit(void **state)
{
	(void)state;
	assert_in_range(memory_limit(), 1u << 24, (uint64_t)1 << 50);
}

static void files_are_cut_and_may_be_missing(void **state)
{
	(void)state;
	char text[5] = "full";
	cgroup_read("/nowhere/at/all", text, sizeof text);
	assert_string_equal(text, "");
	cgroup_read("/proc/self/cmdline", text, sizeof text);
	assert_in_range(text[0], 1, 127);
	assert_int_equal(text[4], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quotas_are_read),
	    cmocka_unit_test(there_is_a_limit),
	    cmocka_unit_test(files_are_cut_and_may_be_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
