/*
 * freeal run: checks everything first, starts the services, posts the samples,
 * shows the progress, fetches the results.
 */
#include "base/stop.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/dryrun.h"
#include "cli/path.h"
#include "cli/program.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/samples.h"
#include "cli/session.h"
#include "config/option.h"
#include "config/project.h"
#include "config/task.h"
#include "llm/api_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 250
/* A status this long after the start is none from before it. */
#define SETTLE_MS 1000
#define REJECTS_SHOWN 10
#define MODEL_CHECK_MS 60000

struct run {
	const char *task_path, *input, *out, *project_option, *log_level;
	int64_t max_requests, annotators;
	bool dry_run;
	struct path out_folder, project;
	struct task *task;
	const char **label_names;
	struct source_options source;
	struct session *session;
	uint64_t rejects;
	bool finished; /* already before */
};

/* How it ended, when it ended well. */
enum run_end {
	RUN_FINISHED,
	RUN_PAUSED,
};

static enum err run_parse(struct run *r, int argc, char **argv, bool *ret_done, struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "input",
	     .type = OPTION_STRING,
	     .value = &r->input,
	     .arg = "FILE",
	     .help = "samples: CSV, TSV or JSONL, also .gz"},
	    {.name = "out",
	     .type = OPTION_STRING,
	     .value = &r->out,
	     .arg = "DIR",
	     .help = "where labels, model and report go"},
	    {.name = "project",
	     .type = OPTION_STRING,
	     .value = &r->project_option,
	     .arg = "DIR",
	     .help = "the project's state (default OUT/.freeal)"},
	    {.name = "max-requests",
	     .type = OPTION_INT,
	     .value = &r->max_requests,
	     .max = 1e15,
	     .arg = "N",
	     .help = "end cleanly after N LLM requests; 0: no limit"},
	    {.name = "annotators",
	     .type = OPTION_INT,
	     .value = &r->annotators,
	     .min = 1,
	     .max = ANNOTATORS_MAX,
	     .arg = "N",
	     .help = "annotator processes"},
	    {.name = "dry-run",
	     .type = OPTION_FLAG,
	     .value = &r->dry_run,
	     .help = "show a sample's prompt, and the requests and tokens to expect"},
	    {.name = "log-level",
	     .type = OPTION_STRING,
	     .value = &r->log_level,
	     .arg = "LEVEL",
	     .help = "of the services: debug, info, warn or error"},
	};
	const struct option_program program = {
	    .name = "freeal run",
	    .usage = "TASK.yaml",
	    .summary = "Labels the input's samples with the LLM of the task file and a small "
		       "model.\nThe same command continues a run that was stopped.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_min = 1,
	    .positional_max = 1,
	};
	struct option_rest rest;
	enum err e = option_parse(&program, argc, argv, &rest, msg);
	if (e || rest.done) {
		*ret_done = rest.done;
		return e;
	}
	*ret_done = false;
	r->task_path = rest.positionals[0];
	if (!r->input)
		return err_set(msg, ERR_INVALID, "give the samples with --input FILE");
	if (strcmp(r->input, "-") == 0)
		return err_set(msg, ERR_INVALID,
			       "the input is read twice, so it can't be standard input; give a "
			       "file");
	e = path_set_folder(&r->out_folder, r->out, msg);
	r->out = r->out_folder.text;
	return e ? e : path_project(r->project_option, r->out, &r->project, msg);
}

static enum err run_check_programs(struct err_msg *msg)
{
	static const char *const names[] = {"freeal-coordinator", "freeal-annotator",
					    "freeal-trainer", "freeal-selector"};
	struct path ignored;
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < sizeof names / sizeof *names; i++)
		e = path_program(names[i], &ignored, msg);
	return e;
}

/* Whether the model can be trained here, before an LLM is paid for labels. */
static enum err run_check_model(const struct run *r, struct err_msg *msg)
{
	static const char prefix[] = "freeal-trainer: ";
	struct path program;
	char text[sizeof msg->text + sizeof prefix];
	int code = 0;
	if (r->task->model.type == TASK_MODEL_NGRAM)
		return ERR_OK;
	enum err e = path_program("freeal-trainer", &program, msg);
	if (e)
		return e;
	const char *argv[] = {program.text, "--check", r->task_path, NULL};
	if (!program_ask(argv, true, MODEL_CHECK_MS, text, sizeof text, &code))
		return err_set(msg, ERR_PROTOCOL, "%s --check does not work", program.text);
	if (code == EXIT_CODE_OK)
		return ERR_OK;
	bool named = strncmp(text, prefix, sizeof prefix - 1) == 0;
	text[strcspn(text, "\n")] = '\0';
	return err_set(msg, ERR_INVALID, "%s: model: %s", r->task_path,
		       text + (named ? sizeof prefix - 1 : 0));
}

static enum err run_check_key(const struct run *r, const Freeal__Endpoint *e, struct err_msg *msg)
{
	char line[API_KEY_LINE_BYTES];
	if (!*e->key_env && !*e->key_file)
		return ERR_OK;
	enum err found = api_key_line(e->key_env, e->key_file, false, line);
	explicit_bzero(line, sizeof line);
	if (found == ERR_OK)
		return ERR_OK;
	if (*e->key_env)
		return err_set(msg, ERR_INVALID,
			       "the environment variable %s (key_env of %s in %s) is %s; it has to "
			       "hold the LLM's API key",
			       e->key_env, e->name, r->task_path,
			       getenv(e->key_env) ? "no key" : "not set");
	return err_set(msg, ERR_INVALID,
		       "the file %s (key_file of %s in %s) can't be read or its first line is no "
		       "key; it has to hold the LLM's API key",
		       e->key_file, e->name, r->task_path);
}

/* A new run without its keys would only stand still. */
static enum err run_check_keys(const struct run *r, struct err_msg *msg)
{
	if (!path_check_project(r->project.text, NULL))
		return ERR_OK;
	Freeal__Project *project = project_from_task(r->task, 1);
	enum err e = project ? ERR_OK : err_set(msg, ERR_NO_MEMORY, "no memory");
	for (size_t i = 0; !e && i < project->n_endpoints; i++)
		e = run_check_key(r, project->endpoints[i], msg);
	if (!e && project->embeddings)
		e = run_check_key(r, project->embeddings->endpoint, msg);
	if (project)
		freeal__project__free_unpacked(project, NULL);
	return e;
}

/* Everything that can be wrong, before anything is made. */
static enum err run_check(struct run *r, struct err_msg *msg)
{
	enum err e = task_load(r->task_path, &r->task, msg);
	if (e)
		return e;
	r->label_names = task_label_names(r->task);
	if (!r->label_names)
		return err_set(msg, ERR_NO_MEMORY, "no memory");
	r->source = (struct source_options){
	    .columns = task_columns(r->task),
	    .labels = r->label_names,
	    .label_count = r->task->label_count,
	};
	e = samples_check(r->input, &r->source, msg);
	if (!e)
		e = run_check_keys(r, msg);
	if (!e)
		e = run_check_programs(msg);
	if (!e)
		e = run_check_model(r, msg);
	return e;
}

static int run_dry(const struct run *r)
{
	struct err_msg msg = {{0}};
	enum err e = dryrun_print(r->task_path, r->input, stdout, &msg);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}

static void run_reject(void *context, uint64_t line, const char *reason)
{
	struct run *r = context;
	if (r->rejects++ < REJECTS_SHOWN)
		console_say("%s:%" PRIu64 ": %s", r->input, line, reason);
}

static enum err run_post(struct run *r, struct samples_counts *ret_counts, struct err_msg *msg)
{
	struct source *source;
	enum err e = source_open(r->input, &r->source, &source, msg);
	if (e)
		return e;
	e = samples_post(r->session, source, run_reject, r, ret_counts, msg);
	source_free(source);
	if (!e && r->rejects)
		e = err_set(msg, ERR_INVALID, "%" PRIu64 " rows of %s were refused", r->rejects,
			    r->input);
	return e;
}

static enum err run_start(struct run *r, struct err_msg *msg)
{
	char body[64];
	int n = snprintf(body, sizeof body, "{\"max_requests\":%" PRId64 "}", r->max_requests);
	enum err e = session_start_workers(r->session, (unsigned)r->annotators, msg);
	if (!e)
		e = session_json(r->session, "/v1/start", body, (size_t)n, NULL, msg);
	return e;
}

static const char *state_text(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));
	return text && text[0] ? text : NULL;
}

/* "max_requests" and "budget" in words. */
static const char *pause_words(const char *reason)
{
	if (strcmp(reason, "max_requests") == 0)
		return "the limit of LLM requests is reached";
	if (strcmp(reason, "budget") == 0)
		return "the task file's budget may not do for another question; raise it to go on";
	return reason;
}

/* Shows the progress until there is none left to wait for. */
static enum err run_watch(struct run *r, enum run_end *ret_end, struct err_msg *msg)
{
	struct progress progress = {.out = stderr, .terminal = isatty(STDERR_FILENO)};
	uint64_t settled_ms = session_now_ms(r->session) + SETTLE_MS;
	for (;;) {
		json_t *status;
		enum err e = session_wait(r->session, LOOK_MS, msg);
		if (!e)
			e = session_json(r->session, "/v1/status", NULL, 0, &status, msg);
		if (e)
			return e;
		progress_show(&progress, status, session_now_ms(r->session));
		const char *failed = state_text(status, "failed");
		const char *paused = state_text(status, "paused");
		bool finished = json_is_true(json_object_get(status, "finished"));
		bool settled = session_now_ms(r->session) >= settled_ms;
		bool ended = (finished && (settled || !r->finished)) || (paused && settled);
		if (failed)
			e = err_set(msg, ERR_PROTOCOL, "%s; the services' logs are in %s/logs",
				    failed, r->project.text);
		else if (ended && !finished)
			console_say("paused: %s. The same command goes on from here",
				    pause_words(paused));
		json_decref(status);
		if (e || ended) {
			*ret_end = finished ? RUN_FINISHED : RUN_PAUSED;
			return e;
		}
	}
}

static enum err run_look_before(struct run *r, const struct samples_counts *counts,
				struct err_msg *msg)
{
	json_t *status;
	enum err e = session_json(r->session, "/v1/status", NULL, 0, &status, msg);
	if (e)
		return e;
	r->finished = json_is_true(json_object_get(status, "finished"));
	uint64_t here = counts->accepted + counts->duplicates;
	uint64_t all = (uint64_t)json_integer_value(json_object_get(status, "samples"));
	if (all > here)
		console_say("the project has %" PRIu64 " more samples than %s; the results hold "
			    "them, too",
			    all - here, r->input);
	if (r->finished && counts->accepted == 0)
		console_say("the project is finished already; nothing new is asked");
	json_decref(status);
	return ERR_OK;
}

static enum err run_all(struct run *r, struct err_msg *msg)
{
	const struct session_options options = {
	    .project = r->project.text,
	    .task = r->task_path,
	    .log_level = r->log_level,
	    .own = true,
	    .create = true,
	};
	struct samples_counts counts;
	enum run_end end = RUN_FINISHED;
	enum err e = session_open(&options, &r->session, msg);
	if (!e)
		e = path_make_folder(r->out, 0777, msg);
	if (!e)
		e = run_post(r, &counts, msg);
	if (!e)
		e = run_look_before(r, &counts, msg);
	bool nothing_new = !e && r->finished && counts.accepted == 0;
	if (!e && !nothing_new)
		e = run_start(r, msg);
	if (!e && !nothing_new)
		e = run_watch(r, &end, msg);
	if (!e && end == RUN_FINISHED)
		e = results_write(r->session, r->out, msg);
	return e;
}

int command_run(int argc, char **argv)
{
	struct run r = {.out = "out", .annotators = 1, .log_level = "info"};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = run_parse(&r, argc, argv, &done, &msg);
	if (e || done)
		return e ? console_fail(e, &msg) : EXIT_CODE_OK;
	if (r.dry_run)
		return run_dry(&r);
	e = run_check(&r, &msg);
	if (!e)
		e = run_all(&r, &msg);
	session_close(r.session);
	free(r.label_names);
	task_free(r.task);
	if (e == ERR_CANCELLED || (e && stop_requested())) {
		console_say("stopped; the same command goes on from here");
		return EXIT_CODE_STOPPED;
	}
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
