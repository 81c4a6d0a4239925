#include "tokenizer/bytelevel.h"

#include "text/utf8.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_STACK_MAX 256 /* bytes of a piece that are merged on the stack */

void bytelevel_done(struct bytelevel *b)
{
	merges_done(&b->merges);
	vocabulary_done(&b->words);
}

/* The alphabet: a byte that is a printable character of Latin-1 stands for itself, the others
 * are 256, 257, ... in their order. */
static bool stands_for_itself(uint32_t c)
{
	return (c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff);
}

static uint32_t letter_of_byte(unsigned char byte)
{
	if (stands_for_itself(byte))
		return byte;
	uint32_t others = 256;
	for (uint32_t c = 0; c < byte; c++)
		others += !stands_for_itself(c);
	return others;
}

/* -1: no letter of the alphabet. */
static int byte_of_letter(uint32_t c)
{
	if (c < 256)
		return stands_for_itself(c) ? (int)c : -1;
	for (uint32_t byte = 0, others = 256; byte < 256; byte++)
		if (!stands_for_itself(byte) && others++ == c)
			return (int)byte;
	return -1;
}

enum err bytelevel_merge(struct bytelevel *b, const struct vocabulary *v, const char *left,
			 size_t left_bytes, const char *right, size_t right_bytes, uint32_t rank,
			 struct err_msg *msg)
{
	uint64_t hash = vocabulary_hash(VOCABULARY_HASH_BEGIN, left, left_bytes);
	hash = vocabulary_hash(hash, right, right_bytes);
	struct merge m = {
	    .left = vocabulary_find(v, left, left_bytes),
	    .right = vocabulary_find(v, right, right_bytes),
	    .rank = rank,
	    .id = vocabulary_find_joined(v, hash, left, left_bytes, right, right_bytes),
	};
	if (m.left == VOCABULARY_NONE || m.right == VOCABULARY_NONE || m.id == VOCABULARY_NONE)
		return err_set(msg, ERR_CORRUPT,
			       "merge %u is of tokens that are not in the vocabulary", rank + 1);
	enum err e = merges_add(&b->merges, m);
	return e ? err_set(msg, e == ERR_LIMIT ? ERR_CORRUPT : e, "merge %u: too many", rank + 1)
		 : ERR_OK;
}

/* ERR_NOT_FOUND: a letter of it is none of the alphabet. */
static enum err spell_out(const char *token, size_t size, struct buf *ret_bytes)
{
	buf_reset(ret_bytes);
	for (const char *at = token, *end = token + size; at < end;) {
		int byte = byte_of_letter(utf8_next(&at, end));
		if (byte < 0)
			return ERR_NOT_FOUND;
		buf_add_char(ret_bytes, (char)byte);
	}
	return buf_error(ret_bytes);
}

/* The ids of a piece's bytes, merged. `ids` has room for one each. */
static enum err piece_ids(const struct bytelevel *b, const char *piece, size_t size, uint32_t *ids,
			  size_t *ret_count)
{
	size_t count = 0;
	for (size_t i = 0; i < size; i++) {
		uint32_t id = b->bytes[(unsigned char)piece[i]];
		if (id == VOCABULARY_NONE)
			id = b->unknown;
		if (id != VOCABULARY_NONE)
			ids[count++] = id;
	}
	return merges_apply(&b->merges, ids, count, ret_count);
}

/* Remembers the token's bytes where they would become this token. */
static enum err remember_word(struct bytelevel *b, const char *bytes, size_t size, uint32_t id,
			      struct err_msg *msg)
{
	uint32_t ids[PIECE_STACK_MAX];
	size_t count = 0;
	if (size == 0 || size > PIECE_STACK_MAX)
		return ERR_OK;
	enum err e = piece_ids(b, bytes, size, ids, &count);
	if (!e && count == 1 && ids[0] == id)
		e = vocabulary_add(&b->words, bytes, size, id, msg);
	return e;
}

enum err bytelevel_tokens(struct bytelevel *b, const struct vocabulary *v, struct err_msg *msg)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		char letter[UTF8_BYTES_MAX];
		size_t size = utf8_put(letter, letter_of_byte((unsigned char)byte));
		b->bytes[byte] = vocabulary_find(v, letter, size);
	}
	struct buf bytes;
	buf_init(&bytes, PIECE_STACK_MAX);
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < v->capacity; i++) {
		const struct vocabulary_token *t = &v->slots[i];
		/* Longer ones are merged each time. */
		if (t->id == VOCABULARY_NONE ||
		    spell_out(buf_str(&v->text) + t->begin, t->size, &bytes))
			continue;
		e = remember_word(b, buf_str(&bytes), bytes.size, t->id, msg);
	}
	buf_done(&bytes);
	return e;
}

/*
 * The end of the piece that begins at `at`, as the regular expression of GPT-2 finds it:
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * The text is valid UTF-8 and at < end.
 */
static size_t contraction(const char *at, const char *end)
{
	static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		size_t size = strlen(endings[i]);
		if ((size_t)(end - at) > size && memcmp(at + 1, endings[i], size) == 0)
			return 1 + size;
	}
	return 0;
}

static uint32_t kind_at(const char **at, const char *end)
{
	return unicode_flags(utf8_next(at, end)) &
	       (UNICODE_LETTER | UNICODE_NUMBER | UNICODE_SPACE);
}

static const char *piece_end(const char *at, const char *end)
{
	if (*at == '\'' && contraction(at, end))
		return at + contraction(at, end);
	const char *p = at, *before = at;
	uint32_t kind = kind_at(&p, end);
	if (*at == ' ' && p < end) {
		const char *second = p;
		kind = kind_at(&second, end);
		p = kind == UNICODE_SPACE ? p : second;
	}
	const char *next = p;
	while (next < end && kind_at(&next, end) == kind) {
		before = p;
		p = next;
	}
	/* White space leaves its last character to what follows, unless that is all of it. */
	bool leaves_one = kind == UNICODE_SPACE && p < end && before > at;
	return leaves_one ? before : p;
}

static enum err encode_piece(const struct bytelevel *b, const char *piece, size_t size,
			     uint32_t *ret_ids, size_t ids_max, size_t *count)
{
	uint32_t stack[PIECE_STACK_MAX], *ids = stack;
	size_t n = 1;
	enum err e = ERR_OK;
	stack[0] = size <= b->words.token_bytes_max ? vocabulary_find(&b->words, piece, size)
						    : VOCABULARY_NONE;
	if (stack[0] == VOCABULARY_NONE) {
		if (size > PIECE_STACK_MAX)
			ids = malloc(size * sizeof *ids);
		e = ids ? piece_ids(b, piece, size, ids, &n) : ERR_NO_MEMORY;
	}
	for (size_t i = 0; !e && i < n && *count < ids_max; i++)
		ret_ids[(*count)++] = ids[i];
	if (ids != stack)
		free(ids);
	return e;
}

/* A text that is valid UTF-8 and begins with a space where it must: itself, or a copy, which
 * *ret_copy then owns. */
static enum err prepare(const struct bytelevel *b, const char **text, size_t *size, char **ret_copy)
{
	bool lacks_space = b->prefix_space && *size > 0 && **text != ' ';
	bool valid = utf8_is_valid(*text, *size);
	*ret_copy = NULL;
	if (valid && !lacks_space)
		return ERR_OK;
	char *copy = malloc(1 + (valid ? *size : *size * 3));
	if (!copy)
		return ERR_NO_MEMORY;
	size_t n = 0;
	if (lacks_space)
		copy[n++] = ' ';
	if (valid && *size)
		memcpy(copy + n, *text, *size);
	n += valid ? *size : 0;
	for (const char *at = *text, *end = at + *size; !valid && at < end;)
		n += utf8_put(copy + n, utf8_next(&at, end));
	*text = *ret_copy = copy;
	*size = n;
	return ERR_OK;
}

enum err bytelevel_encode(const struct bytelevel *b, const char *text, size_t bytes,
			  uint32_t *ret_ids, size_t ids_max, size_t *ret_count)
{
	char *copy;
	enum err e = prepare(b, &text, &bytes, &copy);
	if (e)
		return e;
	size_t count = 0;
	for (const char *at = text, *end = text + bytes; !e && at < end && count < ids_max;) {
		const char *after = piece_end(at, end);
		e = encode_piece(b, at, (size_t)(after - at), ret_ids, ids_max, &count);
		at = after;
	}
	free(copy);
	if (!e)
		*ret_count = count;
	return e;
}
