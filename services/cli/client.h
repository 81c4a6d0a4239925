/*
 * A client of the coordinator's HTTP API.
 */
#ifndef FREEAL_CLI_CLIENT_H
#define FREEAL_CLI_CLIENT_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

struct client;

/* Where a reply's body goes, piece by piece. An error ends the transfer. */
typedef enum err client_data_fn(void *context, const void *data, size_t size, struct err_msg *msg);

enum err client_new(struct client **ret_client, struct err_msg *msg) WARN_UNUSED;
void client_free(struct client *c);
/* Whom to ask from now on: HOST:PORT, and the bearer token. Both are copied; ERR_LIMIT where one
 * is too long. */
enum err client_set(struct client *c, const char *address, const char *token) WARN_UNUSED;

/*
 * All of these: ERR_AGAIN where nobody answers, or not now; ERR_CANCELLED where the
 * process is told to stop meanwhile; ERR_INVALID and ERR_NOT_FOUND with the
 * server's words; ERR_PROTOCOL for any other answer that is none.
 */

/* `body` is NULL for a GET. The reply, to be json_decref'd; `ret_json` may be NULL. */
enum err client_json(struct client *c, const char *path, const void *body, size_t size,
		     json_t **ret_json, struct err_msg *msg) WARN_UNUSED;
/* `data` gets the body as it comes; NULL: that there is an answer is enough. */
enum err client_stream(struct client *c, const char *path, client_data_fn *data, void *context,
		       struct err_msg *msg) WARN_UNUSED;

#endif
