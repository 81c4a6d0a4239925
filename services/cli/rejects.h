/*
 * The rows of an input that were refused: the first ones are said on the console, or all
 * go to a file, as JSON lines {"line", "reason"}.
 */
#ifndef FREEAL_CLI_REJECTS_H
#define FREEAL_CLI_REJECTS_H

#include "base/err.h"
#include "cli/output.h"

#include <stdint.h>

struct rejects {
	const char *input; /* its name on the console; borrowed */
	uint64_t count;
	/* The rest is its own. */
	bool to_file;
	struct output output;
	enum err error;
	struct err_msg msg;
};

/* `path` is NULL for the console. */
enum err rejects_open(struct rejects *r, const char *input, const char *path,
		      struct err_msg *msg) WARN_UNUSED;
/* A source_reject_fn; `context` is the struct rejects. */
void rejects_add(void *context, uint64_t line, const char *reason);
/* Puts the file in its place, with no lines where nothing was refused. The error of a line that
 * could not be written, too. */
enum err rejects_commit(struct rejects *r, struct err_msg *msg) WARN_UNUSED;

#endif
