/*
 * The report: what the run did, what it cost, and, where the input has gold labels, how
 * right it is. Gold is read here and nowhere else.
 */
#ifndef FREEAL_COORDINATOR_REPORT_H
#define FREEAL_COORDINATOR_REPORT_H

#include "base/err.h"
#include "config/task.h"
#include "proto/project.pb-c.h"
#include "store/store.h"

/* The report as JSON text, to be freed by the caller. On any thread. */
enum err report_make(struct store *store, const Freeal__Project *project,
		     const struct task_budget *budget, char **ret_json) WARN_UNUSED;

#endif
