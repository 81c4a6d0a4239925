/*
 * The audit of a stopped trainer's folder, or of a copy (store/audit.h lists the invariants).
 * Changes nothing.
 */
#ifndef FREEAL_TRAINER_AUDIT_H
#define FREEAL_TRAINER_AUDIT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * Prints its lines on `out`. `data` is the trainer's folder, or the one that replicas share
 * (DATA/0, DATA/1, ...); `model` a published model's. Either may be NULL. ERR_BUSY: a trainer uses
 * it; ERR_CORRUPT: the store can't be read at all.
 */
enum err trainer_audit(const char *data, const char *model, FILE *out, bool *ret_good,
		       struct err_msg *msg) WARN_UNUSED;

#endif
