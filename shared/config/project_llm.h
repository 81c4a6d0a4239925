/*
 * The part of a project about LLMs: its endpoints, each once, and who asks which of them.
 */
#ifndef FREEAL_CONFIG_PROJECT_LLM_H
#define FREEAL_CONFIG_PROJECT_LLM_H

#include "config/task.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>

/* Adds to the project's endpoints those that `from` asks, as far as they are not there yet, and
 * makes the message. False: no memory; what is there by then is the project's and *ret_llm's. */
bool project_llm_set(Freeal__Project *p, const struct task *t, const struct task_llm *from,
		     Freeal__Llm **ret_llm);
/* A message of one endpoint; NULL: no memory. Free with freeal__endpoint__free_unpacked. */
Freeal__Endpoint *project_endpoint_from(const struct task_endpoint *from);

/* A message's string: a copy, of "" for NULL. False: no memory. */
bool project_string_set(char **ret, const char *value);

#endif
