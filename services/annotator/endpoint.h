/*
 * HTTP requests to LLM endpoints: hundreds at a time on the caller's one thread, over
 * libcurl's multi interface. Connections are kept and used again.
 *
 * HTTP and HTTPS alone, no redirects (a key must not follow one to another host), no
 * compression, headers and body with a ceiling, a total time, and an end to servers
 * that trickle.
 *
 *	poll endpoint_fd() until endpoint_due_ms(); endpoint_run(); endpoint_send() ...
 */
#ifndef FREEAL_ANNOTATOR_ENDPOINT_H
#define FREEAL_ANNOTATOR_ENDPOINT_H

#include "annotator/throttle.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct endpoint;

/* Borrowed, `body` apart. */
struct endpoint_request {
	const char *url;     /* base URL; "/chat/completions" is put behind it */
	const char *key_env; /* "" or the environment variable with the key, read now */
	struct buf *body;    /* taken over on success: the buffer is empty then */
	uint32_t timeout_ms;
	void *cookie; /* handed to the callback */
};

struct endpoint_reply {
	enum transfer transfer;
	uint32_t status;
	uint64_t retry_after_ms; /* RETRY_AFTER_NONE: no such header */
	const char *body;	 /* valid during the callback */
	size_t body_size;
	const char *error; /* of the transfer, for people; "" */
	uint64_t sent_ms;
};

/* Called from endpoint_run, once for each request sent. It may send others. */
typedef void endpoint_done_fn(void *context, void *cookie, const struct endpoint_reply *reply);

/* curl_global_init must have been called. */
WARN_UNUSED enum err endpoint_new(const struct clock *clock, uint32_t connections_max,
				  endpoint_done_fn *done, void *context,
				  struct endpoint **ret_endpoint, struct err_msg *msg);
/* Gives up what is in flight, without callbacks. */
void endpoint_free(struct endpoint *e);

/* ERR_NOT_FOUND: the key's variable is unset, empty or no header value. */
WARN_UNUSED enum err endpoint_send(struct endpoint *e, const struct endpoint_request *request);

/* Readable when endpoint_run has something to do. */
int endpoint_fd(const struct endpoint *e);
/* When it has, by time; UINT64_MAX: not by time. */
uint64_t endpoint_due_ms(const struct endpoint *e);
void endpoint_run(struct endpoint *e);

#endif
