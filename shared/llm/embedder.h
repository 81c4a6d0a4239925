/*
 * Sentence vectors from an LLM server: many texts in batches, several requests in flight, on the
 * caller's thread, which waits.
 *
 * Failures that time may mend (no connection, 429, 5xx) are tried again, with Retry-After and
 * growing pauses; a batch that the server finds too large (400, 413) is halved, down to one text,
 * which is then cut in half a few times.
 */
#ifndef FREEAL_LLM_EMBEDDER_H
#define FREEAL_LLM_EMBEDDER_H

#include "base/err.h"
#include "proto/project.pb-c.h"
#include "proto/work.pb-c.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct embedder;

/* Copies the settings. curl_global_init must have been called. */
WARN_UNUSED enum err embedder_new(const Freeal__Embeddings *settings, uint64_t seed,
				  struct embedder **ret_embedder, struct err_msg *msg);
void embedder_free(struct embedder *e);

/* How many numbers a vector has: as it was set, or by asking for the vector of one word. */
WARN_UNUSED enum err embedder_dimensions(struct embedder *e, const atomic_bool *cancel,
					 uint32_t *ret_dimensions, struct err_msg *msg);

/*
 * Vectors (count, dimensions) of length 1. `cancel` (may be NULL) ends it with ERR_CANCELLED.
 * ERR_INVALID: a person has to do something (key, model, URL), and `msg` says what; ERR_IO: it
 * was tried often enough. What was paid is in the usage in any case.
 */
WARN_UNUSED enum err embedder_run(struct embedder *e, const char *const *texts, const size_t *sizes,
				  size_t count, const atomic_bool *cancel, uint32_t dimensions,
				  float *ret_rows, struct err_msg *msg);

/* What all calls since the last one of this have used; `ret_usage` is an initialised message. */
void embedder_usage_take(struct embedder *e, Freeal__Usage *ret_usage);

#endif
