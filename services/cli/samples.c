#include "cli/samples.h"

#include "base/buf.h"
#include "base/limits.h"
#include "cli/escape.h"

#include <string.h>

#define BATCH_BYTES (4u << 20)
/* A batch's last row: every byte of it may become six. */
#define BATCH_BYTES_MAX (BATCH_BYTES + 12 * (SAMPLE_BYTES_MAX + ID_BYTES_MAX) + 1024)
#define LINES_BYTES_MAX (64u << 20)

struct batch {
	struct buf body;
	struct buf lines; /* uint64_t each: the row's line in the input */
};

enum err samples_check(const char *path, const struct source_options *options, struct err_msg *msg)
{
	struct source *source;
	enum err e = source_open(path, options, &source, msg);
	if (e)
		return e;
	struct source_row row;
	do
		e = source_next(source, &row, msg);
	while (!e && row.text);
	source_free(source);
	return e;
}

static void batch_add(struct batch *b, const struct source_row *row)
{
	buf_add_str(&b->body, "{\"id\":");
	escape_json(&b->body, row->id, row->id_size);
	buf_add_str(&b->body, ",\"text\":");
	escape_json(&b->body, row->text, row->text_size);
	if (row->augmented) {
		buf_add_str(&b->body, ",\"augmented\":");
		escape_json(&b->body, row->augmented, row->augmented_size);
	}
	if (row->gold >= 0)
		buf_printf(&b->body, ",\"gold\":%d", (int)row->gold);
	buf_add_str(&b->body, "}\n");
	buf_add(&b->lines, &row->line, sizeof row->line);
}

/* The input's line of the row at `line` (from 1) of the batch; 0 where unknown. */
static uint64_t batch_line(const struct batch *b, json_int_t line)
{
	uint64_t in_file = 0;
	if (line >= 1 && (uint64_t)line <= b->lines.size / sizeof in_file)
		memcpy(&in_file, b->lines.data + ((size_t)line - 1) * sizeof in_file,
		       sizeof in_file);
	return in_file;
}

static enum err batch_post(struct batch *b, struct session *s, source_reject_fn *reject,
			   void *context, struct samples_counts *counts, struct err_msg *msg)
{
	if (b->body.size == 0)
		return ERR_OK;
	if (buf_error(&b->body) || buf_error(&b->lines))
		return err_set(msg, ERR_NO_MEMORY, "no memory for a batch of samples");
	json_t *reply;
	enum err e = session_json(s, "/v1/samples", b->body.data, b->body.size, &reply, msg);
	if (e)
		return e;
	counts->accepted += (uint64_t)json_integer_value(json_object_get(reply, "accepted"));
	counts->duplicates += (uint64_t)json_integer_value(json_object_get(reply, "duplicates"));
	size_t i;
	const json_t *one;
	json_array_foreach(json_object_get(reply, "rejected"), i, one)
	{
		const char *reason = json_string_value(json_object_get(one, "reason"));
		json_int_t line = json_integer_value(json_object_get(one, "line"));
		counts->rejected++;
		reject(context, batch_line(b, line), reason ? reason : "refused");
	}
	json_decref(reply);
	buf_reset(&b->body);
	buf_reset(&b->lines);
	return ERR_OK;
}

enum err samples_post(struct session *s, struct source *source, source_reject_fn *reject,
		      void *context, struct samples_counts *ret_counts, struct err_msg *msg)
{
	struct samples_counts counts = {0};
	struct batch b;
	buf_init(&b.body, BATCH_BYTES_MAX);
	buf_init(&b.lines, LINES_BYTES_MAX);
	enum err fault = ERR_OK, e = ERR_OK;
	for (;;) {
		struct source_row row;
		fault = source_next(source, &row, msg);
		if (fault || !row.text)
			break;
		batch_add(&b, &row);
		if (b.body.size >= BATCH_BYTES)
			e = batch_post(&b, s, reject, context, &counts, msg);
		if (e)
			break;
	}
	if (!e) {
		/* The fault's message stays unless the rest can't be posted either. */
		struct err_msg why = {{0}};
		e = batch_post(&b, s, reject, context, &counts, &why);
		if (e)
			err_ignore(err_set(msg, e, "%s", why.text));
	}
	counts.duplicates += source_counts(source).duplicates;
	*ret_counts = counts;
	buf_done(&b.body);
	buf_done(&b.lines);
	return e ? e : fault;
}
