/* libs: freeal-trainer-lib m */
/* Terms, TF-IDF rows against scikit-learn's, sentence vectors. */
#include "trainer/features.h"

#include "trainer/terms.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/ngram_texts.inc"

enum { TEXT_COUNT = sizeof TEXTS / sizeof TEXTS[0] };

static struct features *features_make(void)
{
	size_t sizes[TEXT_COUNT];
	struct features *f;
	struct err_msg msg;
	for (size_t i = 0; i < TEXT_COUNT; i++)
		sizes[i] = strlen(TEXTS[i]);
	assert_int_equal(features_new(TEXTS, sizes, TEXT_COUNT, NULL, &f, &msg), ERR_OK);
	return f;
}

static double row_dot(const struct csr *rows, size_t a, size_t b)
{
	double sum = 0.0;
	for (uint64_t i = rows->starts[a]; i < rows->starts[a + 1]; i++)
		for (uint64_t j = rows->starts[b]; j < rows->starts[b + 1]; j++)
			if (rows->columns[i] == rows->columns[j])
				sum += (double)rows->values[i] * rows->values[j];
	return sum;
}

/* Hashing loses the terms' names, so products of rows are compared. */
static void test_rows_equal_scikit_learn(void **state)
{
	(void)state;
	struct features *f = features_make();
	struct csr rows = features_rows(f);
	assert_int_equal(rows.row_count, TEXT_COUNT);
	for (size_t a = 0; a < TEXT_COUNT; a++) {
		assert_int_equal(rows.starts[a + 1] - rows.starts[a], (uint64_t)TERM_COUNTS[a]);
		for (size_t b = 0; b < TEXT_COUNT; b++)
			assert_true(fabs(row_dot(&rows, a, b) - GRAM[a][b]) < 1e-5);
	}
	features_free(f);
}

static void test_columns_ascend(void **state)
{
	(void)state;
	struct features *f = features_make();
	struct csr rows = features_rows(f);
	for (size_t r = 0; r < rows.row_count; r++)
		for (uint64_t i = rows.starts[r] + 1; i < rows.starts[r + 1]; i++)
			assert_true(rows.columns[i - 1] < rows.columns[i]);
	features_free(f);
}

static void test_like_gives_the_same_rows(void **state)
{
	(void)state;
	struct features *f = features_make();
	struct features *again;
	size_t size = strlen(TEXTS[3]);
	struct err_msg msg;
	assert_int_equal(features_like(f, &TEXTS[3], &size, 1, &again, &msg), ERR_OK);
	struct csr rows = features_rows(f);
	struct csr other = features_rows(again);
	uint64_t count = rows.starts[4] - rows.starts[3];
	assert_int_equal(other.starts[1], count);
	assert_memory_equal(rows.columns + rows.starts[3], other.columns, count * 4);
	assert_memory_equal(rows.values + rows.starts[3], other.values, count * 4);
	/* The vocabulary outlives the features that it was fitted by. */
	features_free(f);
	features_free(again);
}

static void test_unknown_text_is_empty(void **state)
{
	(void)state;
	struct features *f = features_make();
	struct features *other;
	const char *texts[] = {"qqqq wwww", "", "  \n"};
	size_t sizes[] = {9, 0, 3};
	float vectors[3 * EMBED_DIMENSIONS];
	struct err_msg msg;
	assert_int_equal(features_like(f, texts, sizes, 3, &other, &msg), ERR_OK);
	assert_int_equal(features_rows(other).starts[3], 0);
	features_embed(other, 0, 3, vectors);
	for (size_t i = 0; i < 3 * EMBED_DIMENSIONS; i++)
		assert_true(vectors[i] == 0.0f);
	features_free(other);
	features_free(f);
}

/* Cosines of the projection are those of the rows, within its error of about 1/16. */
static void test_embedding_keeps_cosines(void **state)
{
	(void)state;
	struct features *f = features_make();
	float *v = malloc(TEXT_COUNT * EMBED_DIMENSIONS * sizeof *v);
	features_embed(f, 0, TEXT_COUNT, v);
	for (size_t a = 0; a < TEXT_COUNT; a++)
		for (size_t b = 0; b < TEXT_COUNT; b++) {
			double cosine = 0.0;
			for (size_t d = 0; d < EMBED_DIMENSIONS; d++)
				cosine += (double)v[a * EMBED_DIMENSIONS + d] *
					  v[b * EMBED_DIMENSIONS + d];
			double exact = GRAM[a][b] / sqrt(GRAM[a][a] * GRAM[b][b]);
			assert_true(fabs(cosine - exact) < (a == b ? 1e-5 : 0.25));
		}
	float one[EMBED_DIMENSIONS];
	features_embed(f, 2, 1, one);
	assert_memory_equal(one, v + 2 * EMBED_DIMENSIONS, sizeof one);
	free(v);
	features_free(f);
}

static void test_terms_fold_case_and_survive_stray_bytes(void **state)
{
	(void)state;
	struct terms a;
	struct terms b;
	terms_init(&a, 12);
	terms_init(&b, 12);
	const char *upper = "\303\211LAN VITAL \320\226\320\230\320\227\320\235\320\254";
	const char *lower = "\303\251lan  vital\t\320\266\320\270\320\267\320\275\321\214";
	assert_int_equal(terms_extract(&a, upper, strlen(upper)), ERR_OK);
	assert_int_equal(terms_extract(&b, lower, strlen(lower)), ERR_OK);
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.buckets, b.buckets, a.size * sizeof *a.buckets);
	/* Three words, two pairs: at most five buckets for words. */
	size_t words = 0;
	while (words < a.size && a.buckets[words] < 1u << 12)
		words++;
	assert_int_equal(words, 5);
	assert_int_equal(terms_extract(&a, "\xff\xc3\xe2\x82 ok \xf0\x9f", 10), ERR_OK);
	terms_done(&a);
	terms_done(&b);
}

static void test_cancel(void **state)
{
	(void)state;
	atomic_bool cancel = true;
	size_t size = 3;
	struct features *f = NULL;
	struct err_msg msg;
	assert_int_equal(features_new(&TEXTS[0], &size, 1, &cancel, &f, &msg), ERR_CANCELLED);
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows_equal_scikit_learn),
	    cmocka_unit_test(test_columns_ascend),
	    cmocka_unit_test(test_like_gives_the_same_rows),
	    cmocka_unit_test(test_unknown_text_is_empty),
	    cmocka_unit_test(test_embedding_keeps_cosines),
	    cmocka_unit_test(test_terms_fold_case_and_survive_stray_bytes),
	    cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
