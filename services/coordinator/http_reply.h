/*
 * Short replies of the HTTP interface. What they are given is copied.
 */
#ifndef FREEAL_COORDINATOR_HTTP_REPLY_H
#define FREEAL_COORDINATOR_HTTP_REPLY_H

#include <microhttpd.h>
#include <stddef.h>

enum MHD_Result http_reply(struct MHD_Connection *connection, unsigned status, const char *type,
			   const char *text, size_t size);
enum MHD_Result http_reply_json(struct MHD_Connection *connection, unsigned status,
				const char *text);
/* {"error": what}; `what` has nothing to escape. */
enum MHD_Result http_reply_error(struct MHD_Connection *connection, unsigned status,
				 const char *what);
/* 503 with Retry-After: the same again later is welcome. */
enum MHD_Result http_reply_busy(struct MHD_Connection *connection, const char *why);

#endif
