/*
 * POST /v1/embeddings, and the same as a line of a batch: a text's counts of hashed words,
 * with signs by the hash, as a vector of length 1. Texts that share words are near each other.
 */
#ifndef FREEAL_MOCKLLM_EMBEDDINGS_H
#define FREEAL_MOCKLLM_EMBEDDINGS_H

#include "mockllm/api.h"

enum {
	EMBEDDINGS_INPUTS_MAX = 2048,
	EMBEDDINGS_DIMENSIONS = 256, /* where none are asked for */
	EMBEDDINGS_DIMENSIONS_MAX = 4096,
};

void embeddings_handle(struct api *api, const struct api_request *request, struct outcome *o);
/* Without limits and a count as in flight; `url` is the line's. */
void embeddings_line(struct api *api, const char *url, struct chat_text body, struct outcome *o);

/* The vector of one text. Pure. */
void embeddings_vector(struct chat_text text, float *ret_vector, size_t dimensions);

#endif
