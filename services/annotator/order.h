/*
 * The request body of leased orders: looks up what the orders name and has the prompt written.
 */
#ifndef FREEAL_ANNOTATOR_ORDER_H
#define FREEAL_ANNOTATOR_ORDER_H

#include "annotator/ask.h"
#include "annotator/pools.h"
#include "base/buf.h"
#include "base/err.h"
#include "llm/dialect.h"
#include "llm/prompt.h"

#include <stdbool.h>
#include <stdint.h>

/* Of rounds' settings and endpoints together, whose requests are prepared. */
#define ORDER_ROUNDS_MAX 64

/* How requests of one round's settings to one endpoint begin. */
struct order_round {
	const Freeal__Llm *llm;
	const Freeal__Endpoint *endpoint;
	struct dialect dialect;
	struct prompt_round *prompts; /* NULL: free */
};

/* What bodies are made from. Zeroed: nothing yet. */
struct orders {
	const Freeal__Project *project; /* borrowed */
	struct pools pools;
	struct order_round rounds[ORDER_ROUNDS_MAX];
	uint32_t next; /* the place that is used next */
};

void orders_done(struct orders *o);
/* To be called before the old project goes. */
void orders_project_set(struct orders *o, const Freeal__Project *project);

/* How many asks may go into one request with this one, itself included: 1 .. CALL_ASKS_MAX. */
uint32_t order_asks_max(const Freeal__Llm *llm, const struct ask *ask);
/* Whether two asks of one round may go into one request. */
bool order_asks_together(const struct ask *first, const struct ask *next);

/* To whom, and how. */
struct order_address {
	const Freeal__Llm *llm;
	const Freeal__Endpoint *endpoint;
	const struct dialect *dialect;
};

/* Appends the body for asks that go together, without what the server's dialect lacks. With
 * several asks, the i-th one's text has the ID *ret_first_id + i. An error says in `msg` what the
 * orders name that is not there. */
WARN_UNUSED enum err order_body_write(struct orders *o, const struct order_address *to,
				      struct ask *const *asks, uint32_t ask_count,
				      uint64_t *ret_first_id, struct buf *out, struct err_msg *msg);

#endif
