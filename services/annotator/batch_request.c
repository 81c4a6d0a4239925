/*
 * The request that a batch job's state asks for.
 */
#include "annotator/annotator_impl.h"
#include "annotator/batch_job.h"

#include <stdio.h>

#define URL_BYTES_MAX 2048
#define FILE_BYTES_MAX (256u << 20) /* of answers */
#define FILE_TIMEOUT_MS 600000u

static enum err url_write(const struct batch_job *j, char *url, size_t size)
{
	char path[3 * BATCH_ID_BYTES_MAX];
	switch (j->state) {
	case BATCH_UPLOADS:
		return client_url_write(j->lane->endpoint, "/files", url, size);
	case BATCH_CREATES:
		return client_url_write(j->lane->endpoint, "/batches", url, size);
	case BATCH_FINDS:
		(void)snprintf(path, sizeof path, "/batches?limit=100%s%s",
			       *j->after ? "&after=" : "", j->after);
		break;
	case BATCH_FETCHES:
		(void)snprintf(path, sizeof path, "/files/%s/content", j->object.output_file);
		break;
	case BATCH_FETCHES_ERRORS:
		(void)snprintf(path, sizeof path, "/files/%s/content", j->object.error_file);
		break;
	default:
		(void)snprintf(path, sizeof path, "/batches/%s", j->object.id);
		break;
	}
	return client_url_write(j->lane->endpoint, path, url, size);
}

enum err batch_request(struct annotator *a, struct batch_job *j)
{
	const Freeal__Endpoint *endpoint = j->lane->endpoint;
	bool file = j->state == BATCH_UPLOADS || j->state == BATCH_FETCHES ||
		    j->state == BATCH_FETCHES_ERRORS;
	char url[URL_BYTES_MAX];
	struct buf body;
	buf_init(&body, BATCH_FILE_BYTES_MAX);
	struct client_request request = {
	    .method = "GET",
	    .url = url,
	    .key_env = endpoint->key_env,
	    .key_file = endpoint->key_file,
	    .key_header = *endpoint->api_version != '\0',
	    .reply_bytes_max = file ? FILE_BYTES_MAX : 0,
	    .timeout_ms = file ? FILE_TIMEOUT_MS : endpoint->timeout_ms,
	    .cookie = j,
	};
	if (j->state == BATCH_UPLOADS) {
		buf_add(&body, j->body.data, j->body.size);
		request.content_type = BATCH_CONTENT_TYPE;
	} else if (j->state == BATCH_CREATES) {
		batch_create_write(&body, j->file, j->word);
	}
	if (body.size) {
		request.method = "POST";
		request.body = &body;
	}
	enum err e = buf_error(&body);
	if (!e)
		e = url_write(j, url, sizeof url);
	if (!e)
		e = client_send(a->batch_client, &request);
	buf_done(&body);
	return e;
}
