/* libs: base */
#include "base/processors.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_quota(void **state)
{
	(void)state;
	assert_int_equal(processors_quota("max 100000\n"), 0);
	assert_int_equal(processors_quota("200000 100000\n"), 2);
	assert_int_equal(processors_quota("150000 100000\n"), 2);
	assert_int_equal(processors_quota("50000 100000\n"), 1);
	assert_int_equal(processors_quota("100000 0\n"), 0);
	assert_int_equal(processors_quota(""), 0);
	assert_int_equal(processors_quota("9223372036854775807 100\n"), 0);
}

/* A process that may run on one processor has one. */
static void test_affinity(void **state)
{
	(void)state;
	cpu_set_t all, one;
	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	assert_in_range(processors_available(), 1, CPU_COUNT(&all));
	CPU_ZERO(&one);
	int cpu = 0;
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(processors_available(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_quota),
	    cmocka_unit_test(test_affinity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
