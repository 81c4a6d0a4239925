/* A form as multipart/form-data (RFC 7578), in memory. Pure. */
#ifndef FREEAL_MOCKLLM_MULTIPART_H
#define FREEAL_MOCKLLM_MULTIPART_H

#include "base/err.h"
#include "mockllm/chat.h"

struct multipart_field {
	struct chat_text value;
	struct chat_text filename; /* size 0: none */
};

/*
 * The field of this name; it points into the body. ERR_INVALID: no such form, or a part of it
 * is broken. ERR_NOT_FOUND: no such field.
 */
WARN_UNUSED enum err multipart_find(const char *content_type, struct chat_text body,
				    const char *name, struct multipart_field *ret_field);

#endif
