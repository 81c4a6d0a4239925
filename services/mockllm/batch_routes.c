#include "mockllm/batch_routes.h"

#include "base/rng.h"
#include "mockllm/completion.h"
#include "mockllm/embeddings.h"
#include "mockllm/page.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const ENDPOINTS[] = {"/v1/chat/completions", "/v1/embeddings"};

static uint64_t now_s(const struct api *api)
{
	return clock_wall_ms(&api->clock) / 1000;
}

/* What comes of one line, into the output file or that of errors. */
struct results {
	struct buf output;
	struct buf errors;
};

static void line_head(struct buf *out, const struct batch *b, size_t number, const json_t *line)
{
	const json_t *id = json_object_get(line, "custom_id");
	buf_printf(out, "{\"id\":\"batch_req_%s_%zu\",\"custom_id\":", b->id, number);
	chat_string_write(out, (struct chat_text){json_string_value(id), json_string_length(id)});
}

static void line_run(struct api *api, struct batch *b, size_t number, struct results *results)
{
	const json_t *line = json_array_get(b->lines, number);
	char *body = json_dumps(json_object_get(line, "body"), JSON_COMPACT);
	struct outcome o;
	outcome_init(&o);
	if (!body)
		outcome_error(&o, 500, "out of memory", "server_error", NULL);
	else if (strcmp(b->endpoint, ENDPOINTS[0]) == 0)
		completion_line(api, b->endpoint, chat_text_of(body), &o);
	else
		embeddings_line(api, b->endpoint, chat_text_of(body), &o);
	if (strcmp(o.content_type, "application/json") != 0)
		outcome_error(&o, 400, "'stream' is not for batches", "invalid_value", "stream");
	bool good = o.status == 200;
	struct buf *out = good ? &results->output : &results->errors;
	*(good ? &b->completed : &b->failed) += 1;
	line_head(out, b, number, line);
	buf_printf(out,
		   ",\"response\":{\"status_code\":%u,\"request_id\":\"req_mock_%zu\",\"body\":",
		   o.status, number);
	buf_add(out, o.body.data, o.body.size);
	buf_add_str(out, "},\"error\":null}\n");
	outcome_done(&o);
	free(body);
}

static void line_expire(const struct batch *b, size_t number, struct results *results)
{
	line_head(&results->errors, b, number, json_array_get(b->lines, number));
	buf_add_str(&results->errors,
		    ",\"response\":null,\"error\":{\"code\":\"batch_expired\",\"message\":\"This "
		    "request could not be executed before the completion window expired.\"}}\n");
}

static void results_keep(struct api *api, const struct buf *data, const char *name,
			 char ret_id[FILES_ID_MAX])
{
	if (data->size == 0 || buf_error(data))
		return;
	const struct file *file = files_add(&api->files, chat_text_of(name), "batch_output",
					    (struct chat_text){data->data, data->size}, now_s(api));
	if (file)
		(void)snprintf(ret_id, FILES_ID_MAX, "%s", file->id);
}

/* Answers the lines, in no order that a client could rely on. */
static void batch_run(struct api *api, struct batch *b)
{
	uint32_t *order = calloc(b->total, sizeof(*order));
	struct rng rng = rng_make(hash_bytes(1, b->id, strlen(b->id)));
	struct results results;
	size_t expired = 0;
	buf_init(&results.output, FILES_BYTES_MAX);
	buf_init(&results.errors, FILES_BYTES_MAX);
	for (size_t i = 0; order && i < b->total; i++)
		order[i] = (uint32_t)i;
	if (order)
		rng_shuffle(&rng, order, b->total);
	for (size_t i = 0; order && i < b->total; i++) {
		if (rng_double(&rng) < b->expire) {
			line_expire(b, order[i], &results);
			expired++;
		} else {
			line_run(api, b, order[i], &results);
		}
	}
	results_keep(api, &results.output, "output.jsonl", b->output);
	results_keep(api, &results.errors, "errors.jsonl", b->errors);
	batch_end(b, expired ? BATCH_EXPIRED : BATCH_COMPLETED, now_s(api));
	buf_done(&results.output);
	buf_done(&results.errors);
	free(order);
}

/* Brings its state to the present. */
static void batch_advance(struct api *api, struct batch *b)
{
	if (batch_has_ended(b))
		return;
	if (b->state == BATCH_CANCELLING) {
		batch_end(b, BATCH_CANCELLED, now_s(api));
	} else if (b->error.code) {
		batch_end(b, BATCH_FAILED, now_s(api));
	} else {
		b->state = BATCH_IN_PROGRESS;
		if (clock_mono_ms(&api->clock) >= b->due_ms)
			batch_run(api, b);
	}
}

/* The endpoint of our own constants; NULL where it is none of them. */
static const char *endpoint_of(const char *name)
{
	for (size_t i = 0; name && i < sizeof ENDPOINTS / sizeof *ENDPOINTS; i++) {
		/* Azure leaves the version out. */
		if (strcmp(name, ENDPOINTS[i]) == 0 || strcmp(name, ENDPOINTS[i] + 3) == 0)
			return ENDPOINTS[i];
	}
	return NULL;
}

void batch_create_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	json_t *root =
	    json_loadb(request->body.data ? request->body.data : "", request->body.size, 0, NULL);
	const char *endpoint = endpoint_of(json_string_value(json_object_get(root, "endpoint")));
	const char *input = json_string_value(json_object_get(root, "input_file_id"));
	const char *window = json_string_value(json_object_get(root, "completion_window"));
	json_t *metadata = json_object_get(root, "metadata");
	pthread_mutex_lock(&api->jobs_lock);
	const struct file *file = input ? files_find(&api->files, input) : NULL;
	struct batch *b = NULL;
	if (!endpoint)
		outcome_error(o, 400, "'endpoint' must be /v1/chat/completions or /v1/embeddings",
			      "invalid_value", "endpoint");
	else if (!window || strcmp(window, "24h") != 0)
		outcome_error(o, 400, "'completion_window' must be 24h", "invalid_value",
			      "completion_window");
	else if (!file)
		outcome_error(o, 400, "'input_file_id' must be a file's", "invalid_value",
			      "input_file_id");
	else if (!(b = batches_add(&api->batches, endpoint, file)))
		outcome_error(o, 429, "no room for more batches", "batch_limit", NULL);
	if (b) {
		b->created_s = now_s(api);
		b->due_ms = clock_mono_ms(&api->clock) + api->options.batch_ms;
		b->expire = o->fault ? o->fault->expire : 0;
		b->metadata = json_is_object(metadata) ? json_incref(metadata) : NULL;
		batch_write(&o->body, b);
	}
	pthread_mutex_unlock(&api->jobs_lock);
	json_decref(root);
}

void batch_list_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	struct page page;
	pthread_mutex_lock(&api->jobs_lock);
	page_begin(&page, &o->body, request->limit, request->after);
	for (size_t i = api->batches.count; i > 0; i--) {
		struct batch *b = &api->batches.items[i - 1];
		if (!page_next(&page, b->id))
			continue;
		batch_advance(api, b);
		batch_write(&o->body, b);
	}
	page_end(&page);
	pthread_mutex_unlock(&api->jobs_lock);
}

void batch_get_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	pthread_mutex_lock(&api->jobs_lock);
	struct batch *b = batches_find(&api->batches, request->id);
	if (b) {
		batch_advance(api, b);
		batch_write(&o->body, b);
	} else {
		outcome_error(o, 404, "no such batch", "not_found", "id");
	}
	pthread_mutex_unlock(&api->jobs_lock);
}

void batch_cancel_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	pthread_mutex_lock(&api->jobs_lock);
	struct batch *b = batches_find(&api->batches, request->id);
	if (b)
		batch_advance(api, b);
	if (!b) {
		outcome_error(o, 404, "no such batch", "not_found", "id");
	} else if (batch_has_ended(b)) {
		outcome_error(o, 409, "a batch that has ended can't be cancelled", "conflict",
			      NULL);
	} else {
		b->state = BATCH_CANCELLING;
		batch_write(&o->body, b);
	}
	pthread_mutex_unlock(&api->jobs_lock);
}
