/*
 * A reply of JSON lines that are made as the client reads, so that any number of them takes no
 * more memory than a block.
 */
#ifndef FREEAL_COORDINATOR_HTTP_LINES_H
#define FREEAL_COORDINATOR_HTTP_LINES_H

#include "base/buf.h"
#include "base/err.h"

#include <microhttpd.h>

struct lines_source {
	/* Appends the next line. ERR_NOT_FOUND: there are no more. */
	enum err (*next)(void *context, struct buf *out);
	void (*free)(void *context);
	void *context;
};

/* Takes the source over, in any case. */
enum MHD_Result lines_reply(struct MHD_Connection *connection, const struct lines_source *source);

#endif
