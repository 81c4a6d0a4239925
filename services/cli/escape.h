/*
 * Writing JSON strings and CSV fields into a buffer.
 */
#ifndef FREEAL_CLI_ESCAPE_H
#define FREEAL_CLI_ESCAPE_H

#include "base/buf.h"

/* `text` is valid UTF-8; adds it in quotes, escaped. */
void escape_json(struct buf *out, const char *text, size_t size);
/* A field of RFC 4180, in quotes where it needs them. */
void escape_csv(struct buf *out, const char *text, size_t size);

#endif
