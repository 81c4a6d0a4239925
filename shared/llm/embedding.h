/*
 * The bodies of an embeddings request and its reply (OpenAI's /v1/embeddings). Pure.
 */
#ifndef FREEAL_LLM_EMBEDDING_H
#define FREEAL_LLM_EMBEDDING_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/project.pb-c.h"

#include <stddef.h>
#include <stdint.h>

#define EMBEDDING_DIMENSIONS_MAX 16384u

/* Appends {"model", "input": [texts], "encoding_format": "float", "dimensions"?}. ERR_INVALID: a
 * text that is not UTF-8; ERR_LIMIT: larger than `out` may be. */
WARN_UNUSED enum err embedding_request_write(const Freeal__Embeddings *settings,
					     const char *const *texts, const size_t *sizes,
					     size_t count, struct buf *out);

/* How many numbers the first vector of a reply has; 0: there is none. */
uint32_t embedding_reply_dimensions(const char *body, size_t size);

/*
 * Reads the vectors of `count` texts into `ret_rows` (count, dimensions), by their index, each of
 * length 1 (a vector of zeros stays one). `ret_tokens`: what the server counted; 0 where it does
 * not say. ERR_PROTOCOL: a vector is missing, comes twice, has another size, or is no numbers.
 */
WARN_UNUSED enum err embedding_reply_read(const char *body, size_t size, size_t count,
					  uint32_t dimensions, float *ret_rows,
					  uint64_t *ret_tokens);

#endif
