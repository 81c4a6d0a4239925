/* libs: freeal-trainer-lib */
#include "trainer/encoder/parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct encoder_config BERT = {.family = ENCODER_BERT,
					   .hidden = 20,
					   .layers = 3,
					   .heads = 2,
					   .intermediate = 36,
					   .vocabulary = 50,
					   .positions = 16,
					   .types = 2};

static void test_layout(void **state)
{
	struct parameters p;
	assert_int_equal(parameters_init(&p, &BERT, 5), ERR_OK);
	assert_int_equal(p.count, 9 + 3 * 12);
	size_t end = 0;
	for (size_t i = 0; i < p.count; i++) {
		assert_int_equal(p.list[i].offset % 16, 0);
		assert_true(p.list[i].offset >= end && p.list[i].offset < end + 16);
		end = p.list[i].offset + p.list[i].rows * p.list[i].columns;
		assert_true(p.list[i].decays == (p.list[i].rows > 1));
	}
	assert_true(p.size >= end && p.size < end + 16);
	parameters_done(&p);
	assert_null(p.list);
	(void)state;
}

static void shape_check(const struct parameter *p, size_t rows, size_t columns)
{
	assert_int_equal(p->rows, rows);
	assert_int_equal(p->columns, columns);
}

static void test_order_and_shapes(void **state)
{
	struct parameters p;
	assert_int_equal(parameters_init(&p, &BERT, 5), ERR_OK);
	shape_check(parameters_single(&p, PARAMETER_WORD), 50, 20);
	shape_check(parameters_single(&p, PARAMETER_POSITION), 16, 20);
	shape_check(parameters_single(&p, PARAMETER_TYPE), 2, 20);
	shape_check(parameters_layer(&p, 1, PARAMETER_QKV_WEIGHT), 60, 20);
	shape_check(parameters_layer(&p, 1, PARAMETER_QKV_BIAS), 1, 60);
	shape_check(parameters_layer(&p, 2, PARAMETER_UP_WEIGHT), 36, 20);
	shape_check(parameters_layer(&p, 2, PARAMETER_DOWN_WEIGHT), 20, 36);
	shape_check(parameters_single(&p, PARAMETER_HEAD_DENSE_WEIGHT), 20, 20);
	shape_check(parameters_single(&p, PARAMETER_HEAD_OUT_WEIGHT), 5, 20);
	shape_check(parameters_single(&p, PARAMETER_HEAD_OUT_BIAS), 1, 5);
	assert_ptr_equal(parameters_single(&p, PARAMETER_EMBED_BETA) + 1,
			 parameters_layer(&p, 0, PARAMETER_QKV_WEIGHT));
	assert_ptr_equal(parameters_layer(&p, 2, PARAMETER_OUT_BETA) + 1,
			 parameters_single(&p, PARAMETER_HEAD_DENSE_WEIGHT));
	assert_ptr_equal(parameters_single(&p, PARAMETER_HEAD_OUT_BIAS), p.list + p.count - 1);
	parameters_done(&p);
	(void)state;
}

static void test_without_types_and_classes(void **state)
{
	struct parameters p;
	struct encoder_config config = BERT;
	config.types = 0;
	assert_int_equal(parameters_init(&p, &config, 0), ERR_OK);
	assert_int_equal(parameters_single(&p, PARAMETER_TYPE)->rows, 0);
	assert_int_equal(parameters_single(&p, PARAMETER_HEAD_OUT_WEIGHT)->rows, 0);
	assert_int_equal(parameters_single(&p, PARAMETER_HEAD_OUT_BIAS)->rows, 0);
	assert_int_equal(parameters_single(&p, PARAMETER_HEAD_OUT_BIAS)->offset, p.size);
	parameters_done(&p);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_layout),
	    cmocka_unit_test(test_order_and_shapes),
	    cmocka_unit_test(test_without_types_and_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
