/*
 * The task file's keys: from a YAML document to a struct task.
 */
#ifndef FREEAL_CONFIG_TASK_READ_H
#define FREEAL_CONFIG_TASK_READ_H

#include "config/fields.h"
#include "config/task.h"

/* Fills what the file gives; `t` holds the defaults and is the caller's, also on failure. */
WARN_UNUSED enum err task_read(const struct fields_file *f, yaml_node_t *root, struct task *t);

/* Readers of one key each, of the struct task `base`. */
WARN_UNUSED enum err task_read_labels(const struct fields_file *f, yaml_node_t *node, void *base);
WARN_UNUSED enum err task_read_endpoints(const struct fields_file *f, yaml_node_t *node,
					 void *base);
WARN_UNUSED enum err task_read_llm(const struct fields_file *f, yaml_node_t *node, void *base);
WARN_UNUSED enum err task_read_model(const struct fields_file *f, yaml_node_t *node, void *base);
WARN_UNUSED enum err task_read_embeddings(const struct fields_file *f, yaml_node_t *node,
					  void *base);
WARN_UNUSED enum err task_read_augment(const struct fields_file *f, yaml_node_t *node, void *base);

/* The keys of one endpoint: what they have to fill, what is made ready before (a key or a price
 * that is of another model goes) and what must hold afterwards. `what` names the mapping. */
struct field_set task_endpoint_set(struct task_endpoint *e);
WARN_UNUSED enum err task_endpoint_prepare(const struct fields_file *f, const yaml_node_t *node,
					   struct task_endpoint *e);
WARN_UNUSED enum err task_endpoint_check(const struct fields_file *f, const yaml_node_t *node,
					 const char *what, struct task_endpoint *e);

/* The keys of an LLM, over what `l` has already, with those of `more` (may be NULL) beside them. */
WARN_UNUSED enum err task_llm_read(const struct fields_file *f, yaml_node_t *node, const char *what,
				   const struct field_set *more, const struct task *t,
				   struct task_llm *l);

enum err task_no_memory(const struct fields_file *f);
bool task_has_control(const char *text);

#endif
