/* What is answered to one request: status, headers, body, and the fault that changes it. */
#ifndef FREEAL_MOCKLLM_OUTCOME_H
#define FREEAL_MOCKLLM_OUTCOME_H

#include "base/buf.h"
#include "mockllm/script.h"

#include <stdbool.h>

enum { OUTCOME_HEADERS_MAX = 12, OUTCOME_BODY_MAX = 256 << 20 };

struct outcome_header {
	const char *name; /* a constant */
	char value[64];
};

struct outcome {
	unsigned status;
	const char *content_type; /* a constant */
	struct outcome_header headers[OUTCOME_HEADERS_MAX];
	size_t header_count;
	struct buf body;
	const struct fault *fault; /* NULL: none */
	bool counted;		   /* as in flight, until it is sent */
};

/* Status 200, an empty body of JSON. */
void outcome_init(struct outcome *o);
void outcome_done(struct outcome *o);

void outcome_header(struct outcome *o, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* An error object in place of the body; `param` may be NULL. */
void outcome_error(struct outcome *o, unsigned status, const char *message, const char *code,
		   const char *param);
/*
 * Puts what the fault says in the place of the ordinary answer. Delays, broken connections
 * and headers are left to who sends it.
 */
void outcome_fault(struct outcome *o, const struct fault *fault);

#endif
