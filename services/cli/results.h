/*
 * A project's results as files: labels.jsonl, report.json and the model's folder.
 */
#ifndef FREEAL_CLI_RESULTS_H
#define FREEAL_CLI_RESULTS_H

#include "base/err.h"
#include "cli/session.h"

#include <jansson.h>

/* Writes OUT/labels.jsonl, OUT/report.json and OUT/model/, each complete or not at
 * all. The report, to be json_decref'd. */
enum err results_fetch(struct session *s, const char *out, json_t **ret_report,
		       struct err_msg *msg) WARN_UNUSED;

#endif
