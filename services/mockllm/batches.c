#include "mockllm/batches.h"

#include "mockllm/index.h"

#include <jansson.h>

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_WINDOW_S = 24 * 3600 };

void batches_done(struct batches *b)
{
	for (size_t i = 0; i < b->count; i++) {
		json_decref(b->items[i].metadata);
		json_decref(b->items[i].lines);
	}
	b->count = 0;
}

/* Sets the error where the line can't be taken. */
static json_t *line_parse(struct batch *b, struct index *ids, struct chat_text line)
{
	int32_t number;
	bool is_new = false;
	json_t *root = json_loadb(line.data, line.size, 0, NULL);
	const json_t *id = json_object_get(root, "custom_id");
	const char *method = json_string_value(json_object_get(root, "method"));
	const char *url = json_string_value(json_object_get(root, "url"));
	struct chat_text custom_id = {json_string_value(id), json_string_length(id)};
	if (!json_is_object(root))
		b->error = (struct batch_error){"invalid_json_line", "not a JSON object", 0};
	else if (custom_id.size == 0)
		b->error = (struct batch_error){"missing_required_parameter",
						"'custom_id' must be a string", 0};
	else if (index_add(ids, custom_id, &number, &is_new) || !is_new)
		b->error =
		    (struct batch_error){"duplicate_custom_id", "this 'custom_id' came before", 0};
	else if (!method || strcmp(method, "POST") != 0)
		b->error = (struct batch_error){"invalid_method", "'method' must be POST", 0};
	else if (!url || strcmp(url, b->endpoint) != 0)
		b->error = (struct batch_error){"mismatched_endpoint",
						"'url' must be the batch's endpoint", 0};
	else if (!json_is_object(json_object_get(root, "body")))
		b->error = (struct batch_error){"missing_required_parameter",
						"'body' must be an object", 0};
	return root;
}

static void lines_parse(struct batch *b, const struct buf *data)
{
	struct index *ids = NULL;
	b->lines = json_array();
	if (!b->lines || index_new(&ids)) {
		b->error = (struct batch_error){"server_error", "out of memory", 0};
		return;
	}
	size_t number = 0;
	for (size_t at = 0; at < data->size && !b->error.code;) {
		const char *end = memchr(data->data + at, '\n', data->size - at);
		size_t size = end ? (size_t)(end - data->data) - at : data->size - at;
		number++;
		if (number > BATCHES_LINES_MAX) {
			b->error =
			    (struct batch_error){"too_many_tasks", "more than 50,000 lines", 0};
		} else if (size > 0) {
			json_t *line =
			    line_parse(b, ids, (struct chat_text){data->data + at, size});
			if (json_array_append_new(b->lines, line) != 0 && !b->error.code)
				b->error = (struct batch_error){"server_error", "out of memory", 0};
		}
		at += size + 1;
	}
	if (b->error.code)
		b->error.line = number;
	else if (json_array_size(b->lines) == 0)
		b->error = (struct batch_error){"empty_file", "the input has no line", 0};
	index_free(ids);
}

struct batch *batches_add(struct batches *all, const char *endpoint, const struct file *input)
{
	if (all->count == BATCHES_MAX)
		return NULL;
	struct batch *b = &all->items[all->count++];
	memset(b, 0, sizeof *b);
	(void)snprintf(b->id, sizeof b->id, "batch_mock_%zu", all->count);
	(void)snprintf(b->endpoint, sizeof b->endpoint, "%s", endpoint);
	(void)snprintf(b->input, sizeof b->input, "%s", input->id);
	lines_parse(b, &input->data);
	b->total = b->error.code ? 0 : json_array_size(b->lines);
	return b;
}

struct batch *batches_find(struct batches *all, const char *id)
{
	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->items[i].id, id) == 0)
			return &all->items[i];
	}
	return NULL;
}

bool batch_has_ended(const struct batch *b)
{
	return b->ended_s > 0;
}

void batch_end(struct batch *b, enum batch_state state, uint64_t now_s)
{
	assert(!batch_has_ended(b));
	b->state = state;
	b->ended_s = now_s;
	json_decref(b->lines);
	b->lines = NULL;
}

static void id_write(struct buf *out, const char *name, const char *id)
{
	if (id[0])
		buf_printf(out, ",\"%s\":\"%s\"", name, id);
	else
		buf_printf(out, ",\"%s\":null", name);
}

static void time_write(struct buf *out, const char *name, uint64_t at_s)
{
	if (at_s)
		buf_printf(out, ",\"%s\":%" PRIu64, name, at_s);
	else
		buf_printf(out, ",\"%s\":null", name);
}

void batch_write(struct buf *out, const struct batch *b)
{
	static const char *const states[] = {"validating", "in_progress", "completed", "failed",
					     "expired",	   "cancelling",  "cancelled"};
	bool cancels = b->state == BATCH_CANCELLING || b->state == BATCH_CANCELLED;
	bool runs = b->state != BATCH_VALIDATING && b->state != BATCH_FAILED;
	buf_printf(
	    out,
	    "{\"id\":\"%s\",\"object\":\"batch\",\"endpoint\":\"%s\",\"input_file_id\":\"%s\","
	    "\"completion_window\":\"24h\",\"status\":\"%s\"",
	    b->id, b->endpoint, b->input, states[b->state]);
	id_write(out, "output_file_id", b->output);
	id_write(out, "error_file_id", b->errors);
	time_write(out, "created_at", b->created_s);
	time_write(out, "in_progress_at", runs ? b->created_s : 0);
	time_write(out, "expires_at", b->created_s + BATCH_WINDOW_S);
	time_write(out, "completed_at", b->state == BATCH_COMPLETED ? b->ended_s : 0);
	time_write(out, "failed_at", b->state == BATCH_FAILED ? b->ended_s : 0);
	time_write(out, "expired_at", b->state == BATCH_EXPIRED ? b->ended_s : 0);
	time_write(out, "cancelling_at", cancels ? b->created_s : 0);
	time_write(out, "cancelled_at", b->state == BATCH_CANCELLED ? b->ended_s : 0);
	buf_printf(out, ",\"request_counts\":{\"total\":%zu,\"completed\":%zu,\"failed\":%zu}",
		   b->total, b->completed, b->failed);
	if (b->error.code) {
		buf_printf(
		    out,
		    ",\"errors\":{\"object\":\"list\",\"data\":[{\"code\":\"%s\",\"message\":"
		    "\"%s\",\"param\":null,\"line\":%zu}]}",
		    b->error.code, b->error.message, b->error.line);
	} else {
		buf_add_str(out, ",\"errors\":null");
	}
	char *metadata = b->metadata ? json_dumps(b->metadata, JSON_COMPACT) : NULL;
	buf_printf(out, ",\"metadata\":%s}", metadata ? metadata : "null");
	free(metadata);
}
