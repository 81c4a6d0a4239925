/*
 * The HTTP side: listens, takes whole requests, sends the API's answers now or later.
 *
 * One epoll thread per `threads`; delayed and hanging replies are suspended connections in
 * one pacer, so thousands can wait.
 */
#ifndef FREEAL_MOCKLLM_SERVER_H
#define FREEAL_MOCKLLM_SERVER_H

#include "base/err.h"
#include "mockllm/api.h"

#include <stdint.h>

enum { SERVER_CONNECTIONS_MAX = 16384 };

struct server;

/* All borrowed while the server lives. */
struct server_options {
	struct api_options api;
	const char *address; /* "127.0.0.1:0"; port 0 takes any free one */
	uint64_t latency_ms; /* before every answer of a model */
	unsigned threads;
};

WARN_UNUSED enum err server_new(const struct server_options *options, struct server **ret_server,
				struct err_msg *msg);
unsigned server_port(const struct server *s);
/* Stops listening, ends waiting replies and joins the threads. */
void server_free(struct server *s);

/* Splits "HOST:PORT" ("[HOST]:PORT" for IPv6). ERR_INVALID for anything else. */
WARN_UNUSED enum err server_address_parse(const char *address, char ret_host[64],
					  uint16_t *ret_port);

#endif
