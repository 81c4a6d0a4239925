#include "coordinator/http_lines.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (64u << 10)
#define BLOCK_BYTES_MAX (16u << 20) /* with a line that is larger */

struct reader {
	struct lines_source source;
	struct buf block;
	size_t sent; /* bytes of the block */
	bool end;
};

static enum err block_fill(struct reader *r)
{
	buf_reset(&r->block);
	r->sent = 0;
	while (r->block.size < BLOCK_BYTES) {
		enum err e = r->source.next(r->source.context, &r->block);
		r->end = e == ERR_NOT_FOUND;
		if (r->end)
			return ERR_OK;
		if (!e)
			e = buf_error(&r->block);
		if (e)
			return e;
	}
	return ERR_OK;
}

static ssize_t lines_read(void *context, uint64_t position, char *to, size_t size)
{
	(void)position;
	struct reader *r = context;
	while (r->sent == r->block.size) {
		if (r->end)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (block_fill(r))
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	size_t n = r->block.size - r->sent < size ? r->block.size - r->sent : size;
	memcpy(to, r->block.data + r->sent, n);
	r->sent += n;
	return (ssize_t)n;
}

static void reader_free(void *context)
{
	struct reader *r = context;
	r->source.free(r->source.context);
	buf_done(&r->block);
	free(r);
}

enum MHD_Result lines_reply(struct MHD_Connection *connection, const struct lines_source *source)
{
	struct reader *r = calloc(1, sizeof *r);
	if (!r) {
		source->free(source->context);
		return MHD_NO;
	}
	r->source = *source;
	buf_init(&r->block, BLOCK_BYTES_MAX);
	struct MHD_Response *response = MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, BLOCK_BYTES, lines_read, r, reader_free);
	if (!response) {
		reader_free(r);
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, "Content-Type", "application/x-ndjson");
	enum MHD_Result queued = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return queued;
}
