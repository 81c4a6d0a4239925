/*
 * Text inside a JSON string (RFC 8259). Pure.
 */
#ifndef FREEAL_TEXT_ESCAPE_H
#define FREEAL_TEXT_ESCAPE_H

#include "base/buf.h"

#include <stddef.h>

/* Appends the text as it stands between the quotes of a JSON string. Valid UTF-8 stays as it
 * is; what is not valid is the caller's to refuse before. */
void escape_add(struct buf *out, const void *text, size_t size);

#endif
