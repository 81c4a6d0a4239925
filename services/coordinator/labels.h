/*
 * The labels file: one JSON object a sample, in input order.
 */
#ifndef FREEAL_COORDINATOR_LABELS_H
#define FREEAL_COORDINATOR_LABELS_H

#include "base/buf.h"
#include "coordinator/view.h"
#include "proto/project.pb-c.h"

/* Appends the row's line. */
void labels_line(const Freeal__Project *project, const struct view_row *row, struct buf *out);

#endif
