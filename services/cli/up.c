/*
 * freeal up: feeds a coordinator that runs elsewhere with the data files of a folder,
 * starts it, shows the progress, and fetches the results whenever there are new ones.
 * Stays and takes files that are new or have grown.
 */
#include "base/clock.h"
#include "base/stop.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/inputs.h"
#include "cli/path.h"
#include "cli/place.h"
#include "cli/progress.h"
#include "cli/rejects.h"
#include "cli/results.h"
#include "cli/samples.h"
#include "cli/session.h"
#include "config/option.h"
#include "config/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 500
#define SCAN_MS 5000
/* A status this long after the last samples is none from before them. */
#define SETTLE_MS 1000

struct up {
	struct place place;
	const char *folder, *out_option;
	bool once;
	struct path out;
	struct session *session;
	struct task *task;
	const char **labels;
	struct inputs *inputs;
	struct clock clock;
	uint64_t scan_due_ms, settled_ms;
	bool started;
	bool said_empty;	  /* that there are no data files */
	bool bad;		  /* a row or a file was refused */
	bool written;		  /* results, since this process began */
	uint64_t written_samples; /* those that these results are about */
	struct progress progress;
	char failed[512]; /* why the coordinator can't go on, as said last */
};

static enum err up_parse(struct up *u, int argc, char **argv, bool *ret_done, struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    PLACE_SERVER_OPTIONS(&u->place),
	    {.name = "out",
	     .type = OPTION_STRING,
	     .value = &u->out_option,
	     .arg = "DIR",
	     .help = "where labels, model and report go (default FOLDER/out)"},
	    {.name = "once",
	     .type = OPTION_FLAG,
	     .value = &u->once,
	     .help = "end when everything is labelled"},
	};
	const struct option_program program = {
	    .name = "freeal up",
	    .usage = "[FOLDER]",
	    .summary = "Sends the data files of a folder (*.csv, *.tsv, *.jsonl, also as .gz) to "
		       "a coordinator\nthat runs elsewhere, and fetches the results.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_max = 1,
	};
	struct option_rest rest;
	struct path task;
	enum err e = option_parse(&program, argc, argv, &rest, msg);
	*ret_done = !e && rest.done;
	if (e || rest.done)
		return e;
	if (rest.positional_count)
		u->folder = rest.positionals[0];
	if (!u->place.server)
		return err_set(
		    msg, ERR_INVALID,
		    "give the coordinator with --server HOST:PORT; `freeal run` needs none");
	e = path_set(&task, msg, "%s/task.yaml", u->folder);
	if (!e && access(task.text, F_OK) != 0)
		e = err_set(msg, ERR_INVALID, "%s is missing; the coordinator says what to do",
			    task.text);
	if (e)
		return e;
	if (u->out_option)
		return path_set_folder(&u->out, u->out_option, msg);
	/* A name as short as the user's own for it. */
	bool here = strcmp(u->folder, ".") == 0;
	return path_set(&u->out, msg, "%s%sout", here ? "" : u->folder, here ? "" : "/");
}

static enum err up_open(struct up *u, struct err_msg *msg)
{
	const struct session_options options = {
	    .server = u->place.server,
	    .token_file = u->place.token_file,
	    .patient = true,
	};
	enum err e = session_open(&options, &u->session, msg);
	if (!e)
		e = session_task(u->session, NULL, &u->task, msg);
	if (!e)
		e = path_make_folder(u->out.text, 0777, msg);
	if (e)
		return e;
	u->labels = task_label_names(u->task);
	u->inputs = inputs_new(u->folder);
	return u->labels && u->inputs ? ERR_OK : err_set(msg, ERR_NO_MEMORY, "no memory");
}

/* Posts the rows of an open source. `ret_counts` is written in every case. */
static enum err up_post(struct up *u, const char *path, const char *rejects_path,
			struct samples_counts *ret_counts, uint64_t *ret_refused,
			struct err_msg *msg)
{
	struct rejects rejects;
	struct source *source = NULL;
	const struct source_options options = {
	    .columns = task_columns(u->task),
	    .labels = u->labels,
	    .label_count = u->task->label_count,
	    .optional_missing = true,
	    .reject = rejects_add,
	    .reject_context = &rejects,
	};
	*ret_counts = (struct samples_counts){0};
	*ret_refused = 0;
	enum err e = rejects_open(&rejects, path, rejects_path, msg);
	if (e)
		return e;
	e = source_open(path, &options, &source, msg);
	if (!e)
		e = samples_post(u->session, source, rejects_add, &rejects, ret_counts, msg);
	source_free(source);
	struct err_msg end_msg;
	enum err end = rejects_commit(&rejects, &end_msg);
	if (!e && end)
		e = err_set(msg, end, "%s", end_msg.text);
	/* An older file would speak of rows that have been mended. */
	if (!end && rejects.count == 0)
		(void)unlink(rejects_path);
	*ret_refused = rejects.count;
	return e;
}

/* A file of the user's that can't be read is said and left out; it does not stop the others. */
static bool error_is_of_file(enum err e)
{
	return e == ERR_INVALID || e == ERR_LIMIT || e == ERR_CORRUPT || e == ERR_NOT_FOUND;
}

static enum err up_take_file(struct up *u, const char *name, struct err_msg *msg)
{
	struct path path, rejects;
	struct samples_counts counts;
	uint64_t refused;
	enum err e = path_set(&path, msg, "%s/%s", u->folder, name);
	if (!e)
		e = path_set(&rejects, msg, "%s/rejects-%s.jsonl", u->out.text, name);
	if (e)
		return e;
	e = up_post(u, path.text, rejects.text, &counts, &refused, msg);
	if (e && !error_is_of_file(e))
		return e;
	if (e)
		console_say("%s", msg->text);
	console_say("%s: %" PRIu64 " samples added, %" PRIu64 " were there, %" PRIu64
		    " refused%s%s",
		    name, counts.accepted, counts.duplicates, refused, refused ? "; see " : "",
		    refused ? rejects.text : "");
	u->bad = u->bad || e || refused;
	if (counts.accepted)
		u->settled_ms = session_now_ms(u->session) + SETTLE_MS;
	inputs_take(u->inputs, name);
	return ERR_OK;
}

/* Takes the files that are new, then sees to it that the coordinator labels. */
static enum err up_take(struct up *u, struct err_msg *msg)
{
	if (session_now_ms(u->session) < u->scan_due_ms)
		return ERR_OK;
	const char *name;
	enum err e = inputs_scan(u->inputs, (int64_t)(clock_wall_ms(&u->clock) / 1000), msg);
	while (!e && (name = inputs_next(u->inputs)))
		e = up_take_file(u, name, msg);
	if (e)
		return e;
	u->scan_due_ms = session_now_ms(u->session) + SCAN_MS;
	if (inputs_count(u->inputs) == 0 && u->once)
		return err_set(msg, ERR_INVALID,
			       "there are no data files (*.csv, *.tsv or *.jsonl) in %s",
			       u->folder);
	if (inputs_count(u->inputs) == 0 && !u->said_empty) {
		console_say("there are no data files (*.csv, *.tsv or *.jsonl) in %s yet; waiting "
			    "for some, or for `freeal ingest`",
			    u->folder);
		u->said_empty = true;
	}
	if (u->started)
		return ERR_OK;
	e = session_json(u->session, "/v1/start", "{}", 2, NULL, msg);
	u->started = !e;
	u->settled_ms = session_now_ms(u->session) + SETTLE_MS;
	return e;
}

static enum err up_write(struct up *u, uint64_t samples, struct err_msg *msg)
{
	enum err e = results_write(u->session, u->out.text, msg);
	if (e)
		return e;
	u->written = true;
	u->written_samples = samples;
	if (!u->once)
		console_say("waiting for more data: files that are new or grow are taken");
	return ERR_OK;
}

/* A coordinator that can't go on is left to its user; it may be mended and restarted. */
static enum err up_failed(struct up *u, const char *failed, struct err_msg *msg)
{
	if (failed && u->once)
		return err_set(msg, ERR_PROTOCOL, "%s; see the services' logs", failed);
	if (failed && strcmp(failed, u->failed) != 0)
		console_say("FAILED: %s; see the services' logs", failed);
	(void)snprintf(u->failed, sizeof u->failed, "%s", failed ? failed : "");
	return ERR_OK;
}

/* Shows how far the coordinator is. `ret_ended`: with --once, nothing is left to wait for. */
static enum err up_look(struct up *u, bool *ret_ended, struct err_msg *msg)
{
	json_t *status;
	enum err e = session_json(u->session, "/v1/status", NULL, 0, &status, msg);
	if (e)
		return e;
	uint64_t now_ms = session_now_ms(u->session);
	uint64_t samples = (uint64_t)json_integer_value(json_object_get(status, "samples"));
	bool finished = json_is_true(json_object_get(status, "finished")) &&
			now_ms >= u->settled_ms && inputs_left(u->inputs) == 0;
	progress_show(&u->progress, status, now_ms);
	e = up_failed(u, json_string_value(json_object_get(status, "failed")), msg);
	if (!e && finished && !(u->written && u->written_samples == samples))
		e = up_write(u, samples, msg);
	json_decref(status);
	*ret_ended = finished && u->once;
	return e;
}

static enum err up_run(struct up *u, struct err_msg *msg)
{
	bool ended = false;
	enum err e = ERR_OK;
	while (!e && !ended) {
		e = up_take(u, msg);
		if (!e)
			e = up_look(u, &ended, msg);
		if (e == ERR_AGAIN) {
			console_say("%s; it is tried again", msg->text);
			e = ERR_OK;
		}
		if (!e && !ended)
			e = session_wait(u->session, LOOK_MS, msg);
	}
	if (!e && u->bad)
		e = err_set(msg, ERR_INVALID, "rows were refused; see %s/rejects-*.jsonl",
			    u->out.text);
	return e;
}

int command_up(int argc, char **argv)
{
	struct up u = {
	    .folder = ".",
	    .clock = clock_system(),
	    .progress = {.out = stderr, .terminal = isatty(STDERR_FILENO)},
	};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = up_parse(&u, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e)
		e = up_open(&u, &msg);
	if (!e)
		e = up_run(&u, &msg);
	session_close(u.session);
	inputs_free(u.inputs);
	free(u.labels);
	task_free(u.task);
	/* Told to stop is how it ends, where it does not end by itself. */
	if (stop_requested() && !u.once)
		return EXIT_CODE_OK;
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
