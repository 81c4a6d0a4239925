/*
 * The kept replies for people, the oldest first: a JSON object a line with `number`, `key` (hex),
 * `bytes` of the body, `model` and `answer` (null where the body has none). On any thread, by read
 * transactions of its own.
 */
#ifndef FREEAL_COORDINATOR_KEPT_VIEW_H
#define FREEAL_COORDINATOR_KEPT_VIEW_H

#include "base/buf.h"
#include "base/err.h"
#include "store/store.h"

struct kept_view;

/* `store` must outlive it. NULL: no memory. */
struct kept_view *kept_view_new(struct store *store);
void kept_view_free(struct kept_view *v);
/* Appends the next line. ERR_NOT_FOUND: there are no more. No snapshot is held open between two
 * calls, so that a slow reader keeps no pages. */
enum err kept_view_next(struct kept_view *v, struct buf *out) WARN_UNUSED;

#endif
