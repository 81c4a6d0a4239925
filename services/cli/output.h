/*
 * A file that is complete or not there: written beside its place and renamed.
 */
#ifndef FREEAL_CLI_OUTPUT_H
#define FREEAL_CLI_OUTPUT_H

#include "base/err.h"
#include "cli/path.h"

#include <stddef.h>
#include <stdio.h>

struct output {
	FILE *file;	  /* write to it; errors are found by output_commit */
	struct path path; /* "" for standard output */
	struct path temp;
};

/* NULL or "-" is standard output. */
enum err output_open(struct output *o, const char *path, struct err_msg *msg) WARN_UNUSED;
/* Puts the file in its place; on failure nothing is left. */
enum err output_commit(struct output *o, struct err_msg *msg) WARN_UNUSED;
/* Drops it; also after a failed open, and without effect after a commit. */
void output_discard(struct output *o);

/* A client_data_fn; `context` is the struct output. */
enum err output_data(void *context, const void *data, size_t size, struct err_msg *msg);

#endif
