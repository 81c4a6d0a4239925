/* libs: freeal-annotator-lib */
/* Questions waiting for kept replies: each is answered once, in order, whatever is lost. */
#include "annotator/recall.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUESTIONS 600

struct fixture {
	struct recall recall;
	int numbers[QUESTIONS]; /* cookies */
	int told[QUESTIONS];	/* how often */
	int kept[QUESTIONS];	/* of these, with a body */
	int last;		/* told */
	int push;		/* another one when one is told; -1: none */
	ProtobufCBinaryData keys[RECALL_KEYS_MAX];
};

static struct key key_of(int number)
{
	return key_make("/q", (uint32_t)number, "", 0);
}

static void push(struct fixture *f, int number)
{
	struct key key = key_of(number);
	f->numbers[number] = number;
	assert_int_equal(recall_push(&f->recall, &key, &f->numbers[number]), ERR_OK);
}

static void known(void *context, void *cookie, const void *body, size_t size)
{
	struct fixture *f = context;
	int number = *(int *)cookie;
	f->told[number]++;
	f->kept[number] += body != NULL;
	assert_int_equal(size, body ? 1 : 0);
	assert_true(number > f->last);
	f->last = number;
	if (f->push >= 0) {
		int other = f->push;
		f->push = -1;
		push(f, other);
	}
}

/* The coordinator's answer to the last batch, of its first `count` keys; every third is kept. */
static void answer(struct fixture *f, size_t count)
{
	Freeal__KeptReply replies[RECALL_KEYS_MAX], *list[RECALL_KEYS_MAX];
	Freeal__Recalled recalled = FREEAL__RECALLED__INIT;
	for (size_t i = 0; i < count; i++) {
		freeal__kept_reply__init(&replies[i]);
		replies[i].key = f->keys[i];
		if (i % 3 == 0)
			replies[i].body = (ProtobufCBinaryData){1, (uint8_t *)"x"};
		list[i] = &replies[i];
	}
	recalled.replies = list;
	recalled.n_replies = count;
	recall_take(&f->recall, &recalled, known, f);
}

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->last = -1;
	f->push = -1;
	*state = f;
	return 0;
}

static int fixture_free(void **state)
{
	struct fixture *f = *state;
	recall_done(&f->recall);
	free(f);
	return 0;
}

static void recall_asks_in_batches_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 0);
	for (int i = 0; i < QUESTIONS; i++)
		push(f, i);
	size_t left = QUESTIONS;
	for (uint64_t now_ms = 1; left > 0; now_ms++) {
		size_t n = recall_batch(&f->recall, now_ms, f->keys);
		assert_int_equal(n, left < RECALL_KEYS_MAX ? left : RECALL_KEYS_MAX);
		ProtobufCBinaryData other[RECALL_KEYS_MAX];
		assert_int_equal(recall_batch(&f->recall, now_ms, other), 0);
		answer(f, n);
		left -= n;
	}
	for (int i = 0; i < QUESTIONS; i++) {
		assert_int_equal(f->told[i], 1);
		assert_int_equal(f->kept[i], i % RECALL_KEYS_MAX % 3 == 0);
	}
	assert_null(recall_find(&f->recall, NULL, NULL));
	assert_int_equal(f->recall.count, 0);
}

static void recall_asks_again_what_a_short_answer_lacks(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 10; i++)
		push(f, i);
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 10);
	push(f, 10);
	answer(f, 4);
	assert_int_equal(f->last, 3);
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 7);
	struct key key = key_of(4);
	assert_memory_equal(f->keys[0].data, key.bytes, sizeof key.bytes);
	answer(f, 7);
	for (int i = 0; i <= 10; i++)
		assert_int_equal(f->told[i], 1);
}

static void recall_asks_again_after_a_loss(void **state)
{
	struct fixture *f = *state;
	push(f, 0);
	push(f, 1);
	assert_int_equal(recall_batch(&f->recall, 100, f->keys), 2);
	assert_int_equal(recall_batch(&f->recall, 101, f->keys), 0);
	recall_again(&f->recall); /* another connection */
	assert_int_equal(recall_batch(&f->recall, 102, f->keys), 2);
	assert_int_equal(recall_batch(&f->recall, 5000, f->keys), 0);
	assert_int_equal(recall_batch(&f->recall, 60000, f->keys), 2); /* by time */
	answer(f, 2);
	answer(f, 2); /* the other answer comes, too */
	assert_int_equal(f->told[0], 1);
	assert_int_equal(f->told[1], 1);
}

static void recall_passes_over_a_stale_answer(void **state)
{
	struct fixture *f = *state;
	push(f, 0);
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 1);
	answer(f, 1);
	push(f, 1);
	ProtobufCBinaryData other[RECALL_KEYS_MAX];
	assert_int_equal(recall_batch(&f->recall, 1, other), 1);
	struct key key = key_of(0); /* what the first answer named */
	f->keys[0].data = key.bytes;
	answer(f, 1);
	assert_int_equal(f->told[1], 0);
	assert_int_equal(f->recall.count, 1);
}

static bool is_number(const void *cookie, const void *what)
{
	return *(const int *)cookie == *(const int *)what;
}

static void recall_forgets_what_is_cancelled(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 4; i++)
		push(f, i);
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 4);
	for (int i = 4; i < 7; i++)
		push(f, i);
	assert_true(recall_remove(&f->recall, &f->numbers[1])); /* under way */
	assert_true(recall_remove(&f->recall, &f->numbers[6])); /* the last that waits */
	assert_true(recall_remove(&f->recall, &f->numbers[4]));
	assert_false(recall_remove(&f->recall, &f->numbers[4]));
	push(f, 8);
	assert_int_equal(f->recall.count, 5);
	assert_null(recall_find(&f->recall, is_number, &f->numbers[4]));
	assert_ptr_equal(recall_find(&f->recall, is_number, &f->numbers[5]), &f->numbers[5]);
	answer(f, 2); /* short: 2 and 3 are asked again, 1 is gone */
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 4);
	answer(f, 4);
	const int told[9] = {1, 0, 1, 1, 0, 1, 0, 0, 1};
	for (int i = 0; i < 9; i++)
		assert_int_equal(f->told[i], told[i]);
	assert_int_equal(f->recall.count, 0);
}

static void recall_takes_new_ones_while_it_tells(void **state)
{
	struct fixture *f = *state;
	push(f, 0);
	f->push = 1;
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 1);
	answer(f, 1);
	assert_ptr_equal(recall_find(&f->recall, NULL, NULL), &f->numbers[1]);
	assert_int_equal(recall_batch(&f->recall, 1, f->keys), 1);
	answer(f, 1);
	assert_int_equal(f->told[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(recall_asks_in_batches_one_at_a_time, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(recall_asks_again_what_a_short_answer_lacks,
					    fixture_make, fixture_free),
	    cmocka_unit_test_setup_teardown(recall_asks_again_after_a_loss, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(recall_passes_over_a_stale_answer, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(recall_forgets_what_is_cancelled, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(recall_takes_new_ones_while_it_tells, fixture_make,
					    fixture_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
