/*
 * Templates of prompts: text with {placeholders}; {{ and }} are literal braces. What a
 * placeholder stands for is never expanded itself. Pure.
 *
 *   {description}        of the task
 *   {labels}             a line "- name: description" for each label
 *   {names}              the labels' names, separated by ", "
 *   {text}               user: the text to label
 *   {label}              generate_user: the name of the label that is written for
 *   {label_description}  generate_user: and what it means
 *   {count}              generate_user: how many texts are wanted
 *   {styles}             generate_user: a line "- text" for each text that shows the style
 */
#ifndef FREEAL_TEXT_PROMPT_TEMPLATE_H
#define FREEAL_TEXT_PROMPT_TEMPLATE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum prompt_template {
	PROMPT_TEMPLATE_SYSTEM,
	PROMPT_TEMPLATE_USER,
	PROMPT_TEMPLATE_GENERATE_SYSTEM,
	PROMPT_TEMPLATE_GENERATE_USER,
};

/* ERR_INVALID with a message for the template's author: a placeholder that is unknown there, a
 * single brace, a user template without {text}, a generate_user one without {label}. */
WARN_UNUSED enum err prompt_template_check(const char *text, enum prompt_template which,
					   struct err_msg *msg);

/* A placeholder's name, or text as it is. Borrowed from the template. */
struct prompt_piece {
	bool placeholder;
	const char *data;
	size_t size;
};

/* The piece at `*at`, which moves behind it; false: there are no more. For templates that
 * prompt_template_check accepts. */
bool prompt_template_next(const char **at, struct prompt_piece *ret_piece);
bool prompt_piece_is(const struct prompt_piece *piece, const char *placeholder);

/* What stands in the place of {name}. */
struct prompt_value {
	const char *name;
	const void *data;
	size_t size;
};

/* Appends the template filled in; a placeholder without a value becomes nothing. */
void prompt_template_add(const char *text, const struct prompt_value *values, size_t count,
			 struct buf *out);

#endif
