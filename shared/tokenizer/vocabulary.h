/*
 * The tokens of a vocabulary: byte strings and their ids, both ways.
 */
#ifndef FREEAL_TOKENIZER_VOCABULARY_H
#define FREEAL_TOKENIZER_VOCABULARY_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define VOCABULARY_NONE UINT32_MAX
#define VOCABULARY_IDS_MAX (1u << 20) /* ids are below it */

struct vocabulary_token {
	uint32_t hash;
	uint32_t id;	      /* VOCABULARY_NONE: a free slot */
	uint32_t begin, size; /* in `text` */
};

struct vocabulary {
	struct vocabulary_token *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	struct buf text;
	unsigned char *ids; /* a bit for each id: taken */
	uint32_t size;	    /* ids are below */
	size_t token_bytes_max;
};

void vocabulary_init(struct vocabulary *v);
void vocabulary_done(struct vocabulary *v);

/* ERR_CORRUPT: the token or the id is there already, or the id is too large. */
enum err vocabulary_add(struct vocabulary *v, const char *token, size_t bytes, uint64_t id,
			struct err_msg *msg) WARN_UNUSED;
/* The token moves to another id; its old one has none. As vocabulary_add() where it's new. */
enum err vocabulary_put(struct vocabulary *v, const char *token, size_t bytes, uint64_t id,
			struct err_msg *msg) WARN_UNUSED;

/* VOCABULARY_NONE: not there. */
uint32_t vocabulary_find(const struct vocabulary *v, const char *token, size_t bytes);

/* ERR_CORRUPT: a special token is not there. */
enum err vocabulary_need(const struct vocabulary *v, const char *token, uint32_t *ret_id,
			 struct err_msg *msg) WARN_UNUSED;

/* For who looks up one prefix after the other: begins with VOCABULARY_HASH_BEGIN. */
#define VOCABULARY_HASH_BEGIN 0xcbf29ce484222325u
static inline uint64_t vocabulary_hash(uint64_t hash, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u; /* FNV-1a */
	return hash;
}
/* The token that is `head` and then `tail`, whose hash is given. */
uint32_t vocabulary_find_joined(const struct vocabulary *v, uint64_t hash, const char *head,
				size_t head_bytes, const char *tail, size_t tail_bytes);

#endif
