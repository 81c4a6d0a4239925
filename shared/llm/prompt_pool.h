/*
 * Demonstrations as the user's messages of a request, escaped once for many prompts.
 */
#ifndef FREEAL_LLM_PROMPT_POOL_H
#define FREEAL_LLM_PROMPT_POOL_H

#include "base/buf.h"
#include "base/err.h"
#include "llm/prompt_words.h"
#include "proto/project.pb-c.h"

#include <stddef.h>
#include <stdint.h>

struct prompt_demonstration {
	struct prompt_text text;
	uint32_t class_id;
};

struct prompt_pool;

/* Nothing is borrowed. ERR_INVALID: a text that is not UTF-8, or a class that the project doesn't
 * have; `msg` names it by its number. */
WARN_UNUSED enum err prompt_pool_new(const Freeal__Project *project,
				     const struct prompt_demonstration *demonstrations,
				     size_t count, struct prompt_pool **ret_pool,
				     struct err_msg *msg);
void prompt_pool_free(struct prompt_pool *p);

size_t prompt_pool_count(const struct prompt_pool *p);
/* number < count. */
uint32_t prompt_pool_class(const struct prompt_pool *p, uint32_t number);
/* Appends the message of a demonstration. */
void prompt_pool_add(const struct prompt_pool *p, uint32_t number, struct buf *out);

#endif
