/* libs: freeal-trainer-lib m */
/* The views against scikit-learn's, folds, out-of-fold training, the final model. */
#include "trainer/ngram.h"

#include "base/rng.h"
#include "trainer/bayes.h"
#include "trainer/logistic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/ngram_fits.inc"

enum { ROWS = 30, COLUMNS = 8, TEXTS = 400, FOLDS = 5, TEXT_SIZE = 96 };

struct matrix {
	uint64_t starts[ROWS + 1];
	uint32_t columns[ROWS * COLUMNS];
	float values[ROWS * COLUMNS];
	uint32_t row_numbers[ROWS];
	uint32_t classes[ROWS];
	float weights[ROWS];
	struct csr rows;
};

static void matrix_init(struct matrix *m)
{
	uint64_t n = 0;
	for (size_t r = 0; r < ROWS; r++) {
		m->starts[r] = n;
		m->row_numbers[r] = (uint32_t)r;
		m->classes[r] = (uint32_t)Y[r];
		m->weights[r] = (float)ROW_WEIGHTS[r];
		for (size_t c = 0; c < COLUMNS; c++) {
			if (X[r][c] == 0.0)
				continue;
			m->columns[n] = (uint32_t)c;
			m->values[n++] = (float)X[r][c];
		}
	}
	m->starts[ROWS] = n;
	m->rows = (struct csr){ROWS, COLUMNS, m->starts, m->columns, m->values};
}

static double probability(const double *weights, const float *bias, size_t row, size_t k,
			  size_t class)
{
	double sum = 0.0;
	double own = 0.0;
	for (size_t j = 0; j < k; j++) {
		double z = bias[j];
		for (size_t c = 0; c < COLUMNS; c++)
			z += X[row][c] * weights[c * k + j];
		sum += exp(z);
		if (j == class)
			own = exp(z);
	}
	return own / sum;
}

static void check_logistic(size_t k, const double *expected, size_t thread_count)
{
	struct matrix m;
	float weights[COLUMNS * 3];
	double wide[COLUMNS * 3];
	float bias[3];
	matrix_init(&m);
	for (size_t r = 0; r < ROWS; r++)
		m.classes[r] = m.classes[r] < k ? m.classes[r] : (uint32_t)k - 1;
	struct logistic_problem problem = {.rows = m.rows,
					   .row_numbers = m.row_numbers,
					   .classes = m.classes,
					   .weights = m.weights,
					   .count = ROWS,
					   .class_count = k,
					   .inverse_penalty = 2.0,
					   .iterations_max = 1000,
					   .tolerance = 1e-6,
					   .thread_count = thread_count};
	assert_int_equal(logistic_fit(&problem, weights, bias), ERR_OK);
	for (size_t i = 0; i < COLUMNS * k; i++)
		wide[i] = weights[i];
	for (size_t r = 0; r < ROWS; r++)
		for (size_t j = 0; j < k; j++)
			assert_true(fabs(probability(wide, bias, r, k, j) - expected[r * k + j]) <
				    1e-3);
}

static void test_logistic_equals_scikit_learn(void **state)
{
	(void)state;
	check_logistic(3, &LOGISTIC_3[0][0], 1);
	check_logistic(3, &LOGISTIC_3[0][0], 3);
	check_logistic(2, &LOGISTIC_2[0][0], 2);
}

/* Up to the scale, which is ours. */
static void test_bayes_equals_scikit_learn(void **state)
{
	(void)state;
	struct matrix m;
	float weights[COLUMNS * 3];
	matrix_init(&m);
	struct bayes_problem problem = {.rows = m.rows,
					.labelled = m.row_numbers,
					.classes = m.classes,
					.labelled_count = ROWS,
					.class_count = 3,
					.smoothing = 0.5,
					.thread_count = 2};
	assert_int_equal(bayes_fit(&problem, weights), ERR_OK);
	double scale = weights[0] / COMPLEMENT[0][0];
	assert_true(scale > 0.05 && scale < 50.0);
	for (size_t i = 0; i < COLUMNS * 3; i++)
		assert_true(fabs(weights[i] / scale - (&COMPLEMENT[0][0])[i]) < 1e-4);
}

static void test_folds_depend_on_seed_and_id(void **state)
{
	(void)state;
	size_t counts[FOLDS] = {0};
	size_t moved = 0;
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t fold = fold_of(1, &i, sizeof i, FOLDS);
		assert_int_equal(fold, fold_of(1, &i, sizeof i, FOLDS));
		moved += fold != fold_of(2, &i, sizeof i, FOLDS);
		counts[fold]++;
	}
	for (size_t k = 0; k < FOLDS; k++)
		assert_in_range(counts[k], 900, 1100);
	assert_in_range(moved, 3800, 4200);
}

/* Made-up texts: three classes with words of their own among common ones. */
struct corpus {
	char text[TEXTS][TEXT_SIZE];
	const char *texts[TEXTS];
	size_t sizes[TEXTS];
	int32_t gold[TEXTS];
	int32_t labels[TEXTS]; /* some wrong, some missing */
	uint32_t folds[TEXTS];
	bool clean[TEXTS];
	struct features *features;
};

static int corpus_init(void **state)
{
	static const char *const own[3][4] = {{"goal", "match", "striker", "league"},
					      {"oven", "butter", "recipe", "flour"},
					      {"orbit", "rocket", "planet", "comet"}};
	static const char *const common[8] = {"the", "with", "new",  "about",
					      "old", "very", "some", "other"};
	struct corpus *c = calloc(1, sizeof *c);
	struct rng rng = rng_make(3);
	struct err_msg msg;
	for (size_t i = 0; i < TEXTS; i++) {
		size_t class = rng_below(&rng, 3);
		snprintf(c->text[i], TEXT_SIZE, "%s %s %s %s %s", common[rng_below(&rng, 8)],
			 own[class][rng_below(&rng, 4)], common[rng_below(&rng, 8)],
			 own[class][rng_below(&rng, 4)], common[rng_below(&rng, 8)]);
		c->texts[i] = c->text[i];
		c->sizes[i] = strlen(c->text[i]);
		c->gold[i] = (int32_t) class;
		uint64_t draw = rng_below(&rng, 10);
		c->labels[i] = draw < 2 ? -1 : draw < 3 ? (int32_t)((class + 1) % 3) : c->gold[i];
		c->clean[i] = draw >= 3;
		c->folds[i] = fold_of(1, &i, sizeof i, FOLDS);
	}
	assert_int_equal(features_new(c->texts, c->sizes, TEXTS, NULL, &c->features, &msg), ERR_OK);
	*state = c;
	return 0;
}

static int corpus_done(void **state)
{
	struct corpus *c = *state;
	features_free(c->features);
	free(c);
	return 0;
}

static size_t fold_rows(const struct corpus *c, uint32_t fold)
{
	size_t n = 0;
	for (size_t i = 0; i < TEXTS; i++)
		n += c->folds[i] == fold;
	return n;
}

static void fold_train(const struct corpus *c, const int32_t *labels, uint32_t threads, size_t k,
		       float *ret)
{
	struct ngram_config config = ngram_config_default();
	struct err_msg msg;
	config.thread_count = threads;
	assert_int_equal(
	    ngram_fold_train(c->features, labels, c->folds, 2, k, &config, NULL, ret, &msg),
	    ERR_OK);
}

static void test_fold_predicts_held_out_rows(void **state)
{
	struct corpus *c = *state;
	float probs[TEXTS * 3];
	size_t right = 0;
	size_t n = 0;
	fold_train(c, c->labels, 2, 3, probs);
	for (size_t i = 0; i < TEXTS; i++) {
		if (c->folds[i] != 2)
			continue;
		const float *p = probs + 3 * n++;
		assert_true(fabsf(p[0] + p[1] + p[2] - 1.0f) < 1e-5f);
		int32_t best = p[1] > p[0] ? 1 : 0;
		best = p[2] > p[best] ? 2 : best;
		right += best == c->gold[i];
	}
	assert_int_equal(n, fold_rows(c, 2));
	assert_true(right * 100 >= 95 * n);
}

static void test_fold_is_blind_to_its_labels_and_to_threads(void **state)
{
	struct corpus *c = *state;
	float a[TEXTS * 3];
	float b[TEXTS * 3];
	int32_t labels[TEXTS];
	size_t size = fold_rows(c, 2) * 3 * sizeof *a;
	for (size_t i = 0; i < TEXTS; i++)
		labels[i] = c->folds[i] == 2 ? (int32_t)(i % 4) - 1 : c->labels[i];
	fold_train(c, c->labels, 1, 3, a);
	fold_train(c, labels, 3, 3, b);
	assert_memory_equal(a, b, size);
}

static void test_missing_classes(void **state)
{
	struct corpus *c = *state;
	float probs[TEXTS * 4];
	int32_t labels[TEXTS];
	size_t n = fold_rows(c, 2);
	/* A fourth class that nobody uses. */
	fold_train(c, c->labels, 1, 4, probs);
	for (size_t i = 0; i < n; i++)
		assert_true(probs[i * 4 + 3] < 1e-6f);
	for (size_t i = 0; i < TEXTS; i++)
		labels[i] = c->labels[i] < 0 ? -1 : 1;
	fold_train(c, labels, 1, 3, probs);
	for (size_t i = 0; i < n; i++)
		assert_true(probs[i * 3 + 1] > 0.999f);
	for (size_t i = 0; i < TEXTS; i++)
		labels[i] = -1;
	fold_train(c, labels, 1, 3, probs);
	for (size_t i = 0; i < n * 3; i++)
		assert_true(fabsf(probs[i] - 1.0f / 3.0f) < 1e-6f);
}

static void test_final_model(void **state)
{
	struct corpus *c = *state;
	float a[TEXTS * 3];
	float b[TEXTS * 3];
	float again[3];
	size_t right = 0;
	struct ngram_config config = ngram_config_default();
	struct ngram_training training = {
	    .features = c->features, .labels = c->labels, .clean = c->clean, .class_count = 3};
	struct ngram *m;
	struct err_msg msg;
	for (size_t turn = 0; turn < 2; turn++) {
		config.thread_count = turn ? 4 : 1;
		assert_int_equal(ngram_train(&training, &config, NULL, &m, &msg), ERR_OK);
		ngram_predict_rows(m, c->features, config.thread_count, turn ? b : a);
		if (turn)
			assert_int_equal(
			    ngram_predict(m, &c->texts[7], &c->sizes[7], 1, again, &msg), ERR_OK);
		ngram_free(m);
	}
	assert_memory_equal(a, b, sizeof a);
	assert_memory_equal(again, a + 7 * 3, sizeof again);
	for (size_t i = 0; i < TEXTS; i++) {
		int32_t best = a[i * 3 + 1] > a[i * 3] ? 1 : 0;
		right += (a[i * 3 + 2] > a[i * 3 + best] ? 2 : best) == c->gold[i];
	}
	assert_true(right * 100 >= 95 * TEXTS);
}

static void test_cancel(void **state)
{
	struct corpus *c = *state;
	atomic_bool cancel = true;
	float probs[TEXTS * 3];
	struct progress progress = {.cancel = &cancel};
	struct ngram_config config = ngram_config_default();
	struct ngram_training training = {
	    .features = c->features, .labels = c->labels, .class_count = 3};
	struct ngram *m = NULL;
	struct err_msg msg;
	assert_int_equal(ngram_fold_train(c->features, c->labels, c->folds, 0, 3, &config,
					  &progress, probs, &msg),
			 ERR_CANCELLED);
	assert_int_equal(ngram_train(&training, &config, &progress, &m, &msg), ERR_CANCELLED);
	assert_null(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_logistic_equals_scikit_learn),
	    cmocka_unit_test(test_bayes_equals_scikit_learn),
	    cmocka_unit_test(test_folds_depend_on_seed_and_id),
	    cmocka_unit_test(test_fold_predicts_held_out_rows),
	    cmocka_unit_test(test_fold_is_blind_to_its_labels_and_to_threads),
	    cmocka_unit_test(test_missing_classes),
	    cmocka_unit_test(test_final_model),
	    cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, corpus_init, corpus_done);
}
