#include "coordinator/http_reply.h"

#include <stdio.h>
#include <string.h>

enum MHD_Result http_reply(struct MHD_Connection *connection, unsigned status, const char *type,
			   const char *text, size_t size)
{
	struct MHD_Response *r =
	    MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);
	if (!r)
		return MHD_NO;
	(void)MHD_add_response_header(r, "Content-Type", type);
	enum MHD_Result queued = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return queued;
}

enum MHD_Result http_reply_json(struct MHD_Connection *connection, unsigned status,
				const char *text)
{
	return http_reply(connection, status, "application/json", text, strlen(text));
}

enum MHD_Result http_reply_error(struct MHD_Connection *connection, unsigned status,
				 const char *what)
{
	char text[512];
	(void)snprintf(text, sizeof text, "{\"error\":\"%s\"}\n", what);
	return http_reply_json(connection, status, text);
}

enum MHD_Result http_reply_busy(struct MHD_Connection *connection, const char *why)
{
	char text[128];
	int n = snprintf(text, sizeof text, "{\"error\":\"%s\"}\n", why);
	struct MHD_Response *r =
	    MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);
	if (!r)
		return MHD_NO;
	(void)MHD_add_response_header(r, "Content-Type", "application/json");
	(void)MHD_add_response_header(r, "Retry-After", "1");
	enum MHD_Result queued = MHD_queue_response(connection, 503, r);
	MHD_destroy_response(r);
	return queued;
}
