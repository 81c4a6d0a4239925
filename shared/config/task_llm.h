/*
 * Whom to ask and how: copies of that part of a task file, which rounds override.
 */
#ifndef FREEAL_CONFIG_TASK_LLM_H
#define FREEAL_CONFIG_TASK_LLM_H

#include "base/err.h"
#include "config/task.h"

/* What holds where a task file says nothing. */
void task_llm_init(struct task_llm *l);
/* ERR_NO_MEMORY; the copy owns its strings. */
WARN_UNUSED enum err task_llm_copy(const struct task_llm *from, struct task_llm *ret_copy);
void task_llm_done(struct task_llm *l);

void task_endpoint_init(struct task_endpoint *e);
void task_endpoint_done(struct task_endpoint *e);

#endif
