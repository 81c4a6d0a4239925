/* libs: base */
/* The job thread: chunks in order through a queue that is shorter, the end behind them, and
 * being stopped while it waits for room. */
#include "base/runner.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHUNK_COUNT 100
#define STOP_MS 5000

struct fixture {
	struct runner *runner;
	atomic_bool cancel;
};

static enum err chunks_put(void *job, void *context)
{
	struct fixture *f = context;
	struct err_msg msg;
	enum err e = ERR_OK;
	assert_ptr_equal(job, f);
	for (uint32_t i = 0; !e && i < CHUNK_COUNT; i++)
		e = runner_put(f->runner, &i, sizeof i, &msg);
	return e;
}

static int setup(void **state)
{
	static struct fixture f;
	struct err_msg msg;
	f = (struct fixture){0};
	*state = &f;
	return runner_new(chunks_put, &f, &f.runner, &msg) != ERR_OK;
}

static struct runner_item item_wait(struct runner *r)
{
	struct runner_item item;
	while (!runner_take(r, &item)) {
		struct pollfd wait = {.fd = runner_fd(r), .events = POLLIN};
		assert_int_equal(poll(&wait, 1, STOP_MS), 1);
	}
	return item;
}

static void test_order(void **state)
{
	struct fixture *f = *state;
	for (int job = 0; job < 2; job++) {
		struct runner_item item;
		assert_true(runner_idle(f->runner));
		runner_start(f->runner, f, &f->cancel);
		for (uint32_t i = 0; i < CHUNK_COUNT; i++) {
			item = item_wait(f->runner);
			assert_non_null(item.data);
			assert_int_equal(item.size, sizeof i);
			assert_memory_equal(item.data, &i, sizeof i);
			assert_int_equal(item.seq, i);
			free(item.data);
			assert_false(runner_idle(f->runner));
		}
		item = item_wait(f->runner);
		assert_null(item.data);
		assert_ptr_equal(item.job, f);
		assert_int_equal(item.error, ERR_OK);
		assert_int_equal(item.seq, CHUNK_COUNT);
	}
	assert_true(runner_idle(f->runner));
	assert_false(runner_take(f->runner, &(struct runner_item){0}));
	assert_true(runner_free(f->runner, STOP_MS));
	assert_false(atomic_load(&f->cancel));
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	runner_start(f->runner, f, &f->cancel);
	struct runner_item item = item_wait(f->runner);
	atomic_store(&f->cancel, true);
	while (item.data) {
		free(item.data);
		item = item_wait(f->runner);
	}
	assert_in_set(item.error, ((uintmax_t[]){ERR_OK, ERR_CANCELLED}), 2);
	assert_true(runner_idle(f->runner));
	assert_true(runner_free(f->runner, STOP_MS));
}

/* Nobody takes what it put: it waits for room until it is stopped. */
static void test_stop(void **state)
{
	struct fixture *f = *state;
	runner_start(f->runner, f, &f->cancel);
	struct runner_item item = item_wait(f->runner);
	free(item.data);
	assert_true(runner_free(f->runner, STOP_MS));
	assert_true(atomic_load(&f->cancel));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_order, setup),
	    cmocka_unit_test_setup(test_cancel, setup),
	    cmocka_unit_test_setup(test_stop, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
