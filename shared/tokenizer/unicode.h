/*
 * What Hugging Face's `tokenizers` makes of a code point. The tables are read off that library
 * (make_unicode.py), whose parts follow different versions of Unicode.
 */
#ifndef FREEAL_TOKENIZER_UNICODE_H
#define FREEAL_TOKENIZER_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum unicode_flags {
	/* BertNormalizer: clean_text takes it out, or makes it a space; gets spaces around it. */
	UNICODE_CLEAN_DROP = 1,
	UNICODE_CLEAN_SPACE = 2,
	UNICODE_CHINESE = 4,
	/* BertPreTokenizer. */
	UNICODE_BERT_SPACE = 8,
	UNICODE_BERT_PUNCTUATION = 16,
	/* ByteLevel's regular expression: \p{L}, \p{N}, \s. */
	UNICODE_LETTER = 32,
	UNICODE_NUMBER = 64,
	UNICODE_SPACE = 128,
	/* strip_accents takes it out. */
	UNICODE_MARK = 256,
};

#define UNICODE_STRIPPED_MAX 3
#define UNICODE_LOWER_MAX 2
/* Its place among the marks behind a character: 0: it is no such mark; they stand by rising
 * number. UNICODE_ORDER_DROPPED: it is taken out. */
#define UNICODE_ORDER(flags) ((flags) >> 9)
#define UNICODE_ORDER_DROPPED 7

uint32_t unicode_flags(uint32_t code_point);
/* Its canonical decomposition without marks; returns the number of code points, 0 for a mark. */
size_t unicode_strip(uint32_t code_point, uint32_t ret_points[UNICODE_STRIPPED_MAX]);
/* Its lower case; returns the number of code points. */
size_t unicode_lower(uint32_t code_point, uint32_t ret_points[UNICODE_LOWER_MAX]);

#endif
