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
#include "llm/dialect.h"

#include <stdbool.h>
#include <stdint.h>

/* How many asks may go into one request with this one, itself included: 1 .. CALL_ASKS_MAX. */
uint32_t order_asks_max(const Freeal__Project *project, const struct ask *ask);
/* Whether two asks of one round may go into one request. */
bool order_asks_together(const struct ask *first, const struct ask *next);

/* Appends the body for the asks, without what the server's dialect lacks. An error says in
 * `msg` what the orders name that is not there. */
WARN_UNUSED enum err order_body_write(const Freeal__Project *project, const struct pools *pools,
				      const struct dialect *dialect, struct ask *const *asks,
				      uint32_t ask_count, struct buf *out, struct err_msg *msg);

#endif
