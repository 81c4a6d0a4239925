/*
 * The body of a chat-completions request (OpenAI's protocol). Pure: the same arguments give the
 * same bytes, and requests of one round begin with the same bytes: parameters, system message,
 * then demonstrations, and what is the sample's own last.
 *
 * Labelling: one system message; the demonstrations as pairs of a user message (the text) and an
 * assistant message (the label, in the round's form); one user message with the sample's text
 * alone. Several texts in one request: the user message is the line `Label each of these N
 * texts.`, then for each a line `### ID` and the text; the reply is to be a JSON object from IDs
 * to labels.
 *
 * Writing demonstrations: the system message says what the task is; the user message
 * begins with the line `Write N examples of the label "NAME".`; the reply is to be a
 * JSON array of strings.
 *
 * A question that is asked again after an unusable answer has two messages more: the assistant's
 * answer, cut, and what is wrong with it, in words that begin with `Your last answer can't be
 * used: `.
 */
#ifndef FREEAL_LLM_PROMPT_H
#define FREEAL_LLM_PROMPT_H

#include "base/buf.h"
#include "base/err.h"
#include "llm/prompt_pool.h"
#include "llm/prompt_round.h"
#include "llm/prompt_words.h"

#include <stddef.h>
#include <stdint.h>

/* Texts in one request. */
#define PROMPT_BATCH_MAX 64
/* Of an unusable answer, that are shown to the LLM again. */
#define PROMPT_BAD_BYTES_MAX 400u

/* An unusable answer; `reason` is one of answer.h's. */
struct prompt_correction {
	const char *reason;
	struct prompt_text answer;
};

struct prompt_ask {
	const struct prompt_pool *pool; /* NULL: no demonstrations */
	const uint32_t *numbers; /* of the demonstrations, in prompt order; all in the pool */
	size_t number_count;
	const struct prompt_text *texts; /* 1 .. PROMPT_BATCH_MAX */
	size_t text_count;
	uint32_t answers; /* parameter n; 0 and 1: none is sent */
	uint32_t seed;	  /* tells repeated questions apart; 0: none is sent */
	const struct prompt_correction *correction; /* NULL: none; of one text alone */
};

/*
 * Appends the request that labels the texts. With several, the i-th one's ID is *ret_first_id + i:
 * a number that no text has in a line that looks like an ID's.
 * ERR_INVALID: text that is not UTF-8; ERR_LIMIT: larger than `out` may be, or texts that leave no
 * ID free, which is to be mended by asking for them one by one.
 */
WARN_UNUSED enum err prompt_annotate(const struct prompt_round *round, const struct prompt_ask *ask,
				     uint64_t *ret_first_id, struct buf *out);

/* Appends the request for `count` demonstrations of a class, written in the style of the
 * unlabelled texts in `styles`. Errors as above. */
WARN_UNUSED enum err prompt_generate(const struct prompt_round *round, uint32_t class_id,
				     uint32_t count, const struct prompt_text *styles,
				     size_t style_count, const struct prompt_correction *correction,
				     struct buf *out);

/* Appends the request for a second view of a text, of the project's `augment`. Errors as above. */
WARN_UNUSED enum err prompt_augment(const struct prompt_round *round,
				    const struct prompt_text *text,
				    const struct prompt_correction *correction, struct buf *out);

/* The answer's limit in tokens that a request for `count` demonstrations asks for. */
uint32_t prompt_generate_tokens_max(const Freeal__Llm *llm, uint32_t count);

/* Appends a request as people read it: indented. */
WARN_UNUSED enum err prompt_indent(const struct buf *body, struct buf *out);

#endif
