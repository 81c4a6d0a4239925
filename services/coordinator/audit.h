/*
 * The audit of a stopped project: reads all of its store and checks what must hold at any
 * moment (store/audit.h lists the invariants). Changes nothing.
 */
#ifndef FREEAL_COORDINATOR_AUDIT_H
#define FREEAL_COORDINATOR_AUDIT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * Prints its lines on `out`. `acknowledged` (may be NULL) is a file of JSON lines with
 * what somebody was told is stored: {"id", "text"} of a sample, or a line of /v1/labels.
 * ERR_BUSY: the service runs; ERR_CORRUPT: the store can't be read at all; ERR_INVALID: there is
 * no project, or the file is malformed.
 */
enum err coordinator_audit(const char *project_dir, const char *acknowledged, FILE *out,
			   bool *ret_good, struct err_msg *msg) WARN_UNUSED;

#endif
