#include "llm/prompt_user.h"

#include "base/limits.h"
#include "llm/prompt_words.h"
#include "text/escape.h"
#include "text/prompt_template.h"

#include <stdlib.h>
#include <string.h>

static const char *template_of(const Freeal__Project *p)
{
	const char *text = p->prompt ? p->prompt->user : NULL;
	return text && *text ? text : NULL;
}

static void piece_add(struct prompt_user *u, const Freeal__Project *p,
		      const struct prompt_piece *piece)
{
	struct buf words;
	buf_init(&words, PROMPT_BYTES_MAX);
	if (!piece->placeholder)
		buf_add(&words, piece->data, piece->size);
	else if (prompt_piece_is(piece, "text"))
		u->cuts[u->cut_count++] = u->around.size;
	else if (prompt_piece_is(piece, "description"))
		buf_add_str(&words, p->description ? p->description : "");
	else if (prompt_piece_is(piece, "labels"))
		prompt_labels_add(p, &words);
	else if (prompt_piece_is(piece, "names"))
		prompt_names_add(p, &words);
	escape_add(&u->around, words.data, words.size);
	if (buf_error(&words))
		u->around.error = buf_error(&words);
	buf_done(&words);
}

enum err prompt_user_init(struct prompt_user *u, const Freeal__Project *p)
{
	const char *text = template_of(p);
	struct prompt_piece piece;
	size_t pieces = 1;
	*u = (struct prompt_user){0};
	buf_init(&u->around, PROMPT_BYTES_MAX);
	for (const char *at = text; at && prompt_template_next(&at, &piece);)
		pieces++;
	u->cuts = calloc(pieces, sizeof *u->cuts);
	if (!u->cuts)
		return ERR_NO_MEMORY;
	if (!text)
		u->cut_count = 1; /* the text alone: at 0 */
	for (const char *at = text; at && prompt_template_next(&at, &piece);)
		piece_add(u, p, &piece);
	enum err e = buf_error(&u->around);
	if (e)
		prompt_user_done(u);
	return e;
}

void prompt_user_done(struct prompt_user *u)
{
	buf_done(&u->around);
	free(u->cuts);
	*u = (struct prompt_user){0};
}

void prompt_user_add(const struct prompt_user *u, const void *text, size_t size, struct buf *out)
{
	size_t from = 0;
	for (size_t i = 0; i < u->cut_count; i++) {
		buf_add(out, buf_str(&u->around) + from, u->cuts[i] - from);
		escape_add(out, text, size);
		from = u->cuts[i];
	}
	buf_add(out, buf_str(&u->around) + from, u->around.size - from);
}
