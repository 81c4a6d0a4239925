/*
 * The rows of an input that were refused: the first ones are said on the console, or all
 * go to a file as they come, as JSON lines {"file", "line", "reason"}.
 */
#ifndef FREEAL_CLI_REJECTS_H
#define FREEAL_CLI_REJECTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct rejects {
	const char *input; /* the name of what is read now; borrowed */
	uint64_t count;
	/* The rest is its own. */
	const char *path; /* NULL: the console */
	FILE *file;
	enum err error;
	struct err_msg msg;
};

/* `path` is NULL for the console; borrowed. */
enum err rejects_open(struct rejects *r, const char *input, const char *path,
		      struct err_msg *msg) WARN_UNUSED;
/* A source_reject_fn; `context` is the struct rejects. */
void rejects_add(void *context, uint64_t line, const char *reason);
/* Closes the file. Its error, or that of a line that could not be written. */
enum err rejects_commit(struct rejects *r, struct err_msg *msg) WARN_UNUSED;

#endif
