/* libs: freeal-trainer-lib m */
/* Against scikit-learn (tests/golden/make_linear.py), and what has no two classes. */
#include "trainer/encoder/linear.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/linear.inc"

enum {
	ROWS = sizeof LABELS / sizeof LABELS[0],
	COLUMNS = sizeof VECTORS[0] / sizeof VECTORS[0][0],
	HELD_OUT = sizeof PROBS_3 / sizeof PROBS_3[0],
	FOLD = 1,
};

static struct linear_config exact_config(size_t thread_count)
{
	struct linear_config config = linear_config_default();
	config.inverse_penalty = 0.5;
	config.iterations_max = 500;
	config.tolerance = 1e-6;
	config.thread_count = thread_count;
	return config;
}

static void fold_probs(const int32_t *labels, size_t class_count, size_t thread_count, float *ret)
{
	struct linear_config config = exact_config(thread_count);
	struct err_msg msg;
	assert_int_equal(linear_fold_train(VECTORS[0], COLUMNS, labels, FOLD_OF, ROWS, FOLD,
					   class_count, &config, NULL, ret, &msg),
			 ERR_OK);
}

static void test_three_classes_as_scikit_learn(void **state)
{
	(void)state;
	float probs[HELD_OUT][3];
	fold_probs(LABELS, 3, 1, probs[0]);
	for (size_t i = 0; i < HELD_OUT; i++)
		for (size_t j = 0; j < 3; j++)
			assert_true(fabs(probs[i][j] - PROBS_3[i][j]) < 1e-3);
}

static void test_two_classes_as_scikit_learn(void **state)
{
	(void)state;
	int32_t labels[ROWS];
	float probs[HELD_OUT][2];
	for (size_t i = 0; i < ROWS; i++)
		labels[i] = LABELS[i] > 1 ? 1 : LABELS[i];
	fold_probs(labels, 2, 1, probs[0]);
	for (size_t i = 0; i < HELD_OUT; i++)
		for (size_t j = 0; j < 2; j++)
			assert_true(fabs(probs[i][j] - PROBS_2[i][j]) < 1e-3);
}

static void test_threads_and_own_labels_change_nothing(void **state)
{
	(void)state;
	int32_t labels[ROWS];
	float one[HELD_OUT][3], three[HELD_OUT][3];
	for (size_t i = 0; i < ROWS; i++)
		labels[i] = FOLD_OF[i] == FOLD ? (LABELS[i] + 2) % 3 : LABELS[i];
	fold_probs(LABELS, 3, 1, one[0]);
	fold_probs(labels, 3, 3, three[0]);
	assert_memory_equal(one, three, sizeof one);
}

/* A class between the others that no label names: the rest as if it weren't there. */
static void test_a_class_without_rows_gets_nothing(void **state)
{
	(void)state;
	int32_t labels[ROWS];
	float three[HELD_OUT][3], four[HELD_OUT][4];
	for (size_t i = 0; i < ROWS; i++)
		labels[i] = LABELS[i] > 0 ? LABELS[i] + 1 : LABELS[i];
	fold_probs(LABELS, 3, 1, three[0]);
	fold_probs(labels, 4, 1, four[0]);
	for (size_t i = 0; i < HELD_OUT; i++) {
		assert_true(four[i][1] == 0.0f);
		assert_true(four[i][0] == three[i][0] && four[i][2] == three[i][1]);
		assert_true(four[i][3] == three[i][2]);
	}
}

static void test_without_two_classes(void **state)
{
	(void)state;
	int32_t labels[ROWS];
	float probs[HELD_OUT][3];
	for (size_t i = 0; i < ROWS; i++)
		labels[i] = -1;
	fold_probs(labels, 3, 1, probs[0]);
	assert_true(probs[0][0] == 1.0f / 3 && probs[HELD_OUT - 1][2] == 1.0f / 3);
	for (size_t i = 0; i < ROWS; i++)
		labels[i] = i % 2 ? 2 : -1;
	fold_probs(labels, 3, 1, probs[0]);
	assert_true(probs[0][2] == 1.0f && probs[HELD_OUT - 1][0] == 0.0f);
}

static void test_a_cancel_stops_it(void **state)
{
	(void)state;
	struct linear_config config = exact_config(1);
	atomic_bool cancel = true;
	struct progress progress = {.cancel = &cancel};
	struct err_msg msg;
	float probs[HELD_OUT][3];
	assert_int_equal(linear_fold_train(VECTORS[0], COLUMNS, LABELS, FOLD_OF, ROWS, FOLD, 3,
					   &config, &progress, probs[0], &msg),
			 ERR_CANCELLED);
	assert_non_null(strstr(msg.text, "cancelled"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_three_classes_as_scikit_learn),
	    cmocka_unit_test(test_two_classes_as_scikit_learn),
	    cmocka_unit_test(test_threads_and_own_labels_change_nothing),
	    cmocka_unit_test(test_a_class_without_rows_gets_nothing),
	    cmocka_unit_test(test_without_two_classes),
	    cmocka_unit_test(test_a_cancel_stops_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
