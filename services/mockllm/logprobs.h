/*
 * The log probabilities of an answer's pieces. A piece of a label has the probability of all
 * guesses that go on like it among those that begin like what stands before it, so that a
 * label's pieces multiply to its own; any other piece has 0.9. Pure.
 */
#ifndef FREEAL_MOCKLLM_LOGPROBS_H
#define FREEAL_MOCKLLM_LOGPROBS_H

#include "base/buf.h"
#include "mockllm/wording.h"

#include <stdint.h>

/* Appends {"content":[...]} for the pieces in [from, to). */
void logprobs_write(struct buf *out, const struct wording *w, size_t from, size_t to, uint32_t top);

#endif
