/*
 * The words of prompts: what the LLM is told about the task and in which form it is to answer.
 * Pure. Project.prompt's templates replace them where it has any.
 */
#ifndef FREEAL_LLM_PROMPT_WORDS_H
#define FREEAL_LLM_PROMPT_WORDS_H

#include "base/buf.h"
#include "llm/dialect.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not owned. */
struct prompt_text {
	const void *data;
	size_t size;
};

/* In which form a label is asked for. Where a server takes no schema or choice, it is text. */
struct prompt_shape {
	bool json;	 /* an object, by a schema */
	bool choice;	 /* one of the names, by the server's decoder */
	bool reasoning;	 /* words first */
	bool candidates; /* several labels where it is not sure */
};

struct prompt_shape prompt_shape_of(const Freeal__Llm *llm, const struct dialect *dialect);

/* The system message for one text, or with `batch` for several in one request. A template says
 * nothing about forms, so that what they need is added to it; an answer in plain text needs
 * nothing. */
void prompt_system_add(const Freeal__Project *project, const struct prompt_shape *shape, bool batch,
		       struct buf *out);
/* What a demonstration's answer looks like. */
void prompt_answer_add(const char *name, const struct prompt_shape *shape, struct buf *out);
/* The user's message behind an unusable answer: what is wrong with it (a reason of answer.h), and
 * the names. */
void prompt_correction_add(const Freeal__Project *project, const struct prompt_shape *shape,
			   const char *reason, struct buf *out);

/* A second view of the user's text: the same meaning in other words, by way of another language
 * where the project names one. Only the last text is wanted, so that one request does it. */
void prompt_augment_system_add(const Freeal__Project *project, struct buf *out);

void prompt_generate_system_add(const Freeal__Project *project, struct buf *out);
void prompt_generate_user_add(const Freeal__Project *project, uint32_t class_id, uint32_t count,
			      const struct prompt_text *styles, size_t style_count,
			      struct buf *out);
void prompt_generate_correction_add(uint32_t count, const char *reason, struct buf *out);

/* "- name: description" a line; the names separated by ", ". */
void prompt_labels_add(const Freeal__Project *project, struct buf *out);
void prompt_names_add(const Freeal__Project *project, struct buf *out);

#endif
