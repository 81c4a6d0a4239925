#include "tokenizer/tokenizer_impl.h"

#include <string.h>

/* Settings of the model that change ids, and that no RoBERTa has. */
static enum err check_model(const json_t *model, struct err_msg *msg)
{
	static const char *const off[] = {"dropout",
					  "byte_fallback",
					  "ignore_merges",
					  "fuse_unk",
					  "continuing_subword_prefix",
					  "end_of_word_suffix"};
	for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
		const json_t *value = json_object_get(model, off[i]);
		bool is_off = !value || json_is_null(value) || json_is_false(value) ||
			      (json_is_string(value) && json_string_length(value) == 0) ||
			      (json_is_number(value) && !(json_number_value(value) > 0));
		if (!is_off)
			return err_set(msg, ERR_INVALID, "the BPE setting \"%s\" is not supported",
				       off[i]);
	}
	return ERR_OK;
}

static enum err read_pre_tokenizer(struct bytelevel *b, const json_t *root, struct err_msg *msg)
{
	const json_t *normalizer = json_object_get(root, "normalizer");
	const json_t *pre = json_object_get(root, "pre_tokenizer");
	if (strcmp(part_type(normalizer), "null") != 0)
		return part_unsupported(msg, "normalizer", normalizer, "null, with BPE,");
	if (strcmp(part_type(pre), "ByteLevel") != 0)
		return part_unsupported(msg, "pre-tokenizer", pre, "ByteLevel");
	bool splits = true;
	enum err e = part_bool(pre, "use_regex", &splits, msg);
	if (!e && !splits)
		e = err_set(msg, ERR_INVALID, "ByteLevel without use_regex is not supported");
	b->prefix_space = true; /* the library's default */
	return e ? e : part_bool(pre, "add_prefix_space", &b->prefix_space, msg);
}

/* "left right" */
static enum err read_pair(struct bytelevel *b, const struct vocabulary *v, const char *pair,
			  size_t size, uint32_t rank, struct err_msg *msg)
{
	const char *space = memchr(pair, ' ', size);
	size_t left = space ? (size_t)(space - pair) : 0, right = size - left - 1;
	if (!space || left == 0 || right == 0 || memchr(space + 1, ' ', right))
		return err_set(msg, ERR_CORRUPT, "merge %u is not two tokens", rank + 1);
	return bytelevel_merge(b, v, pair, left, space + 1, right, rank, msg);
}

static enum err read_merge(struct bytelevel *b, const struct vocabulary *v, const json_t *merge,
			   uint32_t rank, struct err_msg *msg)
{
	if (json_is_string(merge))
		return read_pair(b, v, json_string_value(merge), json_string_length(merge), rank,
				 msg);
	const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
	if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
		return err_set(msg, ERR_CORRUPT, "merge %u is not two tokens", rank + 1);
	return bytelevel_merge(b, v, json_string_value(left), json_string_length(left),
			       json_string_value(right), json_string_length(right), rank, msg);
}

enum err bytelevel_read(struct bytelevel *b, struct vocabulary *v, const json_t *root,
			struct err_msg *msg)
{
	const json_t *model = json_object_get(root, "model");
	const json_t *merges = json_object_get(model, "merges");
	enum err e = read_pre_tokenizer(b, root, msg);
	if (!e)
		e = check_model(model, msg);
	if (!e)
		e = vocabulary_read(v, json_object_get(model, "vocab"), msg);
	const char *unknown = json_string_value(json_object_get(model, "unk_token"));
	if (!e && unknown)
		e = vocabulary_need(v, unknown, &b->unknown, msg);
	if (!e && !json_is_array(merges))
		e = err_set(msg, ERR_CORRUPT, "the model has no list of merges");
	for (uint32_t i = 0; !e && i < json_array_size(merges); i++)
		e = read_merge(b, v, json_array_get(merges, i), i, msg);
	return e ? e : bytelevel_tokens(b, v, msg);
}

enum err bytelevel_read_merges(struct bytelevel *b, const struct vocabulary *v,
			       const struct buf *text, struct err_msg *msg)
{
	static const char version[] = "#version";
	enum err e = ERR_OK;
	uint32_t rank = 0;
	const char *end = buf_str(text) + text->size;
	for (const char *at = buf_str(text), *after; !e && at < end; at = after) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		after = line_end ? line_end + 1 : end;
		size_t size = (size_t)((line_end ? line_end : end) - at);
		if (size && at[size - 1] == '\r')
			size--;
		bool skipped = size == 0 || (size >= sizeof version - 1 &&
					     memcmp(at, version, sizeof version - 1) == 0);
		if (!skipped)
			e = read_pair(b, v, at, size, rank++, msg);
	}
	return e ? e : bytelevel_tokens(b, v, msg);
}
