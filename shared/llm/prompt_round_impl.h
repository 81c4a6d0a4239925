/*
 * The inside of a prompt_round, for the file that writes requests.
 */
#ifndef FREEAL_LLM_PROMPT_ROUND_IMPL_H
#define FREEAL_LLM_PROMPT_ROUND_IMPL_H

#include "base/buf.h"
#include "llm/prompt_round.h"
#include "llm/prompt_user.h"
#include "llm/prompt_words.h"

#include <stddef.h>
#include <stdint.h>

struct prompt_round {
	const Freeal__Project *project;
	const Freeal__Llm *llm;
	struct dialect dialect;
	struct prompt_shape shape;
	struct buf head;  /* of a request about one text, up to and with the system message */
	struct buf model; /* how any request begins: model and temperature */
	struct buf system_batch; /* `,"messages":[` and the system message for several texts */
	struct buf system_generate;
	struct buf names;    /* the labels' names as members of a JSON array */
	struct buf answers;  /* the demonstrations' messages, one for each label */
	size_t *answer_ends; /* in `answers`, by class */
	struct prompt_user user;
};

/* Appends the limit of the answer, and how hard the server is to reason. */
void prompt_round_limits_add(const struct prompt_round *r, uint64_t tokens_max, struct buf *out);
/* Appends a message, escaped. */
void prompt_message_add(const char *role, const struct buf *words, struct buf *out);

#endif
