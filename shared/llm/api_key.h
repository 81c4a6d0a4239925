/*
 * The key for an LLM server, from the environment or a file, as a line of HTTP's head. It is read
 * when it is needed, so that it can be changed, and kept nowhere.
 */
#ifndef FREEAL_LLM_API_KEY_H
#define FREEAL_LLM_API_KEY_H

#include "base/err.h"

#include <stdbool.h>

#define API_KEY_BYTES_MAX 4096
#define API_KEY_LINE_BYTES (API_KEY_BYTES_MAX + 32)

/*
 * Writes "Authorization: Bearer KEY", or with `own_header` "api-key: KEY" as Azure wants it. The
 * key is the value of the variable `key_env`, or the first line of `key_file`; either may be NULL
 * or empty, not both. ERR_NOT_FOUND: there is no such variable or file, or it holds nothing, or
 * something that can't stand in a header. The caller wipes `ret_line`.
 */
WARN_UNUSED enum err api_key_line(const char *key_env, const char *key_file, bool own_header,
				  char ret_line[API_KEY_LINE_BYTES]);

/* Whether the key stands in `words`: some servers repeat the one that they refuse. */
bool api_key_repeated(const char *key_env, const char *key_file, const char *words);

#endif
