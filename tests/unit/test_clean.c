/* libs: freeal-selector-lib */
#include "selector/clean.h"
#include "selector/work_set.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "../golden/selector.inc"
#pragma GCC diagnostic pop

#define ROWS 240
#define CLASSES 3

/* Runs the passes in blocks of `block` rows. */
static struct clean *judge(const float *p, const int32_t *labels, size_t n, size_t classes,
			   size_t block)
{
	struct clean *c;
	struct err_msg msg;
	assert_int_equal(clean_new(n, classes, &c), ERR_OK);
	for (int pass = 0; pass < CLEAN_PASSES; pass++) {
		for (size_t i = 0; i < n; i += block) {
			size_t take = n - i < block ? n - i : block;
			assert_int_equal(clean_add(c, p + i * classes, labels + i, take, &msg),
					 ERR_OK);
		}
		assert_int_equal(clean_end(c), ERR_OK);
	}
	return c;
}

static void all_defined(const struct clean *c, size_t n, size_t classes)
{
	for (size_t i = 0; i < n; i++) {
		struct clean_row r = clean_row(c, i);
		assert_true(isfinite(r.loss) && r.loss >= 0);
		assert_true(r.clean_probability >= 0 && r.clean_probability <= 1);
		assert_true(r.confidence >= 0 && r.confidence <= 1);
		assert_true(isfinite(r.support) && r.support >= 0);
		assert_true(r.slm_label >= 0 && (size_t)r.slm_label < classes);
		assert_int_equal(r.clean, r.clean_probability > (float)CLEAN_BOUND);
		if (r.label < 0)
			assert_false(r.clean);
	}
}

static void golden(void **state)
{
	(void)state;
	struct clean *c = judge(rows_probabilities, rows_labels, ROWS, CLASSES, 64);
	all_defined(c, ROWS, CLASSES);
	for (size_t k = 0; k < CLASSES; k++)
		assert_float_equal(clean_class_correct(c, k), rows_correct[k], 1e-9);
	assert_float_equal(clean_summary(c).log_likelihood, rows_log_likelihood, 1e-6);
	assert_int_equal(clean_summary(c).labelled, ROWS - 12);
	size_t right = 0, clean = 0, all_right = 0;
	double confidence = 0;
	for (size_t i = 0; i < ROWS; i++) {
		struct clean_row r = clean_row(c, i);
		assert_int_equal(r.label, rows_labels[i]);
		if (r.label < 0)
			continue;
		confidence += r.confidence;
		all_right += r.label == rows_truth[i];
		clean += r.clean;
		right += r.clean && r.label == rows_truth[i];
	}
	assert_int_equal(clean, clean_summary(c).clean);
	/* The clean set is purer than the rest, and the confidence about the share right. */
	assert_true((double)right / (double)clean > (double)all_right / (ROWS - 12) + 0.02);
	assert_float_equal(confidence / (ROWS - 12), (double)all_right / (ROWS - 12), 0.06);
	clean_free(c);
}

static void strictly_monotone_in_the_loss(void **state)
{
	(void)state;
	struct clean *c = judge(rows_probabilities, rows_labels, ROWS, CLASSES, ROWS);
	for (size_t i = 0; i < ROWS; i++)
		for (size_t j = 0; j < ROWS; j++) {
			struct clean_row a = clean_row(c, i), b = clean_row(c, j);
			if (a.label < 0 || a.label != b.label)
				continue;
			if (a.label_probability > b.label_probability)
				assert_true(a.clean_probability > b.clean_probability);
			if (a.label_probability == b.label_probability)
				assert_true(a.clean_probability == b.clean_probability);
		}
	clean_free(c);
}

static void blocks_do_not_matter(void **state)
{
	(void)state;
	struct clean *a = judge(rows_probabilities, rows_labels, ROWS, CLASSES, ROWS);
	struct clean *b = judge(rows_probabilities, rows_labels, ROWS, CLASSES, 1);
	for (size_t i = 0; i < ROWS; i++) {
		struct clean_row x = clean_row(a, i), y = clean_row(b, i);
		assert_true(x.clean_probability == y.clean_probability);
		assert_true(x.confidence == y.confidence);
		assert_true(x.support == y.support);
	}
	clean_free(a);
	clean_free(b);
}

static void degenerate(void **state)
{
	(void)state;
	const float certain[6] = {1, 0, 1, 0, 0, 1};
	const float same[6] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
	const float zero[6] = {0};
	const float *rows[] = {certain, same, zero};
	const int32_t labels[][3] = {{0, 0, 0}, {0, 1, 1}, {-1, -1, -1}, {1, 1, 0}, {0, -1, 1}};
	for (size_t r = 0; r < 3; r++)
		for (size_t l = 0; l < 5; l++)
			for (size_t n = 0; n <= 3; n++) {
				struct clean *c = judge(rows[r], labels[l], n, 2, 2);
				all_defined(c, n, 2);
				assert_true(isfinite(clean_summary(c).log_likelihood_error));
				clean_free(c);
			}
}

static void many_equal_rows(void **state)
{
	(void)state;
	float p[400];
	int32_t labels[200];
	for (int i = 0; i < 200; i++) {
		p[2 * i] = 0.9f;
		p[2 * i + 1] = 0.1f;
		labels[i] = 0;
	}
	struct clean *c = judge(p, labels, 200, 2, 50);
	all_defined(c, 200, 2);
	assert_false(clean_summary(c).separated);
	for (size_t i = 1; i < 200; i++)
		assert_true(clean_row(c, i).clean_probability == clean_row(c, 0).clean_probability);
	clean_free(c);
}

static void bad_rows_are_refused(void **state)
{
	(void)state;
	const float bad[][2] = {{NAN, 0.5f}, {0.5f, INFINITY}, {-0.1f, 1}, {1.5f, 0}, {0.5f, 0.5f}};
	const int32_t labels[] = {0, 0, 0, 0, 2};
	for (size_t i = 0; i < 5; i++) {
		struct clean *c;
		struct err_msg msg = {""};
		assert_int_equal(clean_new(1, 2, &c), ERR_OK);
		assert_int_equal(clean_add(c, bad[i], &labels[i], 1, &msg), ERR_INVALID);
		assert_string_not_equal(msg.text, "");
		clean_free(c);
	}
}

static void least_supported_are_asked_again(void **state)
{
	(void)state;
	const float support[6] = {2, 0.1f, 1, 0.1f, 0.1f, 3};
	bool chosen[6];
	size_t count;
	assert_int_equal(work_set_choose(support, 6, 1.0 / 3, chosen, &count), ERR_OK);
	assert_int_equal(count, 2);
	const bool want[6] = {false, true, false, true, false, false};
	assert_memory_equal(chosen, want, sizeof(want));
	assert_int_equal(work_set_choose(support, 6, 1, chosen, &count), ERR_OK);
	assert_int_equal(count, 6);
	assert_int_equal(work_set_choose(support, 0, 0.4, chosen, &count), ERR_OK);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden),
	    cmocka_unit_test(strictly_monotone_in_the_loss),
	    cmocka_unit_test(blocks_do_not_matter),
	    cmocka_unit_test(degenerate),
	    cmocka_unit_test(many_equal_rows),
	    cmocka_unit_test(bad_rows_are_refused),
	    cmocka_unit_test(least_supported_are_asked_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
