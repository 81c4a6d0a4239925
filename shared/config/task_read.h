/*
 * The task file's keys: from a YAML document to a struct task.
 */
#ifndef FREEAL_CONFIG_TASK_READ_H
#define FREEAL_CONFIG_TASK_READ_H

#include "config/fields.h"
#include "config/task.h"

/* Fills what the file gives; `t` holds the defaults and is the caller's, also on failure. */
WARN_UNUSED enum err task_read(const struct fields_file *f, yaml_node_t *root, struct task *t);
/* The key `model`, of the struct task `base`. */
WARN_UNUSED enum err task_read_model(const struct fields_file *f, yaml_node_t *node, void *base);

#endif
