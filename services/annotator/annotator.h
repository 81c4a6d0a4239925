/*
 * The annotator between the bus and the LLMs: leases become requests, replies become
 * results. It runs on the loop's thread and reads no clock and no socket of its own.
 */
#ifndef FREEAL_ANNOTATOR_ANNOTATOR_H
#define FREEAL_ANNOTATOR_ANNOTATOR_H

#include "base/err.h"
#include "llm/client.h"
#include "wire/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct annotator;

struct annotator_config {
	uint32_t concurrency_max; /* requests in flight, whatever the project says */
	uint64_t probe_ms;	  /* between probes of a blocked endpoint */
	uint64_t batch_poll_ms;	  /* first wait for a batch job; it grows to 12 times that */
	uint64_t seed;		  /* of the jitter */
};

WARN_UNUSED enum err annotator_new(const struct annotator_config *config,
				   struct annotator **ret_annotator);
/* Hands back, while there is a worker, what nothing was asked for yet: it cost nothing. */
void annotator_stop(struct annotator *a);
void annotator_free(struct annotator *a);

/* Both are borrowed and have to be set before anything else is called. */
void annotator_connect(struct annotator *a, struct worker *worker, struct client *endpoint);

/* The client that batch jobs have for themselves, whose handler is batch_done; as above. */
void annotator_batch_connect(struct annotator *a, struct client *client);

/* Handlers for the worker and the endpoint; `context` is the annotator. */
void annotator_project(void *context, const Freeal__Welcome *welcome);
void annotator_lease(void *context, const Freeal__Work *work);
void annotator_cancel(void *context, const Freeal__WorkName *name);
void annotator_pool(void *context, const Freeal__Pool *pool);
void annotator_other(void *context, const Freeal__Envelope *envelope);
void annotator_grant(void *context, const Freeal__Grant *grant);
void annotator_done(void *context, void *cookie, const struct client_reply *reply);

/* The loop's time, to be set once a turn. */
void annotator_now_set(struct annotator *a, uint64_t now_ms);
/* Sends what may be sent, and the credit; returns when it wants to be called next. */
uint64_t annotator_pump(struct annotator *a);
/* True when a handler has made work for annotator_pump since the last call of it. */
bool annotator_dirty(const struct annotator *a);

#endif
