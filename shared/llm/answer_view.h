/*
 * A second view of a text, as an LLM's answer. Pure.
 */
#ifndef FREEAL_LLM_ANSWER_VIEW_H
#define FREEAL_LLM_ANSWER_VIEW_H

#include <stddef.h>

/* The answer trimmed, without one pair of quotes around the whole; points into `text`. NULL with a
 * reason of answer.h: empty, refused, too_long (over SAMPLE_BYTES_MAX). */
const char *answer_view(const char *text, size_t size, size_t *ret_size, const char **ret_reason);

#endif
