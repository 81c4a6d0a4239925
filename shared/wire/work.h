/*
 * Works, as the messages have them: their names, and those names in the log.
 */
#ifndef FREEAL_WIRE_WORK_H
#define FREEAL_WIRE_WORK_H

#include "proto/work.pb-c.h"

#include <stdbool.h>

bool work_name_equal(const Freeal__WorkName *a, const Freeal__WorkName *b);

/* "train"; "unknown" where another version has more kinds. */
const char *work_kind_name(Freeal__WorkKind kind);

#endif
