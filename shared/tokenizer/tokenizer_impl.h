/*
 * Inside of a tokenizer, and how one is read. Whoever reads fills `t`, fresh from
 * tokenizer_new(); on an error the caller frees it. Errors are as tokenizer_load() has them.
 */
#ifndef FREEAL_TOKENIZER_TOKENIZER_IMPL_H
#define FREEAL_TOKENIZER_TOKENIZER_IMPL_H

#include "tokenizer/bytelevel.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/wordpiece.h"

#include <jansson.h>

enum tokenizer_kind {
	TOKENIZER_WORDPIECE,
	TOKENIZER_BYTELEVEL,
};

struct tokenizer {
	enum tokenizer_kind kind;
	struct wordpiece wordpiece;
	struct bytelevel bytelevel;
	uint32_t first, last; /* ids around every text */
	uint32_t vocabulary;
};

/* NULL: no memory. */
struct tokenizer *tokenizer_new(void);

/* tokenizer.json. */
enum err tokenizer_read_json(struct tokenizer *t, const json_t *root,
			     struct err_msg *msg) WARN_UNUSED;
/* vocab.txt, or else vocab.json and merges.txt; `config` as below. ERR_NOT_FOUND: neither. */
enum err tokenizer_read_plain(struct tokenizer *t, const char *folder, const json_t *config,
			      struct err_msg *msg) WARN_UNUSED;
/* tokenizer_config.json, or NULL: what it says about case, accents, ideographs and the first
 * space counts more than what was read. */
enum err tokenizer_read_config(struct tokenizer *t, const json_t *config,
			       struct err_msg *msg) WARN_UNUSED;

/* The whole file, which is not very large; buf_done() it. */
enum err tokenizer_file(const char *folder, const char *name, struct buf *ret_text,
			struct err_msg *msg) WARN_UNUSED;
/* A file that is a JSON object. */
enum err tokenizer_file_json(const char *folder, const char *name, json_t **ret_root,
			     struct err_msg *msg) WARN_UNUSED;

/* Parts of tokenizer.json: everything but special tokens. */
enum err wordpiece_read(struct wordpiece *w, const json_t *root, struct err_msg *msg) WARN_UNUSED;
enum err bytelevel_read(struct bytelevel *b, struct vocabulary *v, const json_t *root,
			struct err_msg *msg) WARN_UNUSED;
/* {"token": id, ...} */
enum err vocabulary_read(struct vocabulary *v, const json_t *object,
			 struct err_msg *msg) WARN_UNUSED;
/* The lines of merges.txt, then what follows from them. */
enum err bytelevel_read_merges(struct bytelevel *b, const struct vocabulary *v,
			       const struct buf *text, struct err_msg *msg) WARN_UNUSED;

/* "null", a value's "type", or words for one without. */
const char *part_type(const json_t *part);
enum err part_unsupported(struct err_msg *msg, const char *what, const json_t *part,
			  const char *supported);
/* Leaves *ret where the key is missing or null. */
enum err part_bool(const json_t *part, const char *key, bool *ret, struct err_msg *msg) WARN_UNUSED;

#endif
