/*
 * The project as it travels on the bus, made from a task file.
 */
#ifndef FREEAL_CONFIG_PROJECT_H
#define FREEAL_CONFIG_PROJECT_H

#include "config/task.h"
#include "proto/project.pb-c.h"

#include <stdint.h>

/* A coordinator's store beside a file of this name is a copy: it takes another id, because
 * what selector and trainers keep of the original may be of later than the copy. */
#define PROJECT_COPY_MARK "copied"

/*
 * A copy of the task as a message; `version` is to grow with each change of the task
 * file. Free with freeal__project__free_unpacked(p, NULL). NULL: no memory.
 */
Freeal__Project *project_from_task(const struct task *t, uint64_t version);

/* Number of the settings of a round: its own, or the last ones for a round behind the
 * task file's (a catch-up). The project has at least one. */
uint32_t project_config_of(const Freeal__Project *project, uint32_t round);

#endif
