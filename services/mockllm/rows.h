/* A JSONL file read object by object, for the mock's own files. */
#ifndef FREEAL_MOCKLLM_ROWS_H
#define FREEAL_MOCKLLM_ROWS_H

#include "base/err.h"
#include "mockllm/chat.h"

struct json_t;

/* Called for each object; its message comes back after "FILE:LINE: ". */
typedef enum err rows_fn(void *context, const struct json_t *row, struct err_msg *msg);

/* ERR_INVALID for a missing file, a line that is no JSON object, and what `each` refuses. */
WARN_UNUSED enum err rows_read(const char *path, rows_fn *each, void *context, struct err_msg *msg);

/* A string member; ERR_INVALID where it is missing. Borrowed from the row. */
WARN_UNUSED enum err rows_string(const struct json_t *row, const char *key,
				 struct chat_text *ret_text, struct err_msg *msg);

#endif
