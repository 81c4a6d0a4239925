#include "trainer/terms.h"

#include "base/rng.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHAR_GRAM_MIN = 3,
	CHAR_GRAM_MAX = 5,
	RADIX_BITS = 8,
	RADIX_PASSES = 3, /* 24 bits: TERMS_BITS_MAX and the bit for characters fit */
};

static const uint64_t WORD_SEED = 0x776f7264;
static const uint64_t PAIR_SEED = 0x70616972;
static const uint64_t CHAR_SEED = 0x63686172;

void terms_init(struct terms *t, uint32_t bits)
{
	assert(bits >= 1 && bits <= TERMS_BITS_MAX);
	*t = (struct terms){.bits = bits};
}

void terms_done(struct terms *t)
{
	if (!t)
		return;
	free(t->buckets);
	free(t->counts);
	free(t->scratch);
	free(t->points);
	*t = (struct terms){.bits = t->bits};
}

/* One code point; a byte that starts none is returned as a lone surrogate. */
static uint32_t point_decode(const unsigned char *p, size_t left, size_t *ret_used)
{
	size_t more = p[0] < 0x80 ? 0 : p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 9;
	*ret_used = 1;
	if (more == 0)
		return p[0];
	if (more >= left || more > 3)
		return 0xdc00u + p[0];
	uint32_t c = p[0] & (0x3fu >> more);
	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xdc00u + p[0];
		c = c << 6 | (p[i] & 0x3f);
	}
	*ret_used = more + 1;
	return c;
}

static uint32_t point_lower(uint32_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c + 32;
	if (c < 0xc0)
		return c;
	if ((c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	return c;
}

static bool point_is_space(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
	       c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

static bool point_is_word(uint32_t c)
{
	if (c < 0x80)
		return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
	if (c < 0xc0)
		return c == 0xaa || c == 0xb2 || c == 0xb3 || c == 0xb5 || c == 0xb9 || c == 0xba ||
		       (c >= 0xbc && c <= 0xbe);
	/* Signs, general punctuation to symbols, CJK and full-width punctuation. */
	return c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c <= 0x206f) &&
	       !(c >= 0x20a0 && c <= 0x20cf) && !(c >= 0x2190 && c <= 0x2bff) &&
	       !(c >= 0x3000 && c <= 0x3004) && !(c >= 0x3008 && c <= 0x3020) &&
	       !(c >= 0xff01 && c <= 0xff0f) && !(c >= 0xff1a && c <= 0xff20);
}

/* Lower-cased code points with single spaces between pieces and at both ends. */
static enum err terms_decode(struct terms *t, const char *text, size_t size, size_t *ret_count)
{
	if (size + 2 > t->point_capacity) {
		size_t capacity = (size + 2) * 2;
		uint32_t *points = realloc(t->points, capacity * sizeof(*points));
		if (!points)
			return ERR_NO_MEMORY;
		t->points = points;
		t->point_capacity = capacity;
	}
	size_t count = 0;
	t->points[count++] = ' ';
	for (size_t i = 0, used; i < size; i += used) {
		uint32_t c = point_decode((const unsigned char *)text + i, size - i, &used);
		if (!point_is_space(c))
			t->points[count++] = point_lower(c);
		else if (t->points[count - 1] != ' ')
			t->points[count++] = ' ';
	}
	if (t->points[count - 1] != ' ')
		t->points[count++] = ' ';
	*ret_count = count;
	return ERR_OK;
}

static enum err terms_reserve(struct terms *t, size_t capacity)
{
	if (capacity <= t->capacity)
		return ERR_OK;
	capacity *= 2;
	uint32_t *buckets = realloc(t->buckets, capacity * sizeof(*buckets));
	if (buckets)
		t->buckets = buckets;
	uint32_t *scratch = realloc(t->scratch, capacity * sizeof(*scratch));
	if (scratch)
		t->scratch = scratch;
	float *counts = realloc(t->counts, capacity * sizeof(*counts));
	if (counts)
		t->counts = counts;
	if (!buckets || !scratch || !counts)
		return ERR_NO_MEMORY;
	t->capacity = capacity;
	return ERR_OK;
}

static void terms_push(struct terms *t, uint64_t hash, uint32_t kind)
{
	assert(t->size < t->capacity);
	t->buckets[t->size++] = (uint32_t)(hash >> (64 - t->bits)) | kind << t->bits;
}

static void terms_add_words(struct terms *t, size_t count)
{
	uint64_t previous = 0;
	bool any = false;
	for (size_t i = 0; i < count;) {
		uint64_t hash = WORD_SEED;
		size_t start = i;
		for (; i < count && point_is_word(t->points[i]); i++)
			hash = hash_mix(hash, t->points[i]);
		if (i - start >= 2) {
			terms_push(t, hash, 0);
			if (any)
				terms_push(t, hash_mix(hash_mix(PAIR_SEED, previous), hash), 0);
			previous = hash;
			any = true;
		}
		if (i == start)
			i++;
	}
}

/* Every n-gram that crosses no inner space: the points are ' ', piece, ' ', piece, ' '. */
static void terms_add_characters(struct terms *t, size_t count)
{
	for (size_t i = 0; i + CHAR_GRAM_MIN <= count; i++) {
		uint64_t hash = CHAR_SEED;
		for (size_t n = 1; n <= CHAR_GRAM_MAX && i + n <= count; n++) {
			uint32_t c = t->points[i + n - 1];
			hash = hash_mix(hash, c);
			if (n >= CHAR_GRAM_MIN)
				terms_push(t, hash, 1);
			if (c == ' ' && n > 1)
				break;
		}
	}
}

static void terms_sort(struct terms *t)
{
	for (uint32_t pass = 0; pass < RADIX_PASSES; pass++) {
		size_t places[1 << RADIX_BITS] = {0};
		uint32_t shift = pass * RADIX_BITS;
		for (size_t i = 0; i < t->size; i++)
			places[t->buckets[i] >> shift & 0xff]++;
		size_t place = 0;
		for (size_t d = 0; d < 1 << RADIX_BITS; d++) {
			size_t n = places[d];
			places[d] = place;
			place += n;
		}
		for (size_t i = 0; i < t->size; i++)
			t->scratch[places[t->buckets[i] >> shift & 0xff]++] = t->buckets[i];
		uint32_t *sorted = t->scratch;
		t->scratch = t->buckets;
		t->buckets = sorted;
	}
}

enum err terms_extract(struct terms *t, const char *text, size_t size)
{
	size_t count;
	enum err err = terms_decode(t, text, size, &count);
	if (!err)
		err = terms_reserve(t, count * (CHAR_GRAM_MAX - CHAR_GRAM_MIN + 1) + count);
	if (err)
		return err;
	t->size = 0;
	terms_add_words(t, count);
	terms_add_characters(t, count);
	terms_sort(t);
	size_t distinct = 0;
	for (size_t i = 0; i < t->size; i++) {
		if (distinct && t->buckets[distinct - 1] == t->buckets[i]) {
			t->counts[distinct - 1] += 1.0f;
			continue;
		}
		t->buckets[distinct] = t->buckets[i];
		t->counts[distinct++] = 1.0f;
	}
	t->size = distinct;
	return ERR_OK;
}
