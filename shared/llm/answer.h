/*
 * What an LLM's words mean: a label, or demonstrations. Pure, and it never guesses:
 * what is not clearly an answer is unusable, with a reason.
 */
#ifndef FREEAL_LLM_ANSWER_H
#define FREEAL_LLM_ANSWER_H

#include "base/err.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_NONE (-1)

/* What a reason of an unusable answer means, as the end of the sentence "It can't be used: ...". */
const char *answer_reason_words(const char *reason);

/* The names and aliases of a project's labels, prepared for many answers. */
struct answer_labels;

WARN_UNUSED enum err answer_labels_new(const Freeal__Project *project,
				       struct answer_labels **ret_labels);
void answer_labels_free(struct answer_labels *l);

/*
 * The class of an answer, or ANSWER_NONE with a reason. A class is meant by its name or
 * an alias; forgiven are case, white space around it, one pair of quotes (", ', `, “”)
 * and one full stop at the end. Reasons: empty, refused (the words of a refusal),
 * several_labels (names of more than one class), not_a_label (anything else).
 */
int32_t answer_label(const struct answer_labels *l, const char *text, size_t size,
		     const char **ret_reason);

struct answer_texts {
	char **items; /* each `sizes[i]` bytes and a NUL */
	size_t *sizes;
	size_t count;
};

/*
 * Demonstrations from an answer: a JSON array of strings, which may stand in a ```
 * fence. Strings are trimmed; empty ones, those over GENERATED_BYTES_MAX, repeated ones
 * and those behind the first `count_max` are dropped. With `cut` (the answer ended at
 * its limit) the complete strings of an unfinished array count. Without any string,
 * `ret_reason` is set: empty, refused, not_a_list. Free with answer_texts_done.
 */
WARN_UNUSED enum err answer_texts(const char *text, size_t size, size_t count_max, bool cut,
				  struct answer_texts *ret_texts, const char **ret_reason);
void answer_texts_done(struct answer_texts *t);

#endif
