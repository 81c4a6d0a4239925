#include "tokenizer/tokenizer_impl.h"

#include <string.h>

static bool read_id(const json_t *value, uint32_t *ret_id)
{
	json_int_t id = json_integer_value(value);
	if (!json_is_integer(value) || id < 0 || id >= VOCABULARY_IDS_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

/* Special ones are plain text to us, so their ids alone count. */
static enum err read_added(struct tokenizer *t, const struct vocabulary *v, const json_t *added,
			   struct err_msg *msg)
{
	for (size_t i = 0; i < json_array_size(added); i++) {
		const json_t *token = json_array_get(added, i);
		const char *content = json_string_value(json_object_get(token, "content"));
		uint32_t id;
		if (!content || !read_id(json_object_get(token, "id"), &id))
			return err_set(msg, ERR_CORRUPT, "added token %zu has no content or no id",
				       i + 1);
		if (!json_is_true(json_object_get(token, "special")))
			return err_set(msg, ERR_INVALID,
				       "the added token \"%.60s\" is not supported (special "
				       "tokens are)",
				       content);
		uint32_t known = vocabulary_find(v, content, strlen(content));
		if (known != VOCABULARY_NONE && known != id)
			return err_set(msg, ERR_CORRUPT, "the token \"%.60s\" has two ids",
				       content);
		if (id >= t->vocabulary)
			t->vocabulary = id + 1;
	}
	return ERR_OK;
}

/* {"SpecialToken": {"id": NAME}}, whose ids stand among the template's special tokens. */
static bool read_template_id(const json_t *post, const json_t *item, uint32_t *ret_id)
{
	const json_t *special = json_object_get(item, "SpecialToken");
	const char *name = json_string_value(json_object_get(special, "id"));
	if (!name)
		return false;
	const json_t *token = json_object_get(json_object_get(post, "special_tokens"), name);
	const json_t *ids = json_object_get(token, "ids");
	return json_array_size(ids) == 1 && read_id(json_array_get(ids, 0), ret_id);
}

static enum err read_template(struct tokenizer *t, const json_t *post, bool *ret_good,
			      struct err_msg *msg)
{
	const json_t *single = json_object_get(post, "single");
	const json_t *first = json_array_get(single, 0), *last = json_array_get(single, 2);
	if (json_array_size(single) != 3 || !json_object_get(first, "SpecialToken") ||
	    !json_object_get(json_array_get(single, 1), "Sequence") ||
	    !json_object_get(last, "SpecialToken"))
		return err_set(msg, ERR_INVALID,
			       "the template of the post-processor is not supported (a special "
			       "token, the text, a special token is)");
	*ret_good =
	    read_template_id(post, first, &t->first) && read_template_id(post, last, &t->last);
	return ERR_OK;
}

/* The special tokens around a text. */
static enum err read_around(struct tokenizer *t, const json_t *post, struct err_msg *msg)
{
	const char *type = part_type(post);
	bool good = false;
	enum err e = ERR_OK;
	if (strcmp(type, "TemplateProcessing") == 0) {
		e = read_template(t, post, &good, msg);
	} else if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
		good = read_id(json_array_get(json_object_get(post, "cls"), 1), &t->first) &&
		       read_id(json_array_get(json_object_get(post, "sep"), 1), &t->last);
	} else {
		e = part_unsupported(msg, "post-processor", post,
				     "TemplateProcessing, BertProcessing or RobertaProcessing");
	}
	if (!e && (!good || t->first >= t->vocabulary || t->last >= t->vocabulary))
		e = err_set(msg, ERR_CORRUPT,
			    "the post-processor's special tokens are not in the vocabulary");
	return e;
}

static enum err read_special(struct tokenizer *t, const struct vocabulary *v, const json_t *root,
			     struct err_msg *msg)
{
	t->vocabulary = v->size;
	enum err e = read_added(t, v, json_object_get(root, "added_tokens"), msg);
	return e ? e : read_around(t, json_object_get(root, "post_processor"), msg);
}

static enum err read_bytelevel(struct tokenizer *t, const json_t *root, struct err_msg *msg)
{
	struct vocabulary v;
	vocabulary_init(&v);
	enum err e = bytelevel_read(&t->bytelevel, &v, root, msg);
	if (!e)
		e = read_special(t, &v, root, msg);
	vocabulary_done(&v);
	return e;
}

enum err tokenizer_read_json(struct tokenizer *t, const json_t *root, struct err_msg *msg)
{
	const json_t *model = json_object_get(root, "model");
	/* Files of old say nothing. */
	const char *type = json_object_get(model, "type")     ? part_type(model)
			   : json_object_get(model, "merges") ? "BPE"
							      : "WordPiece";
	if (!json_is_object(model))
		return err_set(msg, ERR_CORRUPT, "there is no model");
	if (strcmp(type, "BPE") == 0) {
		t->kind = TOKENIZER_BYTELEVEL;
		return read_bytelevel(t, root, msg);
	}
	if (strcmp(type, "WordPiece") != 0)
		return part_unsupported(msg, "tokenizer model", model, "WordPiece or BPE");
	t->kind = TOKENIZER_WORDPIECE;
	enum err e = wordpiece_read(&t->wordpiece, root, msg);
	return e ? e : read_special(t, &t->wordpiece.vocabulary, root, msg);
}

enum err tokenizer_read_config(struct tokenizer *t, const json_t *config, struct err_msg *msg)
{
	struct wordpiece *w = &t->wordpiece;
	if (t->kind == TOKENIZER_BYTELEVEL)
		return part_bool(config, "add_prefix_space", &t->bytelevel.prefix_space, msg);
	enum err e = part_bool(config, "do_lower_case", &w->lower, msg);
	if (!e)
		e = part_bool(config, "tokenize_chinese_chars", &w->chinese, msg);
	if (!e)
		e = part_bool(config, "strip_accents", &w->strip, msg);
	const json_t *strip = json_object_get(config, "strip_accents");
	if (strip)
		w->strip_set = json_is_boolean(strip);
	if (!w->strip_set)
		w->strip = w->lower;
	return e;
}
