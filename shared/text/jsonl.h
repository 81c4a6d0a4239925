/*
 * A pull parser for JSON Lines: one object per line, blank lines skipped.
 *
 * Refused: invalid JSON, anything but an object, a key twice, nesting deeper
 * than the limit. After an error the parser stands at the next line, so that a
 * caller may go on.
 */
#ifndef FREEAL_TEXT_JSONL_H
#define FREEAL_TEXT_JSONL_H

#include "base/err.h"

#include "text/input.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct jsonl;

/* The input is borrowed. ERR_NO_MEMORY. */
WARN_UNUSED enum err jsonl_new(struct input *input, size_t line_bytes_max,
			       struct jsonl **ret_jsonl);
void jsonl_free(struct jsonl *j);

/*
 * The next object, borrowed until the next call; NULL at the end. ERR_INVALID
 * and ERR_LIMIT with a message that doesn't name file or line. *ret_line is set
 * in every case, from 1. ERR_AGAIN and ERR_CANCELLED as the input gives them;
 * after ERR_AGAIN the same call goes on.
 */
WARN_UNUSED enum err jsonl_next(struct jsonl *j, const json_t **ret_object, uint64_t *ret_line,
				struct err_msg *msg);

#endif
