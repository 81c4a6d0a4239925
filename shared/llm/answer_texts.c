#include "llm/answer_impl.h"

#include "text/utf8.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

/* Quotes looked at from the end of an unfinished array, to find one that ends a string. */
#define CUT_TRIES_MAX 64

static bool texts_hold(const struct answer_texts *t, const char *text, size_t size)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->sizes[i] == size && memcmp(t->items[i], text, size) == 0)
			return true;
	}
	return false;
}

static enum err texts_add(struct answer_texts *t, const char *text, size_t size)
{
	utf8_trim(&text, &size);
	if (size == 0 || size > GENERATED_BYTES_MAX || texts_hold(t, text, size))
		return ERR_OK;
	char *copy = malloc(size + 1);
	if (!copy)
		return ERR_NO_MEMORY;
	memcpy(copy, text, size);
	copy[size] = '\0';
	t->items[t->count] = copy;
	t->sizes[t->count++] = size;
	return ERR_OK;
}

/* Loads an array; one that was cut off is closed behind its last complete string. */
static json_t *array_load(const char *text, size_t size, bool cut)
{
	json_error_t error;
	const size_t flags = JSON_ALLOW_NUL;
	json_t *array = json_loadb(text, size, flags, &error);
	for (int tries = 0; !array && cut && size > 0 && tries < CUT_TRIES_MAX; tries++) {
		while (size > 0 && text[size - 1] != '"')
			size--;
		struct buf closed;
		buf_init(&closed, size + 2);
		buf_add(&closed, text, size);
		buf_add_char(&closed, ']');
		if (buf_error(&closed) == ERR_OK)
			array = json_loadb(closed.data, closed.size, flags, &error);
		buf_done(&closed);
		size -= size > 0;
	}
	return array;
}

enum err answer_texts(const char *text, size_t size, size_t count_max, bool cut,
		      struct answer_texts *ret_texts, const char **ret_reason)
{
	struct answer_texts t = {0};
	*ret_reason = "";
	answer_think_strip(&text, &size, NULL);
	answer_fence_strip(&text, &size);
	json_t *array = size > 0 && text[0] == '[' ? array_load(text, size, cut) : NULL;
	size_t n = json_is_array(array) ? json_array_size(array) : 0;
	size_t room = n < count_max ? n : count_max;
	t.items = calloc(room ? room : 1, sizeof *t.items);
	t.sizes = calloc(room ? room : 1, sizeof *t.sizes);
	enum err e = t.items && t.sizes ? ERR_OK : ERR_NO_MEMORY;
	for (size_t i = 0; !e && i < n && t.count < room; i++) {
		const json_t *item = json_array_get(array, i);
		if (json_is_string(item))
			e = texts_add(&t, json_string_value(item), json_string_length(item));
	}
	if (!e && t.count == 0) {
		struct buf folded;
		buf_init(&folded, 4096);
		utf8_fold_add(&folded, text, size < 64 ? size : 64);
		if (size == 0 || json_is_array(array))
			*ret_reason = "empty";
		else
			*ret_reason = folded.data && answer_refuses(folded.data, folded.size)
					  ? "refused"
					  : "not_a_list";
		buf_done(&folded);
	}
	json_decref(array);
	if (e) {
		answer_texts_done(&t);
		return e;
	}
	*ret_texts = t;
	return ERR_OK;
}

void answer_texts_done(struct answer_texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
	free(t->sizes);
	*t = (struct answer_texts){0};
}
