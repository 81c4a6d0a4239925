#include "tokenizer/tokenizer_impl.h"

#include <string.h>

static enum err read_normalizer(struct wordpiece *w, const json_t *normalizer, struct err_msg *msg)
{
	const char *type = part_type(normalizer);
	if (strcmp(type, "null") == 0) {
		w->clean = w->chinese = w->strip = w->strip_set = w->lower = false;
		return ERR_OK;
	}
	if (strcmp(type, "BertNormalizer") != 0)
		return part_unsupported(msg, "normalizer", normalizer, "BertNormalizer");
	enum err e = part_bool(normalizer, "clean_text", &w->clean, msg);
	if (!e)
		e = part_bool(normalizer, "handle_chinese_chars", &w->chinese, msg);
	if (!e)
		e = part_bool(normalizer, "lowercase", &w->lower, msg);
	if (!e)
		e = part_bool(normalizer, "strip_accents", &w->strip, msg);
	w->strip_set = json_is_boolean(json_object_get(normalizer, "strip_accents"));
	return e;
}

static enum err read_prefix(struct wordpiece *w, const json_t *prefix, struct err_msg *msg)
{
	if (!prefix)
		return ERR_OK;
	if (!json_is_string(prefix))
		return err_set(msg, ERR_CORRUPT, "continuing_subword_prefix is no string");
	size_t size = json_string_length(prefix);
	if (size > WORDPIECE_PREFIX_MAX)
		return err_set(msg, ERR_INVALID, "continuing_subword_prefix is over %d bytes",
			       WORDPIECE_PREFIX_MAX);
	memcpy(w->prefix, json_string_value(prefix), size + 1);
	return ERR_OK;
}

static enum err read_chars_max(struct wordpiece *w, const json_t *chars, struct err_msg *msg)
{
	if (!chars)
		return ERR_OK;
	json_int_t n = json_integer_value(chars);
	if (!json_is_integer(chars) || n < 0)
		return err_set(msg, ERR_CORRUPT, "max_input_chars_per_word is no number");
	if (n > WORDPIECE_CHARS_MAX)
		return err_set(msg, ERR_INVALID, "max_input_chars_per_word is over %d",
			       WORDPIECE_CHARS_MAX);
	w->chars_max = (uint32_t)n;
	return ERR_OK;
}

enum err wordpiece_read(struct wordpiece *w, const json_t *root, struct err_msg *msg)
{
	const json_t *model = json_object_get(root, "model");
	const json_t *pre = json_object_get(root, "pre_tokenizer");
	if (strcmp(part_type(pre), "BertPreTokenizer") != 0)
		return part_unsupported(msg, "pre-tokenizer", pre, "BertPreTokenizer");
	enum err e = read_normalizer(w, json_object_get(root, "normalizer"), msg);
	if (!e)
		e = read_prefix(w, json_object_get(model, "continuing_subword_prefix"), msg);
	if (!e)
		e = read_chars_max(w, json_object_get(model, "max_input_chars_per_word"), msg);
	if (!e)
		e = vocabulary_read(&w->vocabulary, json_object_get(model, "vocab"), msg);
	const char *unknown = json_string_value(json_object_get(model, "unk_token"));
	if (!e && !unknown)
		e = err_set(msg, ERR_CORRUPT, "the model has no unk_token");
	if (!e)
		e = vocabulary_need(&w->vocabulary, unknown, &w->unknown, msg);
	return e;
}
