/*
 * The dry run: what would be asked of the LLM, and how much of it, without asking.
 */
#ifndef FREEAL_CLI_DRYRUN_H
#define FREEAL_CLI_DRYRUN_H

#include "base/err.h"

#include <stdio.h>

/* Prints the first sample's request of each round, the request for demonstrations where
 * there is one, and the requests, tokens and money to expect. */
WARN_UNUSED enum err dryrun_print(const char *task_path, const char *input, FILE *out,
				  struct err_msg *msg);

#endif
