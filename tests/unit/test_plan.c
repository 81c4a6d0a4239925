/* libs: freeal-trainer-lib */
/* What the task file's model asks for is what the encoder's trainings get. */
#include "trainer/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static Freeal__Model model(void)
{
	Freeal__Model m = FREEAL__MODEL__INIT;
	m.type = (char *)"encoder";
	m.recipe = (char *)"default";
	m.precision = (char *)"auto";
	m.path = (char *)"/nowhere/at/all";
	m.tokens = 64;
	m.views = PLAN_VIEW_NGRAM;
	return m;
}

static void test_the_recipes_own_values(void **state)
{
	(void)state;
	Freeal__Model m = model();
	struct tune_config own = tune_config_default(), plan = plan_final(&m, 5);
	own.robust.seed = 5;
	assert_memory_equal(&plan, &own, sizeof own);
	assert_int_equal(tune_epochs(&plan, 8662, 2), 3);
	assert_int_equal(tune_epochs(&plan, 2500, 10), 5);
	m.recipe = (char *)"paper";
	own = tune_config_paper();
	plan = plan_final(&m, 5);
	assert_true(plan.paper);
	assert_int_equal(plan.epochs, own.epochs);
	assert_int_equal(tune_epochs(&plan, 100, 10), own.epochs);
	assert_int_equal(plan_fold(&m, 6).epochs, 1);
	m.recipe = (char *)"default";
	plan = plan_fold(&m, 6);
	assert_int_equal(plan.epochs, 0);
	assert_int_equal(tune_epochs(&plan, 8662 / 2, 2), 1);
	assert_int_equal(tune_epochs(&plan, 2500 / 2, 10), 9);
	assert_int_equal(plan.robust.seed, 6);
	struct encoder_options options = plan_options(&m, 3);
	assert_int_equal(options.precision, -1);
	assert_int_equal(options.tokens_max, 64);
	assert_int_equal(options.thread_count, 3);
}

static void test_values_of_the_task_file(void **state)
{
	(void)state;
	Freeal__Model m = model();
	m.epochs = 7;
	m.batch = 9;
	m.rate = 0.25;
	m.freeze = 2;
	m.precision = (char *)"fp32";
	m.mixup = FREEAL__CHOICE__OFF;
	m.consistency = FREEAL__CHOICE__ON;
	m.second_views = 3;
	struct tune_config plan = plan_final(&m, 1);
	assert_int_equal(plan.epochs, 7);
	assert_int_equal(tune_epochs(&plan, 100, 10), 7);
	assert_int_equal(plan.batch_rows, 9);
	assert_true(plan.rate == 0.25);
	assert_false(plan.mixup);
	assert_true(plan.consistency);
	assert_int_equal(plan.views, TUNE_VIEWS_ALL);
	m.mixup = FREEAL__CHOICE__ON;
	m.consistency = FREEAL__CHOICE__OFF;
	m.second_views = 1;
	plan = plan_final(&m, 1);
	assert_true(plan.mixup);
	assert_false(plan.consistency);
	assert_int_equal(plan.views, TUNE_VIEWS_NONE);
	m.second_views = 2;
	assert_int_equal(plan_final(&m, 1).views, TUNE_VIEWS_NOISY);
	plan = plan_fold(&m, 1);
	assert_int_equal(plan.batch_rows, 9);
	assert_true(plan.rate == 0.25);
	assert_int_equal(plan.epochs, 1);
	assert_int_equal(plan_options(&m, 1).precision, PRECISION_FP32);
	assert_int_equal(plan_options(&m, 1).frozen, 2);
	m.precision = (char *)"bf16";
	assert_int_equal(plan_options(&m, 1).precision, PRECISION_BF16);
}

static void test_what_can_not_be_trained_is_told(void **state)
{
	(void)state;
	Freeal__Model m = model();
	Freeal__Project project = FREEAL__PROJECT__INIT;
	struct err_msg msg;
	project.n_labels = 2;
	assert_int_equal(plan_check(&project, 1, &msg), ERR_OK);
	project.model = &m;
	assert_int_not_equal(plan_check(&project, 1, &msg), ERR_OK);
	assert_non_null(strstr(msg.text, "/nowhere/at/all"));
	m.type = (char *)"ngram";
	assert_int_equal(plan_check(&project, 1, &msg), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_recipes_own_values),
	    cmocka_unit_test(test_values_of_the_task_file),
	    cmocka_unit_test(test_what_can_not_be_trained_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
