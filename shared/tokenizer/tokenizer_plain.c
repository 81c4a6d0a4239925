#include "tokenizer/tokenizer_impl.h"

#include "text/utf8.h"

#include <string.h>

/* A special token's name: a string, or an object with one. */
static const char *special_name(const json_t *root, const char *key)
{
	const json_t *value = json_object_get(root, key);
	const json_t *content = json_object_get(value, "content");
	return json_string_value(content ? content : value);
}

/* The id of a special token by what the files call it. */
static enum err special_id(const struct vocabulary *v, const json_t *map, const json_t *config,
			   const char *key, const char *usual, uint32_t *ret_id,
			   struct err_msg *msg)
{
	const char *name = special_name(map, key);
	if (!name)
		name = special_name(config, key);
	return vocabulary_need(v, name ? name : usual, ret_id, msg);
}

/* One token a line, its number is the id. The last of equal ones counts. */
static enum err read_lines(struct vocabulary *v, const struct buf *text, struct err_msg *msg)
{
	const char *at = buf_str(text), *end = at + text->size;
	if (!utf8_is_valid(at, text->size))
		return err_set(msg, ERR_CORRUPT, "it is not UTF-8");
	enum err e = ERR_OK;
	for (uint64_t id = 0; !e && at < end; id++) {
		size_t size = 0, left = (size_t)(end - at);
		while (size < left && at[size] != '\n' && at[size] != '\r')
			size++;
		e = vocabulary_put(v, at, size, id, msg);
		bool pair = size + 1 < left && at[size] == '\r' && at[size + 1] == '\n';
		at += size < left ? size + 1 + pair : size;
	}
	return e;
}

/* Tokens beside the vocabulary would be cut out of texts. */
static enum err check_added(const struct vocabulary *v, const char *folder, const json_t *config,
			    struct err_msg *msg)
{
	const char *name;
	json_t *value;
	json_t *decoder = json_object_get(config, "added_tokens_decoder");
	json_object_foreach(decoder, name, value)
	{
		if (!json_is_true(json_object_get(value, "special")))
			return err_set(msg, ERR_INVALID,
				       "%s/tokenizer_config.json: the added token %.60s is not "
				       "supported (special tokens are)",
				       folder, name);
	}
	json_t *added;
	enum err e = tokenizer_file_json(folder, "added_tokens.json", &added, msg);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	json_object_foreach(added, name, value)
	{
		uint32_t id = vocabulary_find(v, name, strlen(name));
		if (!e && (id == VOCABULARY_NONE || id != json_integer_value(value)))
			e = err_set(
			    msg, ERR_INVALID,
			    "%s/added_tokens.json: the token \"%.60s\" is not supported: it "
			    "is not in the vocabulary",
			    folder, name);
	}
	json_decref(added);
	return e;
}

static enum err read_special(struct tokenizer *t, const struct vocabulary *v, const char *folder,
			     const json_t *config, struct err_msg *msg)
{
	json_t *map = NULL;
	enum err e = tokenizer_file_json(folder, "special_tokens_map.json", &map, msg);
	if (e && e != ERR_NOT_FOUND)
		return e;
	bool bert = t->kind == TOKENIZER_WORDPIECE;
	e = special_id(v, map, config, "cls_token", bert ? "[CLS]" : "<s>", &t->first, msg);
	if (!e)
		e = special_id(v, map, config, "sep_token", bert ? "[SEP]" : "</s>", &t->last, msg);
	if (!e && bert)
		e = special_id(v, map, config, "unk_token", "[UNK]", &t->wordpiece.unknown, msg);
	json_decref(map);
	if (e)
		return err_prefix(msg, e, "%s", folder);
	t->vocabulary = v->size;
	return check_added(v, folder, config, msg);
}

static enum err read_wordpiece(struct tokenizer *t, const char *folder, const json_t *config,
			       struct err_msg *msg)
{
	struct buf text;
	struct vocabulary *v = &t->wordpiece.vocabulary;
	enum err e = tokenizer_file(folder, "vocab.txt", &text, msg);
	if (e)
		return e;
	t->kind = TOKENIZER_WORDPIECE;
	e = read_lines(v, &text, msg);
	buf_done(&text);
	if (e)
		return err_prefix(msg, e, "%s/vocab.txt", folder);
	return read_special(t, v, folder, config, msg);
}

static enum err read_merges(struct tokenizer *t, const struct vocabulary *v, const char *folder,
			    struct err_msg *msg)
{
	struct buf text;
	enum err e = tokenizer_file(folder, "merges.txt", &text, msg);
	if (e)
		return e;
	e = bytelevel_read_merges(&t->bytelevel, v, &text, msg);
	buf_done(&text);
	return e ? err_prefix(msg, e, "%s/merges.txt", folder) : ERR_OK;
}

static enum err read_bytelevel(struct tokenizer *t, const char *folder, const json_t *config,
			       struct err_msg *msg)
{
	json_t *root;
	enum err e = tokenizer_file_json(folder, "vocab.json", &root, msg);
	if (e)
		return e;
	t->kind = TOKENIZER_BYTELEVEL;
	struct vocabulary v;
	vocabulary_init(&v);
	e = vocabulary_read(&v, root, msg);
	json_decref(root);
	if (e)
		e = err_prefix(msg, e, "%s/vocab.json", folder);
	if (!e)
		e = read_merges(t, &v, folder, msg);
	if (!e)
		e = read_special(t, &v, folder, config, msg);
	vocabulary_done(&v);
	return e;
}

enum err tokenizer_read_plain(struct tokenizer *t, const char *folder, const json_t *config,
			      struct err_msg *msg)
{
	enum err e = read_wordpiece(t, folder, config, msg);
	if (e != ERR_NOT_FOUND)
		return e;
	e = read_bytelevel(t, folder, config, msg);
	if (e == ERR_NOT_FOUND)
		return err_set(msg, e,
			       "%s: there is no tokenizer.json, no vocab.txt, and no vocab.json "
			       "with merges.txt",
			       folder);
	return e;
}
