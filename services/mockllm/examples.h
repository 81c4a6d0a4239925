/* Labelled texts of a file, given out where an LLM would write demonstrations. */
#ifndef FREEAL_MOCKLLM_EXAMPLES_H
#define FREEAL_MOCKLLM_EXAMPLES_H

#include "base/buf.h"
#include "mockllm/chat.h"

struct examples;
struct task;

/*
 * Reads a CSV or JSONL file with the task's text and gold columns, or `text` and
 * `label` where the task names none. Borrows the task for its life.
 */
WARN_UNUSED enum err examples_new(const char *path, const struct task *task,
				  struct examples **ret_examples, struct err_msg *msg);
void examples_free(struct examples *x);
/* A JSON list of the label's first texts, as many as are wanted or there are. */
WARN_UNUSED enum err examples_answer(const struct examples *x, const struct chat_request *request,
				     struct buf *out, struct err_msg *msg);

#endif
