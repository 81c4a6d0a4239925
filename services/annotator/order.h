/*
 * The request body of a leased order: looks up what the order names and has the prompt
 * written.
 */
#ifndef FREEAL_ANNOTATOR_ORDER_H
#define FREEAL_ANNOTATOR_ORDER_H

#include "annotator/ask.h"
#include "annotator/pools.h"
#include "base/buf.h"
#include "base/err.h"

/* Appends the body. An error says in `msg` what the order names that is not there. */
WARN_UNUSED enum err order_body_write(const Freeal__Project *project, const struct pools *pools,
				      const struct ask *ask, struct buf *out, struct err_msg *msg);

#endif
