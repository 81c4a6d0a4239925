/* libs: freeal-annotator-lib */
#include "annotator/queue.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ask *ask_make(uint64_t item, uint64_t due_ms)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = item;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	struct ask *a = ask_new(&work);
	assert_non_null(a);
	a->due_ms = due_ms;
	return a;
}

static void expect_pop(struct queue *q, uint64_t now_ms, uint64_t item)
{
	const struct ask *next = queue_peek(q, now_ms);
	struct ask *a = queue_pop(q, now_ms);
	assert_ptr_equal(a, next);
	assert_non_null(a);
	assert_int_equal(a->work->name->item, item);
	ask_free(a);
}

static void test_order(void **state)
{
	(void)state;
	struct queue q = {0};
	assert_null(queue_peek(&q, 0));
	assert_null(queue_pop(&q, 0));
	assert_int_equal(queue_due_ms(&q), UINT64_MAX);
	queue_push(&q, ask_make(1, 0));
	queue_push(&q, ask_make(2, 0));
	queue_push_front(&q, ask_make(3, 0));
	queue_delay(&q, ask_make(4, 500));
	queue_delay(&q, ask_make(5, 400));
	assert_int_equal(queue_count(&q), 5);
	assert_int_equal(queue_due_ms(&q), 0);
	expect_pop(&q, 100, 3);
	/* What is due goes before what came later. */
	expect_pop(&q, 450, 5);
	expect_pop(&q, 450, 1);
	expect_pop(&q, 450, 2);
	assert_null(queue_pop(&q, 450));
	assert_int_equal(queue_due_ms(&q), 500);
	queue_push(&q, ask_make(6, 0));
	expect_pop(&q, 499, 6);
	expect_pop(&q, 500, 4);
	assert_int_equal(queue_count(&q), 0);
	queue_push(&q, ask_make(7, 0));
	queue_delay(&q, ask_make(8, 500));
	queue_done(&q);
	assert_int_equal(queue_count(&q), 0);
}

/* However they were put in, delayed ones come out by the time, and each once. */
static void test_delayed_random(void **state)
{
	(void)state;
	struct rng rng = rng_make(7);
	for (int round = 0; round < 50; round++) {
		struct queue q = {0};
		bool held[300] = {false};
		uint32_t count = 0;
		for (uint64_t i = 0; i < 300; i++) {
			queue_delay(&q, ask_make(i, rng_below(&rng, 100)));
			held[i] = true;
			count++;
			if (rng_below(&rng, 4) > 0)
				continue;
			Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
			name.kind = FREEAL__WORK_KIND__ANNOTATE;
			name.item = rng_below(&rng, i + 1);
			struct ask *a = queue_remove(&q, &name);
			assert_int_equal(a != NULL, held[name.item]);
			count -= held[name.item];
			held[name.item] = false;
			ask_free(a);
			assert_int_equal(queue_count(&q), count);
		}
		uint64_t before_ms = 0;
		while (count > 0) {
			uint64_t due_ms = queue_due_ms(&q);
			assert_true(due_ms >= before_ms && due_ms < 100);
			assert_true(due_ms == 0 || !queue_peek(&q, due_ms - 1));
			struct ask *a = queue_pop(&q, due_ms);
			assert_non_null(a);
			assert_int_equal(a->due_ms, due_ms);
			assert_true(held[a->work->name->item]);
			held[a->work->name->item] = false;
			before_ms = due_ms;
			count--;
			ask_free(a);
		}
		assert_int_equal(queue_due_ms(&q), UINT64_MAX);
		queue_done(&q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_delayed_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
