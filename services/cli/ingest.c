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

#define FILES_MAX 256

struct ingest {
	const char *input; /* as --input, besides the others */
	const char *files[FILES_MAX + 1];
	size_t file_count;
	const char *task_path, *format, *rejects_path;
	bool strict, follow;
	struct place place;
	struct task *task;
	const char **labels;
	struct source *sources[FILES_MAX + 1];
	struct rejects rejects;
	struct samples_counts counts;
};

/* All of them before anything is posted, so that a wrong name costs nothing. */
static enum err ingest_open(struct ingest *g, struct err_msg *msg)
{
	const struct source_options options = {
	    .columns = task_columns(g->task),
	    .format = g->format ? source_format_parse(g->format) : SOURCE_BY_NAME,
	    .mode = g->follow ? INPUT_FOLLOW : INPUT_LIVE,
	    .labels = g->labels,
	    .label_count = g->task->label_count,
	    .optional_missing = true,
	    .reject = g->strict ? NULL : rejects_add,
	    .reject_context = &g->rejects,
	};
	for (size_t i = 0; i < g->file_count; i++) {
		enum err e = source_open(g->files[i], &options, &g->sources[i], msg);
		if (e)
			return e;
	}
	return ERR_OK;
}

static enum err ingest_post(struct ingest *g, struct session *session, struct err_msg *msg)
{
	for (size_t i = 0; i < g->file_count; i++) {
		struct samples_counts counts;
		g->rejects.input = strcmp(g->files[i], "-") == 0 ? "standard input" : g->files[i];
		enum err e =
		    samples_post(session, g->sources[i], rejects_add, &g->rejects, &counts, msg);
		g->counts.accepted += counts.accepted;
		g->counts.duplicates += counts.duplicates;
		source_free(g->sources[i]);
		g->sources[i] = NULL;
		if (e)
			return e;
	}
	return ERR_OK;
}

/* What was taken is said in every case. */
static enum err ingest_take(struct ingest *g, struct session *session, struct err_msg *msg)
{
	struct err_msg end_msg;
	enum err e = rejects_open(&g->rejects, g->files[0], g->rejects_path, msg);
	if (e)
		return e;
	e = ingest_open(g, msg);
	if (!e)
		e = ingest_post(g, session, msg);
	/* Being told to stop is how following ends. */
	if (e == ERR_CANCELLED && g->follow)
		e = ERR_OK;
	enum err end = rejects_commit(&g->rejects, &end_msg);
	if (!e && end)
		e = err_set(msg, end, "%s", end_msg.text);
	console_say("%" PRIu64 " samples added, %" PRIu64 " were there, %" PRIu64 " refused",
		    g->counts.accepted, g->counts.duplicates, g->rejects.count);
	if (e == ERR_CANCELLED)
		console_say("stopped; the same command goes on from here");
	if (!e && g->rejects.count)
		e = err_set(msg, ERR_INVALID, "%" PRIu64 " rows were refused%s%s", g->rejects.count,
			    g->rejects_path ? "; see " : "",
			    g->rejects_path ? g->rejects_path : "");
	return e;
}

static enum err ingest_all(struct ingest *g, struct err_msg *msg)
{
	const struct session_options options = place_session(&g->place);
	struct session *session = NULL;
	enum err e = session_open(&options, &session, msg);
	if (!e)
		e = session_task(session, g->task_path, &g->task, msg);
	if (!e && !(g->labels = task_label_names(g->task)))
		e = err_set(msg, ERR_NO_MEMORY, "no memory");
	if (!e)
		e = ingest_take(g, session, msg);
	session_close(session);
	for (size_t i = 0; i < g->file_count; i++)
		source_free(g->sources[i]);
	free(g->labels);
	task_free(g->task);
	return e;
}

/* The files, and what of the arguments can be told to be wrong before anything is started. */
static enum err ingest_check(struct ingest *g, const struct option_rest *rest, struct err_msg *msg)
{
	size_t standard = 0;
	if (g->input)
		g->files[g->file_count++] = g->input;
	for (size_t i = 0; i < rest->positional_count; i++)
		g->files[g->file_count++] = rest->positionals[i];
	for (size_t i = 0; i < g->file_count; i++)
		standard += strcmp(g->files[i], "-") == 0;
	if (g->file_count == 0)
		return err_set(msg, ERR_INVALID, "give the samples: FILE, or - for standard input");
	if (standard > 1)
		return err_set(msg, ERR_INVALID, "standard input can be read only once");
	if (g->follow && g->file_count > 1)
		return err_set(msg, ERR_INVALID, "--follow takes one file; start it once for each");
	if (g->format && source_format_parse(g->format) == SOURCE_BY_NAME)
		return err_set(msg, ERR_INVALID, "--format is csv, tsv or jsonl, not %.50s",
			       g->format);
	for (size_t i = 0; i < g->file_count; i++)
		if (!g->format && source_format_of(g->files[i]) == SOURCE_BY_NAME)
			return err_set(msg, ERR_INVALID,
				       "what is the format of %s? Say --format csv, tsv or jsonl",
				       g->files[i]);
	return path_project(g->place.project, g->place.out, &g->place.path, msg);
}

static enum err ingest_parse(struct ingest *g, int argc, char **argv, bool *ret_done,
			     struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "input",
	     .type = OPTION_STRING,
	     .value = &g->input,
	     .arg = "FILE",
	     .help = "one more FILE"},
	    {.name = "format",
	     .type = OPTION_STRING,
	     .value = &g->format,
	     .arg = "FORMAT",
	     .help = "csv, tsv or jsonl (default by the file's name)"},
	    {.name = "follow",
	     .type = OPTION_FLAG,
	     .value = &g->follow,
	     .help = "go on as the file grows, until stopped by Ctrl-C"},
	    PLACE_OPTIONS(&g->place),
	    {.name = "task",
	     .type = OPTION_STRING,
	     .value = &g->task_path,
	     .arg = "FILE",
	     .help = "task file that names the columns (default the project's)"},
	    {.name = "rejects",
	     .type = OPTION_STRING,
	     .value = &g->rejects_path,
	     .arg = "FILE",
	     .help = "write the refused rows' lines and reasons there, as JSONL"},
	    {.name = "strict",
	     .type = OPTION_FLAG,
	     .value = &g->strict,
	     .help = "stop at the first bad row"},
	};
	const struct option_program program = {
	    .name = "freeal ingest",
	    .usage = "FILE...",
	    .summary = "Adds samples to a project: CSV, TSV or JSONL, also compressed with gzip; - "
		       "is standard\ninput. Rows that are there already are left out, so the same "
		       "file may come again.\nRows of standard input and of a file that is "
		       "followed are taken as they come.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_max = FILES_MAX,
	};
	struct option_rest rest;
	enum err e = option_parse(&program, argc, argv, &rest, msg);
	*ret_done = !e && rest.done;
	return e || rest.done ? e : ingest_check(g, &rest, msg);
}

int command_ingest(int argc, char **argv)
{
	struct ingest g = {0};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = ingest_parse(&g, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e)
		e = ingest_all(&g, &msg);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
