/*
 * Texts to token ids, as Hugging Face's `tokenizers` does: WordPiece (BERT, DistilBERT; cased or
 * not) and byte-level BPE (RoBERTa).
 *
 * Immutable once loaded, so threads may share one. The names of special tokens in a text are
 * plain text.
 */
#ifndef FREEAL_TOKENIZER_TOKENIZER_H
#define FREEAL_TOKENIZER_TOKENIZER_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct tokenizer;

/*
 * Reads tokenizer.json, else vocab.txt, else vocab.json and merges.txt. What
 * tokenizer_config.json says about case, accents, ideographs and the space before a text counts
 * more; without tokenizer.json it and special_tokens_map.json name the special tokens.
 * Truncation and padding stored in tokenizer.json are ignored. ERR_NOT_FOUND: none of these
 * files; ERR_INVALID: of a kind that is not supported (the message names it);
 * ERR_CORRUPT: damaged; ERR_LIMIT: a file is too large; ERR_IO, ERR_NO_MEMORY.
 */
enum err tokenizer_load(const char *folder, struct tokenizer **ret_tokenizer,
			struct err_msg *msg) WARN_UNUSED;
void tokenizer_free(struct tokenizer *t);

/* Ids are below this. */
uint32_t tokenizer_vocabulary(const struct tokenizer *t);

/*
 * Ids of a UTF-8 text with the special tokens around it, as the fast tokenizer's
 * `encode(text)` with truncation to `ids_max` (at least 3). The text is 1 .. ids_max - 2 tokens
 * in between, or none. Returns the number of ids in `ret_ids` (ids_max). Bytes that are no UTF-8
 * are taken as U+FFFD. ERR_NO_MEMORY alone can happen.
 */
enum err tokenizer_encode(const struct tokenizer *t, const char *text, size_t text_bytes,
			  uint32_t *ret_ids, size_t ids_max, size_t *ret_count) WARN_UNUSED;

/* NULL-terminated names of the files a tokenizer may consist of, for whoever copies one. */
extern const char *const tokenizer_files[];

#endif
