/*
 * HTTP requests to LLM servers: hundreds at a time on the caller's one thread, over
 * libcurl's multi interface. Connections are kept and used again.
 *
 * HTTP and HTTPS alone, no redirects (a key must not follow one to another host), no
 * compression, headers and body with a ceiling, a total time, and an end to servers
 * that trickle.
 *
 *	poll client_fd() until client_due_ms(); client_run(); client_send() ...
 */
#ifndef FREEAL_LLM_CLIENT_H
#define FREEAL_LLM_CLIENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "llm/client_url.h"
#include "llm/retry_after.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

/* How the transfer ended, before its HTTP status is looked at. */
enum transfer {
	TRANSFER_DONE,	      /* there is an HTTP status */
	TRANSFER_UNREACHABLE, /* refused, reset, DNS, TLS handshake */
	TRANSFER_TIMEOUT,     /* over its time, or too slow */
	TRANSFER_TOO_LARGE,   /* body or headers over their limit */
	TRANSFER_CERTIFICATE, /* a certificate is wrong */
	TRANSFER_URL,	      /* the URL can't be used at all */
	TRANSFER_NO_KEY,      /* the environment variable with the key is not set */
};

/* Borrowed, `body` apart. */
struct client_request {
	const char *method;   /* "GET", "POST", "DELETE"; NULL: POST */
	const char *url;      /* whole; client_url_write */
	const char *key_env;  /* "" or the environment variable with the key, read now */
	const char *key_file; /* "" or a file with it, read now */
	bool key_header;      /* as "api-key: KEY" (Azure) instead of "Authorization: Bearer KEY" */
	const char *content_type; /* NULL: application/json */
	struct buf *body;	  /* taken over on success, for an empty one; NULL: none */
	size_t reply_bytes_max;	  /* 0: REPLY_BYTES_MAX */
	uint32_t timeout_ms;
	void *cookie; /* handed to the callback */
};

struct client_reply {
	enum transfer transfer;
	uint32_t status;
	uint64_t retry_after_ms; /* RETRY_AFTER_NONE: no such header */
	uint64_t spent_ms;	 /* until the server takes more, as it says; 0: it does now */
	const char *body;	 /* valid during the callback */
	size_t body_size;
	const char *error; /* of the transfer, for people; "" */
	uint64_t sent_ms;
};

/* Called from client_run, once for each request sent. It may send others. */
typedef void client_done_fn(void *context, void *cookie, const struct client_reply *reply);

/* curl_global_init must have been called. */
WARN_UNUSED enum err client_new(const struct clock *clock, uint32_t connections_max,
				client_done_fn *done, void *context, struct client **ret_client,
				struct err_msg *msg);
/* Gives up what is in flight, without callbacks. */
void client_free(struct client *c);

/* ERR_NOT_FOUND: the key's variable or file is not there, empty or no header value. */
WARN_UNUSED enum err client_send(struct client *c, const struct client_request *request);

/* Readable when client_run has something to do. */
int client_fd(const struct client *c);
/* When it has, by time; UINT64_MAX: not by time. */
uint64_t client_due_ms(const struct client *c);
void client_run(struct client *c);

#endif
