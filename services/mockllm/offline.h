/*
 * A weak but real annotator without any model: the label most of whose keywords
 * stand in the text as whole words, ASCII case ignored, ties to the earlier label;
 * where none fits, the label of the prompt's demonstration that shares most words
 * with the text, ties to the earlier one; else `unknown`.
 */
#ifndef FREEAL_MOCKLLM_OFFLINE_H
#define FREEAL_MOCKLLM_OFFLINE_H

#include "base/buf.h"
#include "mockllm/chat.h"
#include "mockllm/guess.h"

#include <stdint.h>

struct offline;
struct task;

/* Borrows the task for its life. ERR_INVALID where no label has a keyword. */
WARN_UNUSED enum err offline_new(const struct task *task, uint64_t seed,
				 struct offline **ret_offline, struct err_msg *msg);
void offline_free(struct offline *o);
struct guess offline_guess(const struct offline *o, const struct chat_request *request,
			   struct chat_text text);
/*
 * A JSON list of made-up texts, each of some keywords of the label and nothing else,
 * so that it shares no words with texts about something else. At most as many as
 * there are different ones. ERR_INVALID for an unknown label.
 */
WARN_UNUSED enum err offline_examples(const struct offline *o, const struct chat_request *request,
				      struct buf *out, struct err_msg *msg);

#endif
