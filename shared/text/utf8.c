#include "text/utf8.h"

#include <assert.h>
#include <string.h>

/* Size of the sequence at `p`, or 0 where it is invalid; p < end. */
static size_t utf8_sequence(const unsigned char *p, const unsigned char *end)
{
	size_t left = (size_t)(end - p);
	unsigned char c = p[0];
	if (c < 0x80)
		return 1;
	if (c < 0xc2)
		return 0;
	if (left < 2 || (p[1] & 0xc0) != 0x80)
		return 0;
	if (c < 0xe0)
		return 2;
	if (left < 3 || (p[2] & 0xc0) != 0x80)
		return 0;
	if (c < 0xf0) {
		bool overlong = c == 0xe0 && p[1] < 0xa0;
		bool surrogate = c == 0xed && p[1] >= 0xa0;
		return overlong || surrogate ? 0 : 3;
	}
	if (left < 4 || (p[3] & 0xc0) != 0x80 || c > 0xf4)
		return 0;
	bool overlong = c == 0xf0 && p[1] < 0x90;
	bool too_large = c == 0xf4 && p[1] >= 0x90;
	return overlong || too_large ? 0 : 4;
}

size_t utf8_valid_size(const char *text, size_t size)
{
	const unsigned char *begin = (const unsigned char *)text;
	const unsigned char *p = begin;
	const unsigned char *end = begin + size;
	while (p < end) {
		/* Eight ASCII bytes at a time: most text is. */
		while (end - p >= 8) {
			uint64_t word;
			memcpy(&word, p, sizeof word);
			if (word & 0x8080808080808080ULL)
				break;
			p += 8;
		}
		if (p == end)
			break;
		size_t n = utf8_sequence(p, end);
		if (n == 0)
			break;
		p += n;
	}
	return (size_t)(p - begin);
}

bool utf8_is_valid(const char *text, size_t size)
{
	return utf8_valid_size(text, size) == size;
}

uint32_t utf8_next(const char **at, const char *end)
{
	assert(*at < end);
	const unsigned char *p = (const unsigned char *)*at;
	size_t n = utf8_sequence(p, (const unsigned char *)end);
	*at += n ? n : 1;
	switch (n) {
	case 1:
		return p[0];
	case 2:
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:
		return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	case 4:
		return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 |
		       (p[3] & 0x3fu);
	default:
		return UTF8_REPLACEMENT;
	}
}

size_t utf8_put(char ret_bytes[UTF8_BYTES_MAX], uint32_t c)
{
	assert(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
	if (c < 0x80) {
		ret_bytes[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		ret_bytes[0] = (char)(0xc0 | c >> 6);
		ret_bytes[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		ret_bytes[0] = (char)(0xe0 | c >> 12);
		ret_bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
		ret_bytes[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	ret_bytes[0] = (char)(0xf0 | c >> 18);
	ret_bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
	ret_bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
	ret_bytes[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

size_t utf8_count(const char *text, size_t size)
{
	size_t count = 0;
	for (const char *p = text, *end = text + size; p < end; count++)
		(void)utf8_next(&p, end);
	return count;
}

/* Latin Extended-A has pairs of upper and lower case, in two alignments. */
static uint32_t utf8_fold_latin_a(uint32_t c)
{
	if (c == 0x130 || c == 0x131 || c == 0x138 || c == 0x149 || c == 0x17f)
		return c;
	if (c == 0x178)
		return 0xff;
	bool upper_is_odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
	return (c & 1) == upper_is_odd ? c + 1 : c;
}

static uint32_t utf8_fold_greek(uint32_t c)
{
	if (c == 0x386)
		return 0x3ac;
	if (c >= 0x388 && c <= 0x38a)
		return c + 37;
	if (c == 0x38c)
		return 0x3cc;
	if (c == 0x38e || c == 0x38f)
		return c + 63;
	if (c >= 0x391 && c <= 0x3ab && c != 0x3a2)
		return c + 32;
	if (c == 0x3c2) /* final sigma */
		return 0x3c3;
	return c;
}

uint32_t utf8_fold(uint32_t c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + 32 : c;
	if (c < 0x100)
		return c >= 0xc0 && c <= 0xde && c != 0xd7 ? c + 32 : c;
	if (c < 0x180)
		return utf8_fold_latin_a(c);
	if (c >= 0x370 && c < 0x400)
		return utf8_fold_greek(c);
	if (c >= 0x400 && c < 0x410)
		return c + 80;
	if (c >= 0x410 && c < 0x430)
		return c + 32;
	if ((c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
		return c | 1;
	return c;
}

void utf8_fold_add(struct buf *out, const char *text, size_t size)
{
	for (const char *p = text, *end = text + size; p < end;) {
		char bytes[UTF8_BYTES_MAX];
		uint32_t c = utf8_fold(utf8_next(&p, end));
		buf_add(out, bytes, utf8_put(bytes, c));
	}
}

bool utf8_fold_equal(const char *a, size_t a_size, const char *b, size_t b_size)
{
	const char *a_end = a + a_size, *b_end = b + b_size;
	while (a < a_end && b < b_end) {
		if (utf8_fold(utf8_next(&a, a_end)) != utf8_fold(utf8_next(&b, b_end)))
			return false;
	}
	return a == a_end && b == b_end;
}

bool utf8_is_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= '\t' && c <= '\r');
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool utf8_is_word(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	if (c < 0xc0)
		return c == 0xaa || c == 0xb5 || c == 0xba;
	if (c == 0xd7 || c == 0xf7 || utf8_is_space(c))
		return false;
	bool punctuation = (c >= 0x2000 && c <= 0x206f) || (c >= 0x2190 && c <= 0x2bff) ||
			   (c >= 0x3000 && c <= 0x3004) || (c >= 0x3008 && c <= 0x3020) ||
			   (c >= 0xff01 && c <= 0xff0f) || (c >= 0xff1a && c <= 0xff20) ||
			   (c >= 0xfe10 && c <= 0xfe6f) || (c >= 0x20a0 && c <= 0x20cf) ||
			   (c >= 0x2e00 && c <= 0x2e7f) || (c >= 0x1f000 && c <= 0x1faff) ||
			   c == UTF8_REPLACEMENT || c == 0xfeff;
	return !punctuation;
}

void utf8_trim(const char **text, size_t *size)
{
	const char *begin = *text, *end = begin + *size;
	while (begin < end) {
		const char *after = begin;
		if (!utf8_is_space(utf8_next(&after, end)))
			break;
		begin = after;
	}
	while (end > begin) {
		const char *last = end - 1;
		while (last > begin && ((unsigned char)*last & 0xc0) == 0x80 && end - last < 4)
			last--;
		const char *after = last;
		if (!utf8_is_space(utf8_next(&after, end)) || after != end)
			break;
		end = last;
	}
	*text = begin;
	*size = (size_t)(end - begin);
}
