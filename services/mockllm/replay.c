#include "mockllm/replay.h"

#include "mockllm/index.h"
#include "mockllm/rows.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

enum { REPLAY_KEY_MAX = 200, REPLAY_TEXT_MAX = 1 << 20 };

struct replay {
	struct index *columns; /* "MODEL|SHOTS" */
	struct index *entries; /* "MODEL|SHOTS\nTEXT" */
	struct index *labels;  /* the answers */
	int32_t *answers;      /* one label number per entry, INDEX_NONE where invalid */
	size_t answer_capacity;
	struct buf key; /* scratch while reading */
};

static enum err answer_add(struct replay *r, struct chat_text text, const char *column,
			   const json_t *value, struct err_msg *msg)
{
	int32_t label = INDEX_NONE;
	int32_t entry;
	int32_t ignored;
	bool is_new;
	if (!strchr(column, '|') || strlen(column) > REPLAY_KEY_MAX)
		return err_set(msg, ERR_INVALID, "answer '%.100s' must be named MODEL|SHOTS",
			       column);
	if (json_is_string(value)) {
		struct chat_text name = {json_string_value(value), json_string_length(value)};
		enum err e = index_add(r->labels, name, &label, &is_new);
		if (e)
			return err_set(msg, e, "too many answers");
	} else if (!json_is_null(value)) {
		return err_set(msg, ERR_INVALID, "answer '%.100s' must be a string or null",
			       column);
	}
	buf_reset(&r->key);
	buf_printf(&r->key, "%s\n", column);
	buf_add(&r->key, text.data, text.size);
	if (buf_error(&r->key))
		return err_set(msg, buf_error(&r->key), "the text is too long");
	enum err e = index_add(r->columns, chat_text_of(column), &ignored, &is_new);
	if (!e)
		e = index_add(r->entries, (struct chat_text){r->key.data, r->key.size}, &entry,
			      &is_new);
	if (e)
		return err_set(msg, e, "too many recordings");
	if (!is_new)
		return err_set(msg, ERR_INVALID, "'%.100s' is recorded twice for this text",
			       column);
	if ((size_t)entry >= r->answer_capacity) {
		size_t capacity = r->answer_capacity ? r->answer_capacity * 2 : 1024;
		int32_t *answers = realloc(r->answers, capacity * sizeof(*answers));
		if (!answers)
			return err_set(msg, ERR_NO_MEMORY, "out of memory");
		r->answers = answers;
		r->answer_capacity = capacity;
	}
	r->answers[entry] = label;
	return ERR_OK;
}

static enum err row_add(void *context, const json_t *row, struct err_msg *msg)
{
	struct chat_text text;
	const char *column;
	json_t *value;
	enum err e = rows_string(row, "text", &text, msg);
	json_t *answers = json_object_get(row, "answers");
	if (!e && !json_is_object(answers))
		e = err_set(msg, ERR_INVALID, "'answers' must be an object");
	if (e)
		return e;
	json_object_foreach(answers, column, value)
	{
		e = answer_add(context, text, column, value, msg);
		if (e)
			return e;
	}
	return ERR_OK;
}

enum err replay_new(const char *path, struct replay **ret_replay, struct err_msg *msg)
{
	struct replay *r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	buf_init(&r->key, REPLAY_TEXT_MAX);
	enum err e = index_new(&r->columns);
	if (!e)
		e = index_new(&r->entries);
	if (!e)
		e = index_new(&r->labels);
	if (e)
		(void)err_set(msg, e, "out of memory");
	else
		e = rows_read(path, row_add, r, msg);
	if (!e && index_count(r->entries) == 0)
		e = err_set(msg, ERR_INVALID, "%s: no recorded answer in it", path);
	if (e) {
		replay_free(r);
		return e;
	}
	*ret_replay = r;
	return ERR_OK;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	index_free(r->columns);
	index_free(r->entries);
	index_free(r->labels);
	free(r->answers);
	buf_done(&r->key);
	free(r);
}

/* The entry for "MODEL|SHOTS" and the text; `*ret_column` tells whether the column exists. */
static int32_t entry_find(const struct replay *r, const struct chat_request *request,
			  struct chat_text text, const char *shots, struct buf *key,
			  bool *ret_column)
{
	buf_reset(key);
	buf_add(key, request->model.data, request->model.size);
	buf_printf(key, "|%s", shots);
	*ret_column =
	    !buf_error(key) &&
	    index_find(r->columns, (struct chat_text){key->data, key->size}) != INDEX_NONE;
	if (!*ret_column)
		return INDEX_NONE;
	buf_add_char(key, '\n');
	buf_add(key, text.data, text.size);
	return buf_error(key) ? INDEX_NONE
			      : index_find(r->entries, (struct chat_text){key->data, key->size});
}

enum err replay_guess(const struct replay *r, const struct chat_request *request,
		      struct chat_text text, struct guess *ret_guess, struct err_msg *msg)
{
	char shots[24];
	bool has_exact;
	bool has_any = false;
	struct buf key;
	buf_init(&key, REPLAY_TEXT_MAX);
	(void)snprintf(shots, sizeof shots, "%zu", request->turn_count);
	int32_t entry = entry_find(r, request, text, shots, &key, &has_exact);
	if (!has_exact)
		entry = entry_find(r, request, text, "*", &key, &has_any);
	buf_done(&key);
	if (!has_exact && !has_any)
		return err_set(msg, ERR_NOT_FOUND,
			       "no answers of model '%.*s' with %zu examples are recorded",
			       (int)(request->model.size < 100 ? request->model.size : 100),
			       request->model.data, request->turn_count);
	if (entry == INDEX_NONE)
		return err_set(msg, ERR_INVALID, "no answer to this text is recorded");
	*ret_guess =
	    guess_of(r->answers[entry] == INDEX_NONE ? chat_text_of("unknown")
						     : index_text(r->labels, r->answers[entry]));
	return ERR_OK;
}
