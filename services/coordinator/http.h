/*
 * The HTTP side (/v1, /healthz) over libmicrohttpd: loopback by default, a bearer token
 * for everything but /healthz. Each connection has a thread; it reads the store by itself
 * and reaches the loop by the inbox.
 */
#ifndef FREEAL_COORDINATOR_HTTP_H
#define FREEAL_COORDINATOR_HTTP_H

#include "coordinator/coordinator.h"

#include <stdint.h>

struct http;

/* `address` is HOST:PORT with a numeric host; port 0 takes any free one. `token` is
 * copied. */
enum err http_start(struct coordinator *c, const char *address, const char *token,
		    struct http **ret_http, struct err_msg *msg) WARN_UNUSED;
uint16_t http_port(const struct http *h);
/* Ends the connections; the loop must have closed the inbox. */
void http_stop(struct http *h);

#endif
