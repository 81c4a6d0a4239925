#include "llm/answer_impl.h"

#include "base/rng.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

#define NAME_FOLDED_BYTES_MAX (4u * NAME_BYTES_MAX)

static struct answer_name *slot_find(const struct answer_labels *l, const char *folded, size_t size)
{
	size_t at = hash_bytes(0, folded, size) & (l->slot_count - 1);
	while (l->slots[at].folded &&
	       (l->slots[at].size != size || memcmp(l->slots[at].folded, folded, size) != 0))
		at = (at + 1) & (l->slot_count - 1);
	return &l->slots[at];
}

static enum err name_add(struct answer_labels *l, const char *name, uint32_t class_id)
{
	struct buf folded;
	const char *text = name;
	size_t size = strlen(name);
	utf8_trim(&text, &size);
	buf_init(&folded, NAME_FOLDED_BYTES_MAX);
	utf8_fold_add(&folded, text, size);
	enum err e = buf_error(&folded);
	struct answer_name *slot =
	    e || folded.size == 0 ? NULL : slot_find(l, folded.data, folded.size);
	/* The first label that claims a name has it; the task file lets no two do. */
	if (slot && !slot->folded) {
		*slot = (struct answer_name){folded.data, folded.size, class_id};
		return ERR_OK;
	}
	buf_done(&folded);
	return e;
}

enum err answer_labels_new(const Freeal__Project *project, struct answer_labels **ret_labels)
{
	size_t count = 1;
	for (size_t i = 0; i < project->n_labels; i++)
		count += 1 + project->labels[i]->n_aliases;
	struct answer_labels *l = calloc(1, sizeof *l);
	if (!l)
		return ERR_NO_MEMORY;
	l->class_count = (uint32_t)project->n_labels;
	l->slot_count = 16;
	while (l->slot_count < 2 * count)
		l->slot_count *= 2;
	l->slots = calloc(l->slot_count, sizeof *l->slots);
	enum err e = l->slots ? ERR_OK : ERR_NO_MEMORY;
	/* Names before aliases, so that no alias can hide a label's name. */
	for (size_t i = 0; !e && i < project->n_labels; i++)
		e = name_add(l, project->labels[i]->name, (uint32_t)i);
	for (size_t i = 0; !e && i < project->n_labels; i++) {
		for (size_t j = 0; !e && j < project->labels[i]->n_aliases; j++)
			e = name_add(l, project->labels[i]->aliases[j], (uint32_t)i);
	}
	if (e) {
		answer_labels_free(l);
		return e;
	}
	*ret_labels = l;
	return ERR_OK;
}

void answer_labels_free(struct answer_labels *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->slots && i < l->slot_count; i++)
		free(l->slots[i].folded);
	free(l->slots);
	free(l);
}

static int32_t name_class(const struct answer_labels *l, const char *folded, size_t size)
{
	const struct answer_name *slot = size ? slot_find(l, folded, size) : NULL;
	return slot && slot->folded ? (int32_t)slot->class_id : ANSWER_NONE;
}

/* Takes one pair of quotes off; false: there is none. */
static bool quotes_strip(const char **text, size_t *size)
{
	static const struct {
		const char *open, *close;
	} pairs[] = {{"\"", "\""}, {"'", "'"}, {"`", "`"}, {"\xe2\x80\x9c", "\xe2\x80\x9d"}};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		size_t open = strlen(pairs[i].open), close = strlen(pairs[i].close);
		if (*size < open + close || memcmp(*text, pairs[i].open, open) != 0 ||
		    memcmp(*text + *size - close, pairs[i].close, close) != 0)
			continue;
		*text += open;
		*size -= open + close;
		return true;
	}
	return false;
}

/* Tries the words as they are, then takes off what is forgiven, one thing at a time. What
 * is longer than any name can be is not looked up. */
static int32_t whole_class(const struct answer_labels *l, const char *text, size_t size)
{
	bool stop_left = true, quotes_left = true;
	while (size > 0 && size <= NAME_FOLDED_BYTES_MAX) {
		int32_t class_id = name_class(l, text, size);
		if (class_id != ANSWER_NONE)
			return class_id;
		if (stop_left && text[size - 1] == '.') {
			stop_left = false;
			size--;
		} else if (quotes_left && quotes_strip(&text, &size)) {
			quotes_left = false;
		} else {
			break;
		}
		utf8_trim(&text, &size);
	}
	return ANSWER_NONE;
}

static bool word_at(const char *text, const char *end)
{
	return text < end && utf8_is_word(utf8_next(&text, end));
}

static bool word_before(const char *begin, const char *at)
{
	if (at == begin)
		return false;
	const char *last = at - 1;
	while (last > begin && ((unsigned char)*last & 0xc0) == 0x80)
		last--;
	return word_at(last, at);
}

/* The name stands in the text with no letter or digit right before or behind it. */
static bool name_within(const char *text, size_t size, const struct answer_name *name)
{
	const char *end = text + size;
	for (const char *at = text; at < end;) {
		at = memmem(at, (size_t)(end - at), name->folded, name->size);
		if (!at)
			return false;
		if (!word_before(text, at) && !word_at(at + name->size, end))
			return true;
		at++;
	}
	return false;
}

static bool several_labels(const struct answer_labels *l, const char *text, size_t size)
{
	int32_t found = ANSWER_NONE;
	for (size_t i = 0; i < l->slot_count; i++) {
		const struct answer_name *name = &l->slots[i];
		if (!name->folded || (int32_t)name->class_id == found ||
		    !name_within(text, size, name))
			continue;
		if (found != ANSWER_NONE)
			return true;
		found = (int32_t)name->class_id;
	}
	return false;
}

bool answer_refuses(const char *text, size_t size)
{
	static const char *const openings[] = {
	    "i'm sorry", "i\xe2\x80\x99m sorry", "i am sorry",	   "sorry,",	      "i cannot ",
	    "i can't ",	 "i can\xe2\x80\x99t ",	 "i'm unable to ", "i am unable to ", "as an ai ",
	};
	for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
		size_t opening = strlen(openings[i]);
		if (size >= opening && memcmp(text, openings[i], opening) == 0)
			return true;
	}
	return false;
}

int32_t answer_label(const struct answer_labels *l, const char *text, size_t size,
		     const char **ret_reason)
{
	*ret_reason = "";
	utf8_trim(&text, &size);
	if (size == 0) {
		*ret_reason = "empty";
		return ANSWER_NONE;
	}
	struct buf folded;
	buf_init(&folded, 4 * ANSWER_BYTES_MAX);
	utf8_fold_add(&folded, text, size < ANSWER_BYTES_MAX ? size : ANSWER_BYTES_MAX);
	int32_t class_id = ANSWER_NONE;
	if (buf_error(&folded) == ERR_OK && size <= ANSWER_BYTES_MAX)
		class_id = whole_class(l, folded.data, folded.size);
	if (class_id == ANSWER_NONE) {
		if (folded.data && answer_refuses(folded.data, folded.size))
			*ret_reason = "refused";
		else if (folded.data && several_labels(l, folded.data, folded.size))
			*ret_reason = "several_labels";
		else
			*ret_reason = "not_a_label";
	}
	buf_done(&folded);
	return class_id;
}
