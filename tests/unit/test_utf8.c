/* libs: text base */
/* UTF-8: what is valid, folding, trimming. */
#include "text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void test_valid(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t valid; /* bytes */
	} cases[] = {
	    {"", 0},
	    {"plain", 5},
	    {"caf\xc3\xa9", 5},
	    {"\xe2\x82\xac \xf0\x9f\x98\x80", 8},
	    {"0123456789abcdef\xff", 16},
	    {"ab\xc3", 2}, /* cut short */
	    {"ab\xe2\x82", 2},
	    {"ab\xf0\x9f\x98", 2},
	    {"ab\x80", 2},     /* continuation alone */
	    {"ab\xc0\xaf", 2}, /* overlong */
	    {"ab\xe0\x9f\xbf", 2},
	    {"ab\xf0\x8f\xbf\xbf", 2},
	    {"ab\xed\xa0\x80", 2},     /* surrogate */
	    {"ab\xf4\x90\x80\x80", 2}, /* above U+10FFFF */
	    {"ab\xf5\x80\x80\x80", 2},
	    {"caf\xe9", 3}, /* Latin-1 */
	    {"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", 10},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t size = strlen(cases[i].text);
		assert_int_equal(utf8_valid_size(cases[i].text, size), cases[i].valid);
		assert_int_equal(utf8_is_valid(cases[i].text, size), size == cases[i].valid);
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		if (c == 0xd800)
			c = 0xe000;
		char bytes[UTF8_BYTES_MAX];
		size_t size = utf8_put(bytes, c);
		const char *at = bytes;
		assert_true(utf8_is_valid(bytes, size));
		assert_int_equal(utf8_next(&at, bytes + size), c);
		assert_ptr_equal(at, bytes + size);
		/* Folding is idempotent, and every result can be written. */
		uint32_t folded = utf8_fold(c);
		assert_int_equal(utf8_fold(folded), folded);
		(void)utf8_put(bytes, folded);
	}
}

static void test_invalid_bytes_pass_alone(void **state)
{
	(void)state;
	const char *text = "\xe2\x82z", *at = text, *end = text + 3;
	assert_int_equal(utf8_next(&at, end), UTF8_REPLACEMENT);
	assert_ptr_equal(at, text + 1);
	assert_int_equal(utf8_next(&at, end), UTF8_REPLACEMENT);
	assert_int_equal(utf8_next(&at, end), 'z');
	assert_int_equal(utf8_count(text, 3), 3);
	assert_int_equal(utf8_count("\xe2\x82\xac!", 4), 2);
}

static void test_fold(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"Hello, WORLD 42", "hello, world 42"}, {"ÄÖÜ ÉÈ ×÷ ß", "äöü éè ×÷ ß"},
	    {"ŁÓDŹ ŠKODA Ÿ", "łódź škoda ÿ"},	    {"ΑΘΉΝΑ Σίσυφος", "αθήνα σίσυφοσ"},
	    {"МОСКВА ЁЖ Ґ", "москва ёж ґ"},	    {"日本語", "日本語"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *text = cases[i][0], *folded = cases[i][1];
		struct buf out;
		buf_init(&out, 1000);
		utf8_fold_add(&out, text, strlen(text));
		assert_string_equal(buf_str(&out), folded);
		assert_true(utf8_fold_equal(text, strlen(text), folded, strlen(folded)));
		assert_false(utf8_fold_equal(text, strlen(text), folded, strlen(folded) - 1));
		buf_done(&out);
	}
}

static void test_trim(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"", ""},
	    {"  ", ""},
	    {" a b ", "a b"},
	    {"\t\r\nx\v\f", "x"},
	    {"\xc2\xa0x\xe3\x80\x80", "x"},
	    {"é", "é"},
	    {" \xff ", "\xff"},
	    {"\x80\x80\x80\x80\x80", "\x80\x80\x80\x80\x80"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *text = cases[i][0];
		size_t size = strlen(text);
		utf8_trim(&text, &size);
		assert_int_equal(size, strlen(cases[i][1]));
		assert_memory_equal(text, cases[i][1], size);
	}
}

static void test_classes(void **state)
{
	(void)state;
	assert_true(utf8_is_word('a') && utf8_is_word('0') && utf8_is_word(0xe9));
	assert_true(utf8_is_word(0x3b1) && utf8_is_word(0x4e2d));
	assert_false(utf8_is_word('-') || utf8_is_word(' ') || utf8_is_word(0x2019));
	assert_false(utf8_is_word(0xab) || utf8_is_word(0x1f600));
	assert_true(utf8_is_space(' ') && utf8_is_space(0xa0) && utf8_is_space(0x3000));
	assert_false(utf8_is_space('x') || utf8_is_space(0x200b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_invalid_bytes_pass_alone),
	    cmocka_unit_test(test_fold),
	    cmocka_unit_test(test_trim),
	    cmocka_unit_test(test_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
