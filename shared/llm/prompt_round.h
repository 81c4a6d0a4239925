/*
 * What all requests of a round's settings to one endpoint have in common, written once: the
 * request's head up to and including the system message, and the demonstrations' answers.
 * Servers keep what many prompts begin with in their cache, so that it is the same bytes.
 */
#ifndef FREEAL_LLM_PROMPT_ROUND_H
#define FREEAL_LLM_PROMPT_ROUND_H

#include "base/err.h"
#include "llm/dialect.h"
#include "proto/project.pb-c.h"

#include <stdint.h>

struct prompt_round;

/* `project` and `llm` (one of its own) are borrowed for as long as the round lives. */
WARN_UNUSED enum err prompt_round_new(const Freeal__Project *project, const Freeal__Llm *llm,
				      const char *model, const struct dialect *dialect,
				      struct prompt_round **ret_round);
void prompt_round_free(struct prompt_round *r);

/* The limit in tokens of an answer about one text: max_tokens, and what it may reason. */
uint32_t prompt_tokens_max(const Freeal__Llm *llm);

#endif
