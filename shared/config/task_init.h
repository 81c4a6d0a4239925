/*
 * A first task file, commented, for an input file that has been looked at.
 */
#ifndef FREEAL_CONFIG_TASK_INIT_H
#define FREEAL_CONFIG_TASK_INIT_H

#include "base/err.h"
#include "text/summary.h"

#include <stdio.h>

/*
 * Writes a task file that task_parse() accepts: the columns that were found and
 * guesses of which is what, the labels from a column that has few values, and
 * every other key with its default. ERR_IO.
 */
WARN_UNUSED enum err task_init_write(FILE *out, const struct source_summary *summary);

#endif
