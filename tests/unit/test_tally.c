/* libs: freeal-coordinator-lib */
/* The report's counts against values from scikit-learn (make_tally.py). */
#include "coordinator/tally.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* tally.txt: a line of expected values, then gold, label and confidence of each sample. */
static void agrees_with_scikit_learn(void **state)
{
	(void)state;
	FILE *f = fopen(FIXTURES "/tally.txt", "r");
	double accuracy, macro_f1, calibration, confidence;
	int gold, label;
	struct tally t;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lf %lf %lf", &accuracy, &macro_f1, &calibration), 3);
	assert_int_equal(tally_init(&t, 4), ERR_OK);
	while (fscanf(f, "%d %d %lf", &gold, &label, &confidence) == 3) {
		struct view_row row = {.gold = gold, .llm_first = -1, .predicted = label};
		row.label.class_id = label;
		row.label.llm_class_id = label;
		row.label.source = FREEAL__LABEL_SOURCE__LLM;
		row.label.confidence = (float)confidence;
		tally_add(&t, &row);
	}
	fclose(f);
	assert_int_equal(t.gold_samples, 300);
	assert_true(fabs(tally_share_of(&t.final) - accuracy) < 1e-9);
	assert_true(fabs(tally_macro_f1(&t) - macro_f1) < 1e-9);
	assert_true(fabs(tally_calibration_error(&t) - calibration) < 1e-6);
	assert_int_equal(t.agreed, 300);
	tally_done(&t);
}

static void counts_fills_and_flips(void **state)
{
	(void)state;
	struct tally t;
	assert_int_equal(tally_init(&t, 2), ERR_OK);
	struct view_row filled = {.gold = 1, .llm_first = -1, .predicted = -1};
	filled.label = (struct label_resolved){
	    .class_id = 1, .llm_class_id = -1, .asked = true, .source = FREEAL__LABEL_SOURCE__SLM};
	struct view_row broken = {.gold = 0, .llm_first = 0, .predicted = -1};
	broken.label = (struct label_resolved){
	    .class_id = 1, .llm_class_id = 0, .asked = true, .source = FREEAL__LABEL_SOURCE__SLM};
	tally_add(&t, &filled);
	tally_add(&t, &broken);
	assert_int_equal(t.filled.samples, 1);
	assert_int_equal(t.filled.correct, 1);
	assert_int_equal(t.broken, 1);
	assert_int_equal(t.mended, 0);
	assert_int_equal(t.set_aside, 1);
	assert_int_equal(t.llm.correct, 1);
	tally_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_scikit_learn),
	    cmocka_unit_test(counts_fills_and_flips),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
