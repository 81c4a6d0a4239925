/*
 * freeal ingest: adds samples to a project. Good rows are taken, bad ones reported.
 */
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/place.h"
#include "cli/rejects.h"
#include "cli/samples.h"
#include "cli/session.h"
#include "config/option.h"
#include "config/task.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct ingest {
	const char *input, *task_path, *format, *rejects_path;
	bool strict;
	struct place place;
	struct rejects rejects;
};

static enum err ingest_post(struct ingest *g, struct session *session, const struct task *task,
			    const char *const *labels, struct samples_counts *ret_counts,
			    struct err_msg *msg)
{
	const struct source_options options = {
	    .columns = task_columns(task),
	    .format = g->format ? source_format_parse(g->format) : SOURCE_BY_NAME,
	    .labels = labels,
	    .label_count = task->label_count,
	    .optional_missing = true,
	    .reject = g->strict ? NULL : rejects_add,
	    .reject_context = &g->rejects,
	};
	struct source *source = NULL;
	enum err e = source_open(g->input, &options, &source, msg);
	if (!e)
		e = samples_post(session, source, rejects_add, &g->rejects, ret_counts, msg);
	source_free(source);
	return e;
}

static enum err ingest_all(struct ingest *g, struct err_msg *msg)
{
	const struct session_options options = place_session(&g->place);
	struct session *session = NULL;
	struct task *task = NULL;
	const char **labels = NULL;
	struct samples_counts counts = {0};
	enum err e = session_open(&options, &session, msg);
	if (!e)
		e = session_task(session, g->task_path, &task, msg);
	if (!e && !(labels = task_label_names(task)))
		e = err_set(msg, ERR_NO_MEMORY, "no memory");
	if (!e)
		e = rejects_open(&g->rejects, g->input, g->rejects_path, msg);
	if (!e) {
		struct err_msg end_msg;
		e = ingest_post(g, session, task, labels, &counts, msg);
		enum err end = rejects_commit(&g->rejects, &end_msg);
		if (!e && end)
			e = err_set(msg, end, "%s", end_msg.text);
		console_say("%" PRIu64 " samples added, %" PRIu64 " were there, %" PRIu64
			    " refused",
			    counts.accepted, counts.duplicates, g->rejects.count);
	}
	if (!e && g->rejects.count)
		e = err_set(msg, ERR_INVALID, "%" PRIu64 " rows were refused%s%s", g->rejects.count,
			    g->rejects_path ? "; see " : "",
			    g->rejects_path ? g->rejects_path : "");
	session_close(session);
	free(labels);
	task_free(task);
	return e;
}

int command_ingest(int argc, char **argv)
{
	struct ingest g = {0};
	const struct option_entry entries[] = {
	    {.name = "input",
	     .type = OPTION_STRING,
	     .value = &g.input,
	     .arg = "FILE",
	     .help = "samples: CSV, TSV or JSONL; - is standard input"},
	    {.name = "format",
	     .type = OPTION_STRING,
	     .value = &g.format,
	     .arg = "FORMAT",
	     .help = "csv, tsv or jsonl (default by the file's name)"},
	    PLACE_OPTIONS(&g.place),
	    {.name = "task",
	     .type = OPTION_STRING,
	     .value = &g.task_path,
	     .arg = "FILE",
	     .help = "task file that names the columns (default the project's)"},
	    {.name = "rejects",
	     .type = OPTION_STRING,
	     .value = &g.rejects_path,
	     .arg = "FILE",
	     .help = "write the refused rows' lines and reasons there, as JSONL"},
	    {.name = "strict",
	     .type = OPTION_FLAG,
	     .value = &g.strict,
	     .help = "stop at the first bad row"},
	};
	const struct option_program program = {
	    .name = "freeal ingest",
	    .summary = "Adds samples to a project.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = place_parse(&g.place, &program, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e && !g.input)
		e = err_set(&msg, ERR_INVALID, "give the samples with --input FILE");
	if (!e && g.format && source_format_parse(g.format) == SOURCE_BY_NAME)
		e = err_set(&msg, ERR_INVALID, "--format is csv, tsv or jsonl, not %.50s",
			    g.format);
	if (!e)
		e = ingest_all(&g, &msg);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
