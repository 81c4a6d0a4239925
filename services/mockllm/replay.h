/*
 * Recorded answers by text, model and number of examples.
 *
 * File: JSONL, {"text": ..., "answers": {"MODEL|SHOTS": "label" or null, ...}}.
 * SHOTS is the number of demonstrations in the prompt, or `*` for any; null is an
 * invalid answer and comes back as `unknown`. A model whose answers were reasoned
 * out first is recorded under a name that ends in `-cot`, by its label alone.
 */
#ifndef FREEAL_MOCKLLM_REPLAY_H
#define FREEAL_MOCKLLM_REPLAY_H

#include "base/buf.h"
#include "mockllm/chat.h"
#include "mockllm/guess.h"

struct replay;

WARN_UNUSED enum err replay_new(const char *path, struct replay **ret_replay, struct err_msg *msg);
void replay_free(struct replay *r);
/* ERR_NOT_FOUND where nothing is recorded for the model, the number of examples or the text. */
WARN_UNUSED enum err replay_guess(const struct replay *r, const struct chat_request *request,
				  struct chat_text text, struct guess *ret_guess,
				  struct err_msg *msg);

#endif
