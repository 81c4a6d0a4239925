#include "tokenizer/unicode.h"

struct unicode_range {
	uint32_t first;
	uint16_t flags;
};

struct unicode_stripped {
	uint32_t from;
	uint32_t to[UNICODE_STRIPPED_MAX];
};

struct unicode_lower {
	uint32_t first, last, step;
	int32_t distance;
};

/* The words of the generated tables. */
enum {
	CLEAN_DROP = UNICODE_CLEAN_DROP,
	CLEAN_SPACE = UNICODE_CLEAN_SPACE,
	CHINESE = UNICODE_CHINESE,
	BERT_SPACE = UNICODE_BERT_SPACE,
	BERT_PUNCTUATION = UNICODE_BERT_PUNCTUATION,
	LETTER = UNICODE_LETTER,
	NUMBER = UNICODE_NUMBER,
	SPACE = UNICODE_SPACE,
	MARK = UNICODE_MARK,
};
#define ORDER(n) ((n) << 9)
#include "tokenizer/unicode.inc"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define DOTTED_CAPITAL_I 0x130u

#define HANGUL_FIRST 0xac00u
#define HANGUL_LAST 0xd7a3u
#define HANGUL_VOWELS 21u
#define HANGUL_TAILS 28u

uint32_t unicode_flags(uint32_t c)
{
	if (c < COUNT(ascii))
		return ascii[c];
	size_t low = 0, high = COUNT(ranges);
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (ranges[middle].first <= c)
			low = middle;
		else
			high = middle;
	}
	return ranges[low].flags;
}

/* By the formula of the Unicode standard, chapter 3.12. */
static size_t strip_hangul(uint32_t c, uint32_t ret_points[UNICODE_STRIPPED_MAX])
{
	uint32_t s = c - HANGUL_FIRST;
	ret_points[0] = 0x1100 + s / (HANGUL_VOWELS * HANGUL_TAILS);
	ret_points[1] = 0x1161 + s / HANGUL_TAILS % HANGUL_VOWELS;
	ret_points[2] = 0x11a7 + s % HANGUL_TAILS;
	return s % HANGUL_TAILS ? 3 : 2;
}

size_t unicode_strip(uint32_t c, uint32_t ret_points[UNICODE_STRIPPED_MAX])
{
	ret_points[0] = c;
	if (c < stripped[0].from)
		return 1;
	if (unicode_flags(c) & UNICODE_MARK)
		return 0;
	if (c >= HANGUL_FIRST && c <= HANGUL_LAST)
		return strip_hangul(c, ret_points);
	size_t low = 0, high = COUNT(stripped);
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (stripped[middle].from <= c)
			low = middle;
		else
			high = middle;
	}
	if (stripped[low].from != c)
		return 1;
	size_t n = 0;
	for (; n < UNICODE_STRIPPED_MAX && stripped[low].to[n]; n++)
		ret_points[n] = stripped[low].to[n];
	return n;
}

size_t unicode_lower(uint32_t c, uint32_t ret_points[UNICODE_LOWER_MAX])
{
	ret_points[0] = c;
	if (c < 0x80) {
		ret_points[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
		return 1;
	}
	if (c == DOTTED_CAPITAL_I) {
		ret_points[0] = 'i';
		ret_points[1] = 0x307;
		return 2;
	}
	size_t low = 0, high = COUNT(lowered);
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (lowered[middle].first <= c)
			low = middle;
		else
			high = middle;
	}
	const struct unicode_lower *run = &lowered[low];
	if (c >= run->first && c <= run->last && (c - run->first) % run->step == 0)
		ret_points[0] = (uint32_t)((int32_t)c + run->distance);
	return 1;
}
