/* libs: freeal-trainer-lib m */
/* What safetensors files say; what a damaged or hostile one gets. */
#include "trainer/encoder/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A file of that header and `body_bytes` bytes 0, 1, 2 ..., in memory of just that size. */
static unsigned char *file_make(const char *header, size_t body_bytes, size_t *ret_bytes)
{
	uint64_t length = strlen(header);
	*ret_bytes = 8 + length + body_bytes;
	unsigned char *data = malloc(*ret_bytes);
	assert_non_null(data);
	memcpy(data, &length, 8);
	memcpy(data + 8, header, length);
	for (size_t i = 0; i < body_bytes; i++)
		data[8 + length + i] = (unsigned char)i;
	return data;
}

static enum err parse(const char *header, size_t body_bytes, struct err_msg *msg)
{
	size_t bytes;
	unsigned char *data = file_make(header, body_bytes, &bytes);
	struct safetensors *s;
	enum err e = safetensors_parse("f", data, bytes, &s, msg);
	if (!e)
		safetensors_close(s);
	free(data);
	return e;
}

#define T(dtype, shape, begin, end)                                                                \
	"{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_good(void **state)
{
	static const char header[] =
	    "{\"__metadata__\":{\"format\":\"pt\"},"
	    "\"b\":" T("F32", "[2,2]", "8",
		       "24") ","
			     "\"ids\":" T("I64", "[1,1]", "0",
					  "8") ","
					       "\"none\":" T("F32", "[0,5]", "24",
							     "24") ","
								   "\"one\":" T("BF16", "[]", "24",
										"26") "}   ";
	size_t bytes;
	unsigned char *data = file_make(header, 26, &bytes);
	struct safetensors *s;
	struct err_msg msg;
	assert_int_equal(safetensors_parse("f", data, bytes, &s, &msg), ERR_OK);
	assert_int_equal(safetensors_count(s), 4);
	assert_string_equal(safetensors_at(s, 0)->name, "ids");
	assert_int_equal(safetensors_at(s, 0)->type, SAFETENSORS_OTHER);
	const struct safetensors_tensor *b = safetensors_find(s, "b");
	assert_ptr_equal(b, safetensors_at(s, 1));
	assert_int_equal(b->dims, 2);
	assert_int_equal(b->elements, 4);
	float values[4];
	safetensors_read(s, b, values);
	assert_memory_equal(values, b->data, 16);
	assert_int_equal(safetensors_find(s, "one")->dims, 0);
	assert_int_equal(safetensors_find(s, "none")->elements, 0);
	safetensors_read(s, safetensors_find(s, "none"), values);
	assert_null(safetensors_find(s, "c"));
	safetensors_close(s);
	free(data);
	assert_int_equal(parse("{}", 0, &msg), ERR_OK);
	(void)state;
}

static void test_hostile(void **state)
{
	static const struct {
		const char *header;
		size_t body_bytes;
		const char *word;
	} cases[] = {
	    {"", 0, "no safetensors"},
	    {" {}", 0, "no safetensors"},
	    {"[]", 0, "no safetensors"},
	    {"{", 0, "line 1"},
	    {"{}x", 0, "line 1"},
	    {"{\"a\":3}", 0, "tensor a has a dtype"},
	    {"{\"a\":" T("F23", "[1]", "0", "4") "}", 4, "dtype"},
	    {"{\"a\":" T("F32", "1", "0", "4") "}", 4, "no shape"},
	    {"{\"a\":" T("F32", "[-1]", "0", "4") "}", 4, "shape that can't be right"},
	    {"{\"a\":" T("F32", "[1.0]", "0", "4") "}", 4, "shape that can't be right"},
	    {"{\"a\":" T("F32", "[\"1\"]", "0", "4") "}", 4, "shape that can't be right"},
	    {"{\"a\":" T("F32", "[4294967296,4294967296]", "0", "0") "}", 0, "shape"},
	    {"{\"a\":" T("F32", "[4611686018427387905]", "0", "4") "}", 4, "number of bytes"},
	    {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "dimensions"},
	    {"{\"a\":" T("F32", "[99999999999999999999]", "0", "4") "}", 4, "line 1"},
	    {"{\"a\":" T("F32", "[2]", "0", "4") "}", 4, "number of bytes"},
	    {"{\"a\":" T("F16", "[2]", "0", "8") "}", 8, "number of bytes"},
	    {"{\"a\":" T("F4", "[1]", "0", "1") "}", 1, "number of bytes"},
	    {"{\"a\":" T("F32", "[1]", "0", "4") "}", 3, "cut off"},
	    {"{\"a\":" T("F32", "[1]", "0", "4") "}", 5, "last 1 bytes belong to no"},
	    {"{\"a\":" T("F32", "[1]", "1", "5") "}", 5, "does not begin"},
	    {"{\"a\":" T("F32", "[1]", "4", "0") "}", 4, "data_offsets"},
	    {"{\"a\":" T("F32", "[1]", "-4", "0") "}", 4, "data_offsets"},
	    {"{\"a\":" T("F32", "[1]", "0.0", "4") "}", 4, "data_offsets"},
	    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "data_offsets"},
	    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets"},
	    {"{\"a\":" T("F32", "[1]", "9223372036854775804", "9223372036854775807") "}", 4,
	     "cut off"},
	    {"{\"a\":" T("F32", "[1]", "0", "4") ",\"b\":" T("F32", "[1]", "0", "4") "}", 4,
	     "tensor b does not begin"},
	    {"{\"a\":" T("F32", "[2]", "0", "8") ",\"b\":" T("F32", "[1]", "4", "8") "}", 8,
	     "does not begin"},
	    {"{\"a\":" T("F32", "[1]", "0", "4") ",\"b\":" T("F32", "[1]", "8", "12") "}", 12,
	     "does not begin"},
	    {"{\"a\":" T("F32", "[1]", "0", "4") ",\"a\":" T("F32", "[1]", "0", "4") "}", 4,
	     "duplicate"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err_msg msg = {""};
		enum err e = parse(cases[i].header, cases[i].body_bytes, &msg);
		if (e != ERR_CORRUPT || !strstr(msg.text, cases[i].word) ||
		    strncmp(msg.text, "f", 1) != 0)
			fail_msg("%s: %d, %s; not: %s", cases[i].header, e, msg.text,
				 cases[i].word);
	}
	(void)state;
}

static void test_length(void **state)
{
	static const struct {
		uint64_t length;
		size_t bytes;
		enum err err;
	} cases[] = {
	    {0, 7, ERR_CORRUPT},
	    {0, 8, ERR_CORRUPT},
	    {1, 8, ERR_CORRUPT},
	    {UINT64_MAX, 64, ERR_CORRUPT},
	    {UINT64_MAX - 7, 64, ERR_CORRUPT},
	    {57, 64, ERR_CORRUPT},
	};
	unsigned char data[64] = {0};
	struct safetensors *s;
	struct err_msg msg;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memcpy(data, &cases[i].length, 8);
		assert_int_equal(safetensors_parse("f", data, cases[i].bytes, &s, &msg),
				 cases[i].err);
	}
	memcpy(data, "version https://git-lfs.github.com/spec/v1\noid", 46);
	assert_int_equal(safetensors_parse("f", data, 64, &s, &msg), ERR_CORRUPT);
	assert_non_null(strstr(msg.text, "git lfs pull"));
	/* Pages of zeros that are never read. */
	size_t big = (size_t)SAFETENSORS_HEADER_BYTES_MAX + 9;
	uint64_t *map = mmap(NULL, big, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	map[0] = SAFETENSORS_HEADER_BYTES_MAX + 1;
	assert_int_equal(safetensors_parse("f", map, big, &s, &msg), ERR_LIMIT);
	munmap(map, big);
	(void)state;
}

static void test_deep_and_long(void **state)
{
	enum { DEEP = 1 << 20 };
	char *header = malloc(DEEP + 64);
	struct err_msg msg;
	assert_non_null(header);
	memset(header, '[', DEEP);
	memcpy(header, "{\"a\":", 5);
	header[DEEP] = '\0';
	assert_int_equal(parse(header, 0, &msg), ERR_CORRUPT);
	/* A name of 512 bytes. */
	memset(header, 'n', DEEP);
	memcpy(header, "{\"", 2);
	memcpy(header + 2 + SAFETENSORS_NAME_BYTES_MAX, "\":3}", 5);
	assert_int_equal(parse(header, 0, &msg), ERR_LIMIT);
	free(header);
	(void)state;
}

/* Every finite half against its definition. */
static void test_halves(void **state)
{
	size_t bytes;
	unsigned char *data = file_make("{\"h\":" T("F16", "[65536]", "0", "131072") ",\"b\":" T(
					    "BF16", "[65536]", "131072", "262144") "}",
					262144, &bytes);
	struct safetensors *s;
	struct err_msg msg;
	static float half[65536], brain[65536];
	for (size_t i = 0; i < 131072; i++) {
		uint16_t bits = (uint16_t)i;
		memcpy(data + bytes - 262144 + 2 * i, &bits, 2);
	}
	assert_int_equal(safetensors_parse("f", data, bytes, &s, &msg), ERR_OK);
	safetensors_read(s, safetensors_find(s, "h"), half);
	safetensors_read(s, safetensors_find(s, "b"), brain);
	for (uint32_t i = 0; i < 65536; i++) {
		int exponent = (int)(i >> 10 & 31);
		double sign = i & 0x8000 ? -1 : 1, mantissa = (double)(i & 1023);
		double expected = exponent == 0	   ? ldexp(mantissa, -24)
				  : exponent == 31 ? (mantissa ? NAN : INFINITY)
						   : ldexp(1024 + mantissa, exponent - 25);
		if (isnan(expected)
			? !isnan(half[i])
			: half[i] != (float)(sign * expected) || !signbit(half[i]) != (sign > 0))
			fail_msg("half %x is %g", i, (double)half[i]);
		uint32_t bits;
		memcpy(&bits, &brain[i], 4);
		assert_int_equal(bits, i << 16);
	}
	safetensors_close(s);
	free(data);
	(void)state;
}

static void test_write_and_open(void **state)
{
	static const float a[6] = {1, -2, 3, 4, 5, 6}, b[3] = {7, 8, 9};
	const struct safetensors_entry entries[] = {
	    {.name = "m.a", .dims = 2, .shape = {2, 3}, .data = a},
	    {.name = "m.b", .dims = 1, .shape = {3}, .data = b}};
	char path[] = "/tmp/safetensors-XXXXXX";
	struct err_msg msg;
	struct safetensors *s;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(safetensors_open(path, &s, &msg), ERR_CORRUPT);
	assert_int_equal(safetensors_write(path, entries, 2, &msg), ERR_OK);
	uint64_t length;
	assert_int_equal(pread(fd, &length, 8, 0), 8);
	assert_int_equal(length % 8, 0);
	assert_int_equal(safetensors_open(path, &s, &msg), ERR_OK);
	float back[6];
	safetensors_read(s, safetensors_find(s, "m.b"), back);
	assert_memory_equal(back, b, sizeof b);
	for (int twice = 0; twice < 2; twice++)
		safetensors_read(s, safetensors_find(s, "m.a"), back);
	assert_memory_equal(back, a, sizeof a);
	assert_int_equal(safetensors_find(s, "m.a")->shape[1], 3);
	safetensors_close(s);
	assert_int_equal(truncate(path, (off_t)(8 + length + 35)), 0);
	assert_int_equal(safetensors_open(path, &s, &msg), ERR_CORRUPT);
	assert_non_null(strstr(msg.text, path));
	(void)close(fd);
	(void)unlink(path);
	assert_int_equal(safetensors_open(path, &s, &msg), ERR_NOT_FOUND);
	assert_int_equal(safetensors_open("/tmp", &s, &msg), ERR_INVALID);
	assert_int_equal(safetensors_write("/dev/full", entries, 2, &msg), ERR_FULL);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),   cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_length), cmocka_unit_test(test_deep_and_long),
	    cmocka_unit_test(test_halves), cmocka_unit_test(test_write_and_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
