/*
 * What stands around a text in the user's message, prepared for many texts.
 */
#ifndef FREEAL_LLM_PROMPT_USER_H
#define FREEAL_LLM_PROMPT_USER_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/project.pb-c.h"

#include <stddef.h>

struct prompt_user {
	struct buf around; /* the template's own text, escaped; empty without a template */
	size_t *cuts;	   /* where in `around` the text goes, ascending */
	size_t cut_count;
};

/* From the project's template, or none: the text alone. */
WARN_UNUSED enum err prompt_user_init(struct prompt_user *u, const Freeal__Project *project);
void prompt_user_done(struct prompt_user *u);

/* Appends the text in its template, escaped for JSON. Nothing in the text is expanded. */
void prompt_user_add(const struct prompt_user *u, const void *text, size_t size, struct buf *out);

#endif
