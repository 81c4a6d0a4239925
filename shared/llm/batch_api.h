/*
 * OpenAI's Batch API: requests in a file, answered within a day for half the price
 * (https://platform.openai.com/docs/guides/batch). Writes what is sent and reads what comes back.
 * Pure.
 */
#ifndef FREEAL_LLM_BATCH_API_H
#define FREEAL_LLM_BATCH_API_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_ID_BYTES_MAX 128 /* of a job, a file, a request */
#define BATCH_ERROR_BYTES_MAX 256

/* The body of POST /files as multipart/form-data with BATCH_CONTENT_TYPE: begin, a line for each
 * request, end. `body` is one line of JSON, the request's; errors are the buffer's. */
#define BATCH_BOUNDARY "freeal-5f0d3c1b8a7e4692"
#define BATCH_CONTENT_TYPE "multipart/form-data; boundary=" BATCH_BOUNDARY
void batch_file_begin(struct buf *out);
void batch_file_line(struct buf *out, const char *custom_id, const void *body, size_t size);
void batch_file_end(struct buf *out);

/* The body of POST /batches. `token` is a word in the job's metadata. */
void batch_create_write(struct buf *out, const char *file_id, const char *token);

enum batch_status {
	BATCH_RUNS,
	BATCH_ENDED,  /* completed, expired or cancelled: what there is is in its files */
	BATCH_FAILED, /* refused as a whole: see `error` */
};

/* A job, as GET /batches/ID shows it. */
struct batch_object {
	char id[BATCH_ID_BYTES_MAX];
	enum batch_status status;
	char output_file[BATCH_ID_BYTES_MAX]; /* "": none */
	char error_file[BATCH_ID_BYTES_MAX];  /* "": none */
	char error[BATCH_ERROR_BYTES_MAX];    /* for people */
};

/* The id of an uploaded file. ERR_PROTOCOL: the reply has none that can be used. */
WARN_UNUSED enum err batch_file_parse(const char *body, size_t size, char *ret_id);
/* ERR_PROTOCOL: no job. */
WARN_UNUSED enum err batch_object_parse(const char *body, size_t size,
					struct batch_object *ret_object);
/*
 * Looks in a page of GET /batches for the job with that token. ERR_NOT_FOUND: it is not on it;
 * then `ret_after` is the id to ask for the next page with, or "" on the last one. ERR_PROTOCOL.
 */
WARN_UNUSED enum err batch_list_find(const char *body, size_t size, const char *token,
				     struct batch_object *ret_object, char *ret_after);

/* A line of an output or error file. */
struct batch_answer {
	struct json_t *root; /* owns what is below */
	const char *custom_id;
	uint32_t status;   /* HTTP; 0: there was no reply: see `error` */
	char *body;	   /* owned; "" without a reply */
	const char *error; /* its code, such as batch_expired; "" */
};

/* ERR_PROTOCOL: no such line. Done with in any case of success. */
WARN_UNUSED enum err batch_answer_parse(const char *line, size_t size,
					struct batch_answer *ret_answer);
void batch_answer_done(struct batch_answer *a);

#endif
