/*
 * A project's results as files: labels.jsonl, report.json and the model's folder.
 */
#ifndef FREEAL_CLI_RESULTS_H
#define FREEAL_CLI_RESULTS_H

#include "base/err.h"
#include "cli/session.h"

/* Writes OUT/labels.jsonl, OUT/report.json and OUT/model/, each complete or not at all, and
 * prints the summary. */
enum err results_write(struct session *s, const char *out, struct err_msg *msg) WARN_UNUSED;
/* Writes the model into the folder `path`, which it replaces. ERR_NOT_FOUND: there is none yet. */
enum err results_model(struct session *s, const char *path, struct err_msg *msg) WARN_UNUSED;
/* GETs `url` into the file `path`, which is complete or not there. */
enum err results_file(struct session *s, const char *url, const char *path,
		      struct err_msg *msg) WARN_UNUSED;

#endif
