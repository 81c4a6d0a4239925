/*
 * An answer's tokens: a word of at most 16 bytes with the space before it, or a character.
 * Pure functions.
 */
#ifndef FREEAL_MOCKLLM_PIECES_H
#define FREEAL_MOCKLLM_PIECES_H

#include "mockllm/chat.h"

#include <stddef.h>

/* The size of the piece at `at`, which is before the end. */
size_t piece_size(struct chat_text text, size_t at);
size_t pieces_count(struct chat_text text);
/* The bytes of the first `count` pieces. */
size_t pieces_bytes(struct chat_text text, size_t count);

#endif
