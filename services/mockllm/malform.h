/* Bodies of replies that are broken in a named way (script.h lists the names). Pure. */
#ifndef FREEAL_MOCKLLM_MALFORM_H
#define FREEAL_MOCKLLM_MALFORM_H

#include "base/buf.h"

/* Appends the broken form of `reply`, a whole reply's JSON; `name` is one of script.h's. */
void malform_write(struct buf *out, const struct buf *reply, const char *name);

#endif
