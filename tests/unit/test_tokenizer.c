/* libs: tokenizer text base */
/* Ids of difficult texts, as Hugging Face's library has them. */
#include "tokenizer/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/tokenizer.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ALL_IDS (1u << 17)

static struct tokenizer *load(const char *folder)
{
	char path[1000];
	struct tokenizer *t;
	struct err_msg msg = {""};
	(void)snprintf(path, sizeof path, FIXTURES "/tokenizer/%s", folder);
	if (tokenizer_load(path, &t, &msg))
		fail_msg("%s", msg.text);
	return t;
}

/* From memory of just that size, so that a sanitizer sees what is read past its end. */
static char *repeated(size_t i, size_t *ret_bytes)
{
	*ret_bytes = TEXTS[i].bytes * TEXTS[i].repeat;
	char *text = malloc(*ret_bytes ? *ret_bytes : 1);
	assert_non_null(text);
	for (size_t n = 0; n < TEXTS[i].repeat; n++)
		memcpy(text + n * TEXTS[i].bytes, TEXTS[i].text, TEXTS[i].bytes);
	return text;
}

static void test_golden(void **state)
{
	(void)state;
	uint32_t *ids = malloc(ALL_IDS * sizeof *ids);
	for (size_t p = 0; p < COUNT(PEERS); p++) {
		struct tokenizer *t = load(PEERS[p].folder);
		assert_int_equal(tokenizer_vocabulary(t), PEERS[p].vocabulary);
		for (size_t i = 0; i < TEXT_COUNT; i++) {
			size_t bytes, count, all = PEERS[p].texts[i].count;
			size_t some = all < IDS_MAX ? all : IDS_MAX;
			char *text = repeated(i, &bytes);
			assert_int_equal(tokenizer_encode(t, text, bytes, ids, ALL_IDS, &count),
					 ERR_OK);
			if (count != all)
				fail_msg("%s, text %zu: %zu ids, not %zu", PEERS[p].folder, i,
					 count, all);
			assert_int_equal(tokenizer_encode(t, text, bytes, ids, IDS_MAX, &count),
					 ERR_OK);
			if (count != some ||
			    memcmp(ids, PEERS[p].texts[i].ids, some * sizeof *ids) != 0)
				fail_msg("%s, text %zu: other ids", PEERS[p].folder, i);
			free(text);
		}
		tokenizer_free(t);
	}
	free(ids);
}

/* At least one id of the text, and the special ones. */
static void test_little_room(void **state)
{
	(void)state;
	for (size_t p = 0; p < COUNT(PEERS); p++) {
		struct tokenizer *t = load(PEERS[p].folder);
		uint32_t ids[4] = {0, 0, 0, UINT32_MAX};
		size_t count;
		assert_int_equal(tokenizer_encode(t, "the dog, the fox", 16, ids, 3, &count),
				 ERR_OK);
		assert_int_equal(count, 3);
		assert_int_equal(ids[0], PEERS[p].texts[0].ids[0]);
		assert_int_equal(ids[2], PEERS[p].texts[0].ids[1]);
		assert_int_equal(ids[3], UINT32_MAX);
		tokenizer_free(t);
	}
}

/* A byte that is no UTF-8 is U+FFFD. */
static void test_broken_bytes(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"a\xff", "a\xef\xbf\xbd"},
	    {"\xc3(", "\xef\xbf\xbd("},
	    {"the \xf0\x9f\x98", "the \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xed\xa0\x80the", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdthe"},
	    {"the\xc0\xaf fox", "the\xef\xbf\xbd\xef\xbf\xbd fox"},
	};
	for (size_t p = 0; p < COUNT(PEERS); p++) {
		struct tokenizer *t = load(PEERS[p].folder);
		for (size_t i = 0; i < COUNT(cases); i++) {
			uint32_t ids[2][IDS_MAX];
			size_t counts[2];
			for (size_t k = 0; k < 2; k++)
				assert_int_equal(tokenizer_encode(t, cases[i][k],
								  strlen(cases[i][k]), ids[k],
								  IDS_MAX, &counts[k]),
						 ERR_OK);
			assert_int_equal(counts[0], counts[1]);
			assert_memory_equal(ids[0], ids[1], counts[0] * sizeof **ids);
		}
		tokenizer_free(t);
	}
}

/* Takes forever where time grows with the square. */
static void test_long_words(void **state)
{
	(void)state;
	size_t bytes = 1u << 20, count;
	char *text = malloc(bytes);
	uint32_t *ids = malloc((bytes + 2) * sizeof *ids);
	for (size_t i = 0; i < bytes; i++)
		text[i] = "thequickfoxes"[i * 2654435761u % 13];
	for (size_t p = 0; p < COUNT(PEERS); p++) {
		struct tokenizer *t = load(PEERS[p].folder);
		assert_int_equal(tokenizer_encode(t, text, bytes, ids, bytes + 2, &count), ERR_OK);
		assert_true(count == 3 || count > bytes / 8);
		tokenizer_free(t);
	}
	free(text);
	free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_little_room),
	    cmocka_unit_test(test_broken_bytes),
	    cmocka_unit_test(test_long_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
