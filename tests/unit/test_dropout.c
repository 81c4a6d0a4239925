/* libs: freeal-trainer-lib */
/* Dropout masks: the rate, and that no two rows, columns, sites or steps know of each other. */
#include "base/rng.h"
#include "trainer/encoder/dropout.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { COLUMNS = 768, ROWS = 256 };

static const struct dropout_step STEP = {.seed = 7, .step = 3};

/* Of ROWS * COLUMNS elements of one site: 1 where dropped. */
static void mask_make(const struct dropout *d, uint64_t text, unsigned char (*ret)[COLUMNS])
{
	static float row[COLUMNS];
	for (uint32_t i = 0; i < ROWS; i++) {
		dropout_row(d, dropout_row_key(d, text, i), 0, COLUMNS, row);
		for (size_t j = 0; j < COLUMNS; j++) {
			assert_true(row[j] == 0.0f || row[j] == d->scale);
			ret[i][j] = row[j] == 0.0f;
		}
	}
}

/* Correlation of a[i][j] with b[i + down][j + right], in standard deviations of that of
 * independent masks. */
static double relation(unsigned char (*a)[COLUMNS], unsigned char (*b)[COLUMNS], size_t down,
		       size_t right, double rate)
{
	double sum = 0.0;
	size_t count = 0;
	for (size_t i = 0; i + down < ROWS; i++)
		for (size_t j = 0; j + right < COLUMNS; j++, count++)
			sum += (a[i][j] - rate) * (b[i + down][j + right] - rate);
	return sum / (rate * (1.0 - rate) * sqrt((double)count));
}

static void the_rate_is_kept(void **state)
{
	(void)state;
	static unsigned char mask[ROWS][COLUMNS];
	const float rates[] = {0.0f, 0.001f, 0.1f, 0.25f, 0.5f, 0.9f};
	for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
		struct dropout d = dropout_site_make(&STEP, 1, DROPOUT_OUT, rates[r]);
		double p = d.threshold / 65536.0, dropped = 0.0, n = (double)ROWS * COLUMNS;
		assert_true(fabs(p - (double)rates[r]) <= 1.0 / 131072);
		assert_true(fabs(d.scale * (1.0 - p) - 1.0) < 1e-6);
		mask_make(&d, 5, mask);
		double rows = 0.0, columns = 0.0, variance = p * (1.0 - p);
		for (size_t i = 0; i < ROWS; i++) {
			double sum = 0.0;
			for (size_t j = 0; j < COLUMNS; j++)
				sum += mask[i][j];
			dropped += sum;
			rows += (sum - p * COLUMNS) * (sum - p * COLUMNS) / COLUMNS;
		}
		for (size_t j = 0; j < COLUMNS; j++) {
			double sum = 0.0;
			for (size_t i = 0; i < ROWS; i++)
				sum += mask[i][j];
			columns += (sum - p * ROWS) * (sum - p * ROWS) / ROWS;
		}
		assert_true(fabs(dropped - n * p) <= 4.0 * sqrt(n * variance));
		/* Chi-square over rows and over columns: mean k, variance 2k. */
		assert_true(fabs(rows - ROWS * variance) <= 4.0 * sqrt(2.0 * ROWS) * variance);
		assert_true(fabs(columns - COLUMNS * variance) <=
			    4.0 * sqrt(2.0 * COLUMNS) * variance);
	}
}

static void masks_are_independent(void **state)
{
	(void)state;
	static unsigned char a[ROWS][COLUMNS], b[ROWS][COLUMNS];
	const float rate = 0.25f;
	const double p = 0.25;
	struct dropout d = dropout_site_make(&STEP, 1, DROPOUT_OUT, rate);
	mask_make(&d, 5, a);
	for (size_t down = 0; down < 8; down++)
		for (size_t right = 0; right < 40; right++)
			if (down + right > 0)
				assert_true(fabs(relation(a, a, down, right, p)) < 4.5);
	/* Another step, seed, layer, site and text. */
	struct dropout_step step = {.seed = 7, .step = 4}, seed = {.seed = 8, .step = 3};
	struct dropout others[] = {
	    dropout_site_make(&step, 1, DROPOUT_OUT, rate),
	    dropout_site_make(&seed, 1, DROPOUT_OUT, rate),
	    dropout_site_make(&STEP, 2, DROPOUT_OUT, rate),
	    dropout_site_make(&STEP, 1, DROPOUT_ATTENTION_OUT, rate),
	    d,
	};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		mask_make(&others[i], 5 + (i == 4), b);
		for (size_t right = 0; right < 4; right++)
			assert_true(fabs(relation(a, b, 0, right, p)) < 4.5);
		assert_true(fabs(relation(a, b, 1, 0, p)) < 4.5);
	}
}

/* Every value of a byte of the random bits is as frequent as the others, in each column of a
 * pair and for counters of the attention's kind. */
static void bits_are_even(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 32; shift += 8) {
		double counts[256] = {0}, chi = 0.0;
		for (uint64_t row = 0; row < 512; row++) {
			uint64_t key = hash_mix(11, row);
			uint32_t first = (uint32_t)(row % 12) << 15;
			for (uint32_t i = 0; i < 64; i++)
				counts[dropout_word(key, first + i) >> shift & 0xff]++;
		}
		for (size_t i = 0; i < 256; i++)
			chi += (counts[i] - 128.0) * (counts[i] - 128.0) / 128.0;
		assert_true(fabs(chi - 255.0) < 4.0 * sqrt(2.0 * 255.0));
	}
}

/* The generator is part of what a checkpoint is resumed with, and of the golden values. */
static void the_generator_stays(void **state)
{
	(void)state;
	struct dropout d = dropout_site_make(&STEP, 2, DROPOUT_ATTENTION, 0.1f);
	uint64_t key = dropout_row_key(&d, 42, 9);
	assert_int_equal(d.threshold, 6554);
	assert_true(key == hash_mix(hash_mix(hash_mix(hash_mix(7, 3), 2 * 256 + 1), 42), 9));
	assert_int_equal(dropout_word(0x0123456789abcdefULL, 5), 0xd6e2a8bcU);
	assert_int_equal(dropout_word(0x0123456789abcdefULL, 6), 0x2749bba3U);
	assert_int_equal(dropout_word(0x0123456789abcdefULL, 7), 0x577468c3U);
}

/* A row's part is the row's part, from odd columns, too. */
static void parts_agree(void **state)
{
	(void)state;
	struct dropout d = dropout_site_make(&STEP, 0, DROPOUT_EMBEDDING, 0.4f);
	float all[70], part[70];
	dropout_row(&d, 99, 1 << 16, 70, all);
	for (uint32_t first = 0; first < 9; first++) {
		dropout_row(&d, 99, (1 << 16) + first, 61, part);
		for (size_t i = 0; i < 61; i++)
			assert_true(part[i] == all[first + i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_rate_is_kept), cmocka_unit_test(masks_are_independent),
	    cmocka_unit_test(bits_are_even),	cmocka_unit_test(the_generator_stays),
	    cmocka_unit_test(parts_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
