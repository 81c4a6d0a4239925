#include "text/prompt_template.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 7

/* Which placeholders a template may have, the needed one first. */
static const struct {
	bool needed;
	const char *names[NAMES_MAX + 1];
} known[] = {
    [PROMPT_TEMPLATE_SYSTEM] = {false, {"description", "labels", "names"}},
    [PROMPT_TEMPLATE_USER] = {true, {"text", "description", "labels", "names"}},
    [PROMPT_TEMPLATE_GENERATE_SYSTEM] = {false, {"description", "labels", "names"}},
    [PROMPT_TEMPLATE_GENERATE_USER] = {true,
				       {"label", "label_description", "count", "styles",
					"description", "labels", "names"}},
};

bool prompt_template_next(const char **at, struct prompt_piece *ret_piece)
{
	const char *from = *at;
	if (!*from)
		return false;
	if (*from == '{' && from[1] != '{') {
		const char *end = strchr(from, '}');
		assert(end);
		*ret_piece = (struct prompt_piece){true, from + 1, (size_t)(end - from - 1)};
		*at = end + 1;
		return true;
	}
	/* A doubled brace is a piece of its own: its first one. */
	size_t size = strcspn(from, "{}");
	*ret_piece = (struct prompt_piece){false, from, size ? size : 1};
	*at = from + (size ? size : 2);
	return true;
}

bool prompt_piece_is(const struct prompt_piece *piece, const char *placeholder)
{
	return piece->placeholder && strlen(placeholder) == piece->size &&
	       memcmp(piece->data, placeholder, piece->size) == 0;
}

static enum err unknown_say(const struct prompt_piece *piece, enum prompt_template which,
			    struct err_msg *msg)
{
	char list[160] = "";
	for (size_t i = 0, size = 0; known[which].names[i]; i++)
		size += (size_t)snprintf(list + size, sizeof list - size, "%s{%s}", i ? ", " : "",
					 known[which].names[i]);
	int size = piece->size < 40 ? (int)piece->size : 40;
	return err_set(msg, ERR_INVALID,
		       "there is no placeholder {%.*s} here, but %s; write {{ for a brace", size,
		       piece->data, list);
}

/* A brace that is neither doubled nor part of a placeholder; NULL: none. */
static const char *brace_find(const char *text)
{
	for (const char *at = text; (at = strpbrk(at, "{}"));) {
		if (at[1] == *at) {
			at += 2;
			continue;
		}
		const char *end = at + 1 + strcspn(at + 1, "{}\n");
		if (*at == '}' || *end != '}')
			return at;
		at = end + 1;
	}
	return NULL;
}

enum err prompt_template_check(const char *text, enum prompt_template which, struct err_msg *msg)
{
	const char *const *names = known[which].names;
	const char *brace = brace_find(text);
	if (brace)
		return err_set(msg, ERR_INVALID, "a single %c at \"%.20s\"; write %c%c for a brace",
			       *brace, brace, *brace, *brace);
	bool there = false;
	struct prompt_piece piece;
	for (const char *at = text; prompt_template_next(&at, &piece);) {
		bool fits = !piece.placeholder;
		for (size_t i = 0; !fits && names[i]; i++)
			fits = prompt_piece_is(&piece, names[i]);
		if (!fits)
			return unknown_say(&piece, which, msg);
		there = there || prompt_piece_is(&piece, names[0]);
	}
	if (known[which].needed && !there)
		return err_set(msg, ERR_INVALID, "{%s} is missing; every request needs it",
			       names[0]);
	return ERR_OK;
}

void prompt_template_add(const char *text, const struct prompt_value *values, size_t count,
			 struct buf *out)
{
	struct prompt_piece piece;
	for (const char *at = text; prompt_template_next(&at, &piece);) {
		if (!piece.placeholder)
			buf_add(out, piece.data, piece.size);
		for (size_t i = 0; i < count; i++) {
			if (prompt_piece_is(&piece, values[i].name))
				buf_add(out, values[i].data, values[i].size);
		}
	}
}
