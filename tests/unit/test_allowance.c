/* libs: freeal-coordinator-lib */
/* The allowance of all request bodies: who waits, who is let in, who never can be. */
#include "coordinator/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_is_taken_is_not_free(void **state)
{
	(void)state;
	struct allowance a;
	allowance_init(&a, 100);
	assert_int_equal(allowance_take(&a, 101, 0), ERR_LIMIT);
	assert_int_equal(allowance_take(&a, SIZE_MAX, 0), ERR_LIMIT);
	assert_int_equal(allowance_take(&a, 60, 0), ERR_OK);
	assert_int_equal(allowance_take(&a, 40, 0), ERR_OK);
	assert_int_equal(allowance_take(&a, 0, 0), ERR_OK);
	assert_int_equal(allowance_take(&a, 1, 5), ERR_AGAIN);
	allowance_return(&a, 40);
	assert_int_equal(allowance_take(&a, 41, 0), ERR_AGAIN);
	assert_int_equal(allowance_take(&a, 40, 0), ERR_OK);
	allowance_done(&a);
}

struct waiter {
	struct allowance *allowance;
	pthread_t thread;
	enum err result;
};

static void *waiter_run(void *context)
{
	struct waiter *w = context;
	w->result = allowance_take(w->allowance, 60, 60000);
	if (!w->result)
		allowance_return(w->allowance, 60);
	return NULL;
}

/* Many want more than there is: all get it, one after the other. */
static void who_waits_is_let_in_later(void **state)
{
	(void)state;
	struct allowance a;
	struct waiter waiters[20];
	allowance_init(&a, 100);
	assert_int_equal(allowance_take(&a, 60, 0), ERR_OK);
	for (size_t i = 0; i < 20; i++) {
		waiters[i] = (struct waiter){.allowance = &a, .result = ERR_IO};
		assert_int_equal(pthread_create(&waiters[i].thread, NULL, waiter_run, &waiters[i]),
				 0);
	}
	allowance_return(&a, 60);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
		assert_int_equal(waiters[i].result, ERR_OK);
	}
	assert_int_equal(allowance_take(&a, 100, 0), ERR_OK);
	allowance_done(&a);
}

static void nobody_waits_once_it_is_closed(void **state)
{
	(void)state;
	struct allowance a;
	struct waiter w = {.allowance = &a, .result = ERR_IO};
	allowance_init(&a, 100);
	assert_int_equal(allowance_take(&a, 60, 0), ERR_OK);
	assert_int_equal(pthread_create(&w.thread, NULL, waiter_run, &w), 0);
	allowance_close(&a);
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	assert_int_equal(w.result, ERR_AGAIN);
	allowance_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_taken_is_not_free),
	    cmocka_unit_test(who_waits_is_let_in_later),
	    cmocka_unit_test(nobody_waits_once_it_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
