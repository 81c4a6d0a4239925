#include "tokenizer/wordpiece.h"

#include "text/utf8.h"
#include "tokenizer/unicode.h"

#include <assert.h>
#include <string.h>

/* A text on its way through: normalised code points come in, whole words go out as ids. */
struct run {
	const struct wordpiece *w;
	uint32_t *ids;
	size_t count, ids_max;
	/* The word so far. What is over the ceiling is counted, not kept: it's unknown anyway. */
	size_t chars, bytes;
	char word[WORDPIECE_CHARS_MAX * UTF8_BYTES_MAX];
	/* Marks that wait for their order; likewise counted on over the ceiling. */
	size_t mark_count;
	uint32_t marks[WORDPIECE_CHARS_MAX];
};

static void run_id(struct run *r, uint32_t id)
{
	if (r->count < r->ids_max)
		r->ids[r->count++] = id;
}

/* The longest token that the word goes on with at `begin`; returns its bytes of the word. */
static size_t longest_piece(const struct run *r, size_t begin, uint32_t *ret_id)
{
	const struct vocabulary *v = &r->w->vocabulary;
	const char *prefix = begin ? r->w->prefix : "";
	size_t prefix_bytes = strlen(prefix);
	uint64_t hashes[WORDPIECE_CHARS_MAX * UTF8_BYTES_MAX + 1];
	hashes[0] = vocabulary_hash(VOCABULARY_HASH_BEGIN, prefix, prefix_bytes);
	size_t size = 0;
	for (; begin + size < r->bytes && prefix_bytes + size < v->token_bytes_max; size++)
		hashes[size + 1] = vocabulary_hash(hashes[size], r->word + begin + size, 1);
	for (; size > 0; size--) {
		*ret_id = vocabulary_find_joined(v, hashes[size], prefix, prefix_bytes,
						 r->word + begin, size);
		if (*ret_id != VOCABULARY_NONE)
			break;
	}
	return size;
}

static void run_word(struct run *r)
{
	size_t begin = 0, first = r->count;
	bool known = r->chars <= r->w->chars_max;
	while (known && begin < r->bytes) {
		uint32_t id;
		size_t size = longest_piece(r, begin, &id);
		known = size > 0;
		begin += size;
		if (known)
			run_id(r, id);
	}
	if (!known) {
		r->count = first;
		run_id(r, r->w->unknown);
	}
	r->chars = r->bytes = 0;
}

static void run_flush(struct run *r)
{
	if (r->chars)
		run_word(r);
}

/* BertPreTokenizer. */
static void run_point(struct run *r, uint32_t c)
{
	uint32_t flags = unicode_flags(c);
	bool alone = flags & UNICODE_BERT_PUNCTUATION;
	if (alone || (flags & UNICODE_BERT_SPACE))
		run_flush(r);
	if (flags & UNICODE_BERT_SPACE)
		return;
	if (r->chars++ < r->w->chars_max)
		r->bytes += utf8_put(r->word + r->bytes, c);
	if (alone)
		run_flush(r);
}

static void run_cased(struct run *r, uint32_t c)
{
	if (!r->w->lower) {
		run_point(r, c);
		return;
	}
	uint32_t to[UNICODE_LOWER_MAX];
	size_t n = unicode_lower(c, to);
	for (size_t i = 0; i < n; i++)
		run_point(r, to[i]);
}

/* Canonical order: stable, by the marks' classes. */
static void run_marks(struct run *r)
{
	size_t kept = r->mark_count < WORDPIECE_CHARS_MAX ? r->mark_count : WORDPIECE_CHARS_MAX;
	for (uint32_t order = 1; kept && order < UNICODE_ORDER_DROPPED; order++)
		for (size_t i = 0; i < kept; i++)
			if (UNICODE_ORDER(unicode_flags(r->marks[i])) == order)
				run_cased(r, r->marks[i]);
	for (; kept < r->mark_count; kept++)
		run_cased(r, r->marks[0]);
	r->mark_count = 0;
}

static void run_accented(struct run *r, uint32_t c)
{
	if (!r->w->strip) {
		run_cased(r, c);
		return;
	}
	uint32_t to[UNICODE_STRIPPED_MAX];
	size_t n = unicode_strip(c, to);
	if (n == 0 && UNICODE_ORDER(unicode_flags(c)) == 0)
		run_marks(r);
	for (size_t i = 0; i < n; i++) {
		if (UNICODE_ORDER(unicode_flags(to[i]))) {
			if (r->mark_count++ < WORDPIECE_CHARS_MAX)
				r->marks[r->mark_count - 1] = to[i];
			continue;
		}
		run_marks(r);
		run_cased(r, to[i]);
	}
}

/* clean_text and handle_chinese_chars. */
static void run_raw(struct run *r, uint32_t c)
{
	uint32_t flags = unicode_flags(c);
	if (r->w->clean && (flags & UNICODE_CLEAN_DROP))
		return;
	if (r->w->clean && (flags & UNICODE_CLEAN_SPACE))
		c = ' ';
	bool alone = r->w->chinese && (flags & UNICODE_CHINESE);
	if (alone)
		run_accented(r, ' ');
	run_accented(r, c);
	if (alone)
		run_accented(r, ' ');
}

size_t wordpiece_encode(const struct wordpiece *w, const char *text, size_t bytes,
			uint32_t *ret_ids, size_t ids_max)
{
	assert(w->chars_max <= WORDPIECE_CHARS_MAX);
	struct run r;
	r.w = w;
	r.ids = ret_ids;
	r.ids_max = ids_max;
	r.count = r.chars = r.bytes = r.mark_count = 0;
	for (const char *at = text, *end = text + bytes; at < end && r.count < ids_max;)
		run_raw(&r, utf8_next(&at, end));
	run_marks(&r);
	run_flush(&r);
	return r.count;
}
