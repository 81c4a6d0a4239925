/*
 * The body of a chat-completions request (OpenAI's protocol). Pure: the same project,
 * demonstrations and text give the same bytes.
 *
 * Labelling: one system message, the same for all samples of a project; the
 * demonstrations as pairs of a user message (the text) and an assistant message (the
 * label's name); one user message with the sample's text alone.
 *
 * Writing demonstrations: the system message says what the task is; the user message
 * begins with the line `Write N examples of the label "NAME".`; the reply is to be a
 * JSON array of strings.
 */
#ifndef FREEAL_LLM_PROMPT_H
#define FREEAL_LLM_PROMPT_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not owned. */
struct prompt_text {
	const void *data;
	size_t size;
};

struct prompt_demonstration {
	struct prompt_text text;
	uint32_t class_id; /* < project's n_labels */
};

/*
 * Appends the request that labels `text`. `ask` counts from 1: from the second on, the
 * system message ends in a reminder of the labels, so that a server that caches or is
 * deterministic does not repeat its unusable answer. `pretty` is for people.
 * ERR_INVALID: text that is not UTF-8; ERR_LIMIT: larger than `out` may be.
 */
WARN_UNUSED enum err prompt_annotate(const Freeal__Project *project, uint32_t round,
				     const struct prompt_demonstration *demonstrations,
				     size_t demonstration_count, struct prompt_text text,
				     uint32_t ask, bool pretty, struct buf *out);

/* Appends the request for `count` demonstrations of a class, written in the style of the
 * unlabelled texts in `styles`. Errors as above. */
WARN_UNUSED enum err prompt_generate(const Freeal__Project *project, uint32_t round,
				     uint32_t class_id, uint32_t count,
				     const struct prompt_text *styles, size_t style_count,
				     uint32_t ask, bool pretty, struct buf *out);

/* The answer's limit in tokens that a request for `count` demonstrations asks for. */
uint32_t prompt_generate_tokens_max(const Freeal__Llm *llm, uint32_t count);

#endif
