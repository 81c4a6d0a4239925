/*
 * freeal export: a project's labels as JSONL or CSV.
 */
#include "base/buf.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/escape.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/session.h"
#include "config/option.h"

#include <string.h>

static const char *const columns[] = {
    "id",	  "label",     "confidence",	    "source", "round",	       "llm_label",
    "llm_reason", "slm_label", "clean_probability", "clean",  "demonstration",
};

#define COLUMN_COUNT (sizeof columns / sizeof *columns)

/* JSON lines come in pieces and go out as CSV records. */
struct csv_writer {
	struct output *output;
	struct buf line; /* what is there of the current line */
	struct buf record;
};

static void add_value(struct buf *record, const json_t *value)
{
	if (json_is_string(value)) {
		escape_csv(record, json_string_value(value), json_string_length(value));
	} else if (value && !json_is_null(value)) {
		char text[64];
		size_t n =
		    json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
		if (n <= sizeof text)
			buf_add(record, text, n);
	}
}

static enum err write_line(struct csv_writer *w, struct err_msg *msg)
{
	json_t *object = json_loadb(buf_str(&w->line), w->line.size, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return err_set(msg, ERR_PROTOCOL, "the coordinator sent a label that is no JSON");
	}
	buf_reset(&w->record);
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		if (i)
			buf_add_char(&w->record, ',');
		add_value(&w->record, json_object_get(object, columns[i]));
	}
	buf_add_str(&w->record, "\r\n");
	json_decref(object);
	buf_reset(&w->line);
	if (buf_error(&w->record))
		return err_set(msg, ERR_LIMIT, "a label is too long");
	return output_data(w->output, w->record.data, w->record.size, msg);
}

static enum err csv_data(void *context, const void *data, size_t size, struct err_msg *msg)
{
	struct csv_writer *w = context;
	const char *at = data, *end = at + size;
	enum err e = ERR_OK;
	while (!e && at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		buf_add(&w->line, at, (size_t)((line_end ? line_end : end) - at));
		at = line_end ? line_end + 1 : end;
		if (buf_error(&w->line))
			e = err_set(msg, ERR_LIMIT, "a label is too long");
		else if (line_end && w->line.size)
			e = write_line(w, msg);
	}
	return e;
}

static enum err export_csv(struct session *s, struct output *o, struct err_msg *msg)
{
	struct csv_writer w = {.output = o};
	buf_init(&w.line, RECORD_BYTES_MAX);
	buf_init(&w.record, RECORD_BYTES_MAX);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		buf_printf(&w.record, "%s%s", i ? "," : "", columns[i]);
	buf_add_str(&w.record, "\r\n");
	enum err e = output_data(o, w.record.data, w.record.size, msg);
	if (!e)
		e = session_stream(s, "/v1/labels", csv_data, &w, msg);
	if (!e && w.line.size)
		e = write_line(&w, msg);
	buf_done(&w.line);
	buf_done(&w.record);
	return e;
}

static enum err export_write(const struct place *place, const char *path, bool as_csv,
			     struct err_msg *msg)
{
	const struct session_options options = place_session(place);
	struct session *session = NULL;
	struct output o = {0};
	enum err e = session_open(&options, &session, msg);
	if (!e)
		e = output_open(&o, path, msg);
	if (!e)
		e = as_csv ? export_csv(session, &o, msg)
			   : session_stream(session, "/v1/labels", output_data, &o, msg);
	if (!e)
		e = output_commit(&o, msg);
	output_discard(&o);
	session_close(session);
	return e;
}

int command_export(int argc, char **argv)
{
	struct place place = {0};
	const char *format = "jsonl", *path = NULL;
	const struct option_entry entries[] = {
	    PLACE_OPTIONS(&place),
	    {.name = "format",
	     .type = OPTION_STRING,
	     .value = &format,
	     .arg = "FORMAT",
	     .help = "jsonl or csv"},
	    {.name = "output",
	     .type = OPTION_STRING,
	     .value = &path,
	     .arg = "FILE",
	     .help = "where to write (default standard output)"},
	};
	const struct option_program program = {
	    .name = "freeal export",
	    .summary = "Writes a project's labels.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = place_parse(&place, &program, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	bool as_csv = !e && strcmp(format, "csv") == 0;
	if (!e && !as_csv && strcmp(format, "jsonl") != 0)
		e = err_set(&msg, ERR_INVALID, "--format is jsonl or csv, not %.50s", format);
	if (!e)
		e = export_write(&place, path, as_csv, &msg);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
