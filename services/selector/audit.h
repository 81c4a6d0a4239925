/*
 * The audit of a stopped selector's folder, or of a copy (store/audit.h lists the invariants).
 * Changes nothing.
 */
#ifndef FREEAL_SELECTOR_AUDIT_H
#define FREEAL_SELECTOR_AUDIT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

/* Prints its lines on `out`. ERR_BUSY: a selector uses it; ERR_CORRUPT: the store can't be read
 * at all. */
enum err selector_audit(const char *data, FILE *out, bool *ret_good,
			struct err_msg *msg) WARN_UNUSED;

#endif
