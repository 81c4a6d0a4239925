#include "tokenizer/vocabulary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 1024
#define TEXT_BYTES_MAX (64u << 20)
#define TOKEN_SHOWN_MAX 60 /* of a token in a message */

void vocabulary_init(struct vocabulary *v)
{
	*v = (struct vocabulary){.size = 0};
	buf_init(&v->text, TEXT_BYTES_MAX);
}

void vocabulary_done(struct vocabulary *v)
{
	free(v->slots);
	free(v->ids);
	buf_done(&v->text);
	vocabulary_init(v);
}

/* The upper half is well mixed by the multiplication, the lower one by this. */
static uint32_t fold(uint64_t hash)
{
	return (uint32_t)((hash ^ hash >> 32) * 0x9e3779b97f4a7c15u >> 32);
}

static bool is_token(const struct vocabulary *v, const struct vocabulary_token *t, uint32_t hash,
		     const char *head, size_t head_bytes, const char *tail, size_t tail_bytes)
{
	if (t->hash != hash || t->size != head_bytes + tail_bytes)
		return false;
	const char *text = buf_str(&v->text) + t->begin;
	return memcmp(text, head, head_bytes) == 0 &&
	       memcmp(text + head_bytes, tail, tail_bytes) == 0;
}

/* The token's slot, or the free one for it; the table has free ones. */
static struct vocabulary_token *slot(const struct vocabulary *v, uint32_t hash, const char *head,
				     size_t head_bytes, const char *tail, size_t tail_bytes)
{
	for (size_t i = hash & (v->capacity - 1);; i = (i + 1) & (v->capacity - 1)) {
		struct vocabulary_token *t = &v->slots[i];
		if (t->id == VOCABULARY_NONE ||
		    is_token(v, t, hash, head, head_bytes, tail, tail_bytes))
			return t;
	}
}

static enum err reserve_slot(struct vocabulary *v)
{
	if (v->capacity && v->count < v->capacity / 2)
		return ERR_OK;
	struct vocabulary next = *v;
	next.capacity = v->capacity ? v->capacity * 2 : CAPACITY_FIRST;
	next.slots = malloc(next.capacity * sizeof *next.slots);
	if (!next.slots)
		return ERR_NO_MEMORY;
	memset(next.slots, 0xff, next.capacity * sizeof *next.slots);
	for (size_t i = 0; i < v->capacity; i++) {
		const struct vocabulary_token *t = &v->slots[i];
		if (t->id != VOCABULARY_NONE)
			*slot(&next, t->hash, buf_str(&v->text) + t->begin, t->size, "", 0) = *t;
	}
	free(v->slots);
	*v = next;
	return ERR_OK;
}

static enum err grow(struct vocabulary *v, uint64_t id, struct err_msg *msg)
{
	if (id >= VOCABULARY_IDS_MAX)
		return err_set(msg, ERR_CORRUPT, "id %llu is too large: ids are below %u",
			       (unsigned long long)id, VOCABULARY_IDS_MAX);
	if (!v->ids)
		v->ids = calloc(VOCABULARY_IDS_MAX / 8, 1);
	if (!v->ids)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	if (id >= v->size)
		v->size = (uint32_t)id + 1;
	return ERR_OK;
}

static int shown(size_t bytes)
{
	return bytes < TOKEN_SHOWN_MAX ? (int)bytes : TOKEN_SHOWN_MAX;
}

static enum err put(struct vocabulary *v, const char *token, size_t bytes, uint64_t id, bool moves,
		    struct err_msg *msg)
{
	enum err e = grow(v, id, msg);
	if (e)
		return e;
	unsigned char *taken = &v->ids[id / 8], bit = (unsigned char)(1u << id % 8);
	if (*taken & bit)
		return err_set(msg, ERR_CORRUPT, "two tokens have the id %llu, one is \"%.*s\"",
			       (unsigned long long)id, shown(bytes), token);
	if (reserve_slot(v))
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	uint32_t hash = fold(vocabulary_hash(VOCABULARY_HASH_BEGIN, token, bytes));
	struct vocabulary_token *t = slot(v, hash, token, bytes, "", 0);
	if (t->id != VOCABULARY_NONE && !moves)
		return err_set(msg, ERR_CORRUPT, "the token \"%.*s\" is there twice", shown(bytes),
			       token);
	if (t->id == VOCABULARY_NONE) {
		size_t begin = v->text.size;
		buf_add(&v->text, token, bytes);
		if (buf_error(&v->text))
			return err_set(msg, ERR_NO_MEMORY, "the vocabulary does not fit in memory");
		*t = (struct vocabulary_token){
		    .hash = hash, .begin = (uint32_t)begin, .size = (uint32_t)bytes};
		v->count++;
	}
	t->id = (uint32_t)id;
	*taken |= bit;
	if (bytes > v->token_bytes_max)
		v->token_bytes_max = bytes;
	return ERR_OK;
}

enum err vocabulary_add(struct vocabulary *v, const char *token, size_t bytes, uint64_t id,
			struct err_msg *msg)
{
	return put(v, token, bytes, id, false, msg);
}

enum err vocabulary_put(struct vocabulary *v, const char *token, size_t bytes, uint64_t id,
			struct err_msg *msg)
{
	return put(v, token, bytes, id, true, msg);
}

uint32_t vocabulary_find_joined(const struct vocabulary *v, uint64_t hash, const char *head,
				size_t head_bytes, const char *tail, size_t tail_bytes)
{
	if (!v->capacity)
		return VOCABULARY_NONE;
	return slot(v, fold(hash), head, head_bytes, tail, tail_bytes)->id;
}

uint32_t vocabulary_find(const struct vocabulary *v, const char *token, size_t bytes)
{
	uint64_t hash = vocabulary_hash(VOCABULARY_HASH_BEGIN, token, bytes);
	return vocabulary_find_joined(v, hash, "", 0, token, bytes);
}

enum err vocabulary_need(const struct vocabulary *v, const char *token, uint32_t *ret_id,
			 struct err_msg *msg)
{
	uint32_t id = vocabulary_find(v, token, strlen(token));
	if (id == VOCABULARY_NONE)
		return err_set(msg, ERR_CORRUPT,
			       "the special token \"%.60s\" is not in the vocabulary", token);
	*ret_id = id;
	return ERR_OK;
}
