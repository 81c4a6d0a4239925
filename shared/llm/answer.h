/*
 * What an LLM's words mean: a label, several labels, or demonstrations. Pure, and it never
 * guesses: what is not clearly an answer is unusable, with a reason.
 *
 * Reasons: empty; refused (the words of a refusal); several_labels (names of more than one class);
 * undecided (all labels, or more than CANDIDATES_MAX); not_a_label (anything else); of an item
 * among several also missing, duplicate, malformed (no JSON object); of demonstrations also
 * not_a_list. reply.h has those of a whole reply.
 */
#ifndef FREEAL_LLM_ANSWER_H
#define FREEAL_LLM_ANSWER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
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
 * The class of an answer in plain words, or ANSWER_NONE with a reason. A class is meant by its
 * name or an alias; forgiven are case, white space around it, one pair of quotes (", ', `, “”)
 * and one full stop at the end.
 */
int32_t answer_label(const struct answer_labels *l, const char *text, size_t size,
		     const char **ret_reason);

/* What was asked for. */
struct answer_form {
	bool reasoning;	 /* words may come before a line `Label: NAME` */
	bool candidates; /* there may be several labels, separated by commas */
};

struct answer {
	uint32_t class_ids[CANDIDATES_MAX]; /* as they were named, each once */
	uint32_t count;			    /* 0: unusable */
	const char *reason;		    /* "" where usable */
	const char *label; /* where the first label begins in the text; NULL: not known */
};

/*
 * Reads an answer about one text in any form: a name; names with commas; a JSON object with
 * "label" or "labels"; either in a ``` fence; behind `<think>...</think>`. Where reasoning was
 * asked for, the last line `Label: NAME` counts alone; without one the whole answer does. What
 * comes before the label is appended to `reasoning` (may be NULL), as far as there is room.
 */
void answer_parse(const struct answer_labels *l, const struct answer_form *form, const char *text,
		  size_t size, struct buf *reasoning, struct answer *ret_answer);

/*
 * Reads an answer about `count` texts: a JSON object from IDs to labels, each in a form as above.
 * ret_answers[i] is of ID first_id + i, wherever it stands; other IDs are of no account.
 */
void answer_parse_items(const struct answer_labels *l, const struct answer_form *form,
			const char *text, size_t size, uint64_t first_id, uint32_t count,
			struct buf *reasoning, struct answer *ret_answers);

/* Appends words that came before a label, on a line of their own, as far as there is room, in
 * whole characters. `reasoning` may be NULL. */
void answer_reasoning_add(struct buf *reasoning, const char *text, size_t size);

struct answer_texts {
	char **items; /* each `sizes[i]` bytes and a NUL */
	size_t *sizes;
	size_t count;
};

/*
 * Demonstrations from an answer: a JSON array of strings, which may stand in a ```
 * fence, behind `<think>...</think>`. Strings are trimmed; empty ones, those over
 * GENERATED_BYTES_MAX, repeated ones and those behind the first `count_max` are dropped. With
 * `cut` (the answer ended at its limit) the complete strings of an unfinished array count.
 * Without any string, `ret_reason` is set: empty, refused, not_a_list. Free with
 * answer_texts_done.
 */
WARN_UNUSED enum err answer_texts(const char *text, size_t size, size_t count_max, bool cut,
				  struct answer_texts *ret_texts, const char **ret_reason);
void answer_texts_done(struct answer_texts *t);

#endif
