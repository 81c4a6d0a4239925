#include "mockllm/words.h"

#include <math.h>
#include <string.h>

/* FNV-1a over the lower-cased bytes of one word. */
static uint64_t word_hash(const unsigned char *s, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = s[i] >= 'A' && s[i] <= 'Z' ? (unsigned char)(s[i] + 32) : s[i];
		hash = (hash ^ c) * 0x100000001b3u;
	}
	return hash;
}

static bool is_word_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c >= 0x80;
}

void words_split(struct words *ret_words, const char *text, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	ret_words->count = 0;
	for (size_t i = 0; i < size && ret_words->count < WORDS_MAX;) {
		size_t start = i;
		while (i < size && is_word_byte(s[i]))
			i++;
		if (i > start)
			ret_words->hashes[ret_words->count++] = word_hash(s + start, i - start);
		else
			i++;
	}
}

bool words_have(const struct words *w, const struct words *phrase)
{
	if (phrase->count == 0)
		return false;
	for (size_t i = 0; i + phrase->count <= w->count; i++) {
		if (memcmp(w->hashes + i, phrase->hashes, phrase->count * sizeof(uint64_t)) == 0)
			return true;
	}
	return false;
}

static bool words_contain(const uint64_t *hashes, size_t count, uint64_t hash)
{
	for (size_t i = 0; i < count; i++) {
		if (hashes[i] == hash)
			return true;
	}
	return false;
}

size_t words_shared(const struct words *a, const struct words *b)
{
	size_t shared = 0;
	for (size_t i = 0; i < a->count; i++) {
		if (!words_contain(a->hashes, i, a->hashes[i]) &&
		    words_contain(b->hashes, b->count, a->hashes[i]))
			shared++;
	}
	return shared;
}

double words_cosine(const struct words *a, const struct words *b)
{
	float counts_a[WORDS_BUCKETS] = {0};
	float counts_b[WORDS_BUCKETS] = {0};
	double dot = 0;
	double norm_a = 0;
	double norm_b = 0;
	/* FNV's low bits are its good ones. */
	for (size_t i = 0; i < a->count; i++)
		counts_a[a->hashes[i] % WORDS_BUCKETS]++;
	for (size_t i = 0; i < b->count; i++)
		counts_b[b->hashes[i] % WORDS_BUCKETS]++;
	for (size_t i = 0; i < WORDS_BUCKETS; i++) {
		dot += (double)counts_a[i] * (double)counts_b[i];
		norm_a += (double)counts_a[i] * (double)counts_a[i];
		norm_b += (double)counts_b[i] * (double)counts_b[i];
	}
	return norm_a > 0 && norm_b > 0 ? dot / sqrt(norm_a * norm_b) : 0;
}
