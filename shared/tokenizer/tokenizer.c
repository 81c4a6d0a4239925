#include "tokenizer/tokenizer.h"

#include "tokenizer/tokenizer_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define IDS_AROUND 2 /* special tokens at both ends of every text */

struct tokenizer *tokenizer_new(void)
{
	struct tokenizer *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	struct wordpiece *w = &t->wordpiece;
	w->clean = w->chinese = w->lower = true;
	w->chars_max = 100;
	memcpy(w->prefix, "##", 3);
	vocabulary_init(&w->vocabulary);
	t->bytelevel.unknown = VOCABULARY_NONE;
	vocabulary_init(&t->bytelevel.words);
	return t;
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	vocabulary_done(&t->wordpiece.vocabulary);
	bytelevel_done(&t->bytelevel);
	free(t);
}

/* An object where the file is there, else NULL. */
static enum err read_optional(const char *folder, const char *name, json_t **ret_root,
			      struct err_msg *msg)
{
	*ret_root = NULL;
	enum err e = tokenizer_file_json(folder, name, ret_root, msg);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err read_folder(struct tokenizer *t, const char *folder, const json_t *config,
			    struct err_msg *msg)
{
	json_t *root;
	enum err e = read_optional(folder, "tokenizer.json", &root, msg);
	if (e)
		return e;
	if (root) {
		e = tokenizer_read_json(t, root, msg);
		json_decref(root);
		if (e)
			return err_prefix(msg, e, "%s/tokenizer.json", folder);
	} else {
		e = tokenizer_read_plain(t, folder, config, msg);
		if (e)
			return e;
	}
	e = tokenizer_read_config(t, config, msg);
	return e ? err_prefix(msg, e, "%s/tokenizer_config.json", folder) : ERR_OK;
}

enum err tokenizer_load(const char *folder, struct tokenizer **ret_tokenizer, struct err_msg *msg)
{
	json_t *config;
	enum err e = read_optional(folder, "tokenizer_config.json", &config, msg);
	if (e)
		return e;
	struct tokenizer *t = tokenizer_new();
	e = t ? read_folder(t, folder, config, msg)
	      : err_set(msg, ERR_NO_MEMORY, "%s: out of memory", folder);
	json_decref(config);
	if (e) {
		tokenizer_free(t);
		return e;
	}
	assert(t->first < t->vocabulary && t->last < t->vocabulary);
	*ret_tokenizer = t;
	return ERR_OK;
}

uint32_t tokenizer_vocabulary(const struct tokenizer *t)
{
	return t->vocabulary;
}

enum err tokenizer_encode(const struct tokenizer *t, const char *text, size_t text_bytes,
			  uint32_t *ret_ids, size_t ids_max, size_t *ret_count)
{
	assert(ids_max > IDS_AROUND);
	size_t count = 0, text_max = ids_max - IDS_AROUND;
	enum err e = ERR_OK;
	if (t->kind == TOKENIZER_WORDPIECE)
		count = wordpiece_encode(&t->wordpiece, text, text_bytes, ret_ids + 1, text_max);
	else
		e = bytelevel_encode(&t->bytelevel, text, text_bytes, ret_ids + 1, text_max,
				     &count);
	if (e)
		return e;
	ret_ids[0] = t->first;
	ret_ids[count + 1] = t->last;
	*ret_count = count + IDS_AROUND;
	return ERR_OK;
}
