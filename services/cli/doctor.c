/*
 * freeal doctor: checks that the programs are there and of one version, and that a
 * project can be used; with --audit, that what it has stored is sound; with --model, what a
 * checkpoint needs.
 */
#include "cli/audit.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/place.h"
#include "cli/program.h"
#include "cli/run_folder.h"
#include "config/option.h"
#include "config/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 5000

static bool report(bool good, const char *what, const char *detail)
{
	(void)printf("%-4s  %-20s  %s\n", good ? "ok" : "BAD", what, detail);
	return good;
}

/* The first line that `PROGRAM --version` prints; false where it fails. */
static bool program_version(const char *path, char *ret_version, size_t size)
{
	const char *argv[] = {path, "--version", NULL};
	int code = 0;
	bool ended = program_ask(argv, false, ANSWER_MS, ret_version, size, &code);
	ret_version[ended ? strcspn(ret_version, "\n") : 0] = '\0';
	return ended && code == EXIT_CODE_OK;
}

static bool check_program(const char *name)
{
	struct path path;
	struct err_msg msg = {{0}};
	char version[128], detail[PATH_MAX + 256], wanted[128];
	if (path_program(name, &path, &msg))
		return report(false, name, "neither beside freeal nor on PATH");
	if (!program_version(path.text, version, sizeof version)) {
		(void)snprintf(detail, sizeof detail, "%s does not run", path.text);
		return report(false, name, detail);
	}
	(void)snprintf(wanted, sizeof wanted, "%s %s", name, FREEAL_VERSION);
	bool same = strcmp(version, wanted) == 0;
	(void)snprintf(detail, sizeof detail, "%s%s%s", path.text, same ? "" : " is ",
		       same ? "" : version);
	return report(same, name, detail);
}

static bool check_run_folder(void)
{
	struct path path;
	struct err_msg msg = {{0}};
	if (run_folder_make(&path, &msg))
		return report(false, "run folder", msg.text);
	run_folder_remove(NULL, path.text);
	return report(true, "run folder", path.text);
}

static bool check_project(const char *project)
{
	struct path task_path;
	struct err_msg msg = {{0}};
	struct task *task;
	if (!path_is_folder(project))
		return report(false, "project", "there is none at this place");
	if (access(project, R_OK | W_OK | X_OK) != 0)
		return report(false, "project", strerror(errno));
	bool good = report(true, "project", project);
	if (path_set(&task_path, &msg, "%s/task.yaml", project) ||
	    task_load(task_path.text, &task, &msg))
		return report(false, "task file", msg.text);
	task_free(task);
	return report(true, "task file", task_path.text) && good;
}

/* The trainer knows models. */
static int describe_model(const char *model, const char *samples)
{
	struct path program;
	struct err_msg msg = {{0}};
	enum err e = path_program("freeal-trainer", &program, &msg);
	if (e)
		return console_fail(e, &msg);
	(void)execl(program.text, program.text, "--describe", model, "--samples",
		    samples ? samples : "10000", (char *)NULL);
	console_say("cannot run %s: %s", program.text, strerror(errno));
	return EXIT_CODE_FAILED;
}

int command_doctor(int argc, char **argv)
{
	static const char *const names[] = {"freeal-coordinator", "freeal-annotator",
					    "freeal-trainer", "freeal-selector"};
	struct place place = {0};
	struct audit_places audited = {0};
	const char *model = NULL, *samples = NULL;
	bool audit = false;
	const struct option_entry entries[] = {
	    {.name = "project",
	     .type = OPTION_STRING,
	     .value = &place.project,
	     .arg = "DIR",
	     .help = "check this project, too"},
	    {.name = "out",
	     .type = OPTION_STRING,
	     .value = &place.out,
	     .arg = "DIR",
	     .help = "output folder of its run"},
	    {.name = "model",
	     .type = OPTION_STRING,
	     .value = &model,
	     .arg = "DIR",
	     .help =
		 "tell what this checkpoint or model is, the memory that it needs, and how long "
		 "an epoch takes (measured)"},
	    {.name = "samples",
	     .type = OPTION_STRING,
	     .value = &samples,
	     .arg = "N",
	     .help = "with --model: an epoch of so many (default 10000)"},
	    {.name = "audit",
	     .type = OPTION_FLAG,
	     .value = &audit,
	     .help = "read all that the stopped project, or these copies, have stored"},
	    {.name = "coordinator",
	     .type = OPTION_STRING,
	     .value = &audited.project,
	     .arg = "DIR",
	     .help = "with --audit: the coordinator's project folder alone"},
	    {.name = "selector",
	     .type = OPTION_STRING,
	     .value = &audited.selector,
	     .arg = "DIR",
	     .help = "with --audit: a selector's data"},
	    {.name = "trainer",
	     .type = OPTION_STRING,
	     .value = &audited.trainer,
	     .arg = "DIR",
	     .help = "with --audit: a trainer's data"},
	    {.name = "acknowledged",
	     .type = OPTION_STRING,
	     .value = &audited.acknowledged,
	     .arg = "FILE",
	     .help = "with --audit: JSON lines (id, text) of samples that must be there"},
	};
	const struct option_program program = {
	    .name = "freeal doctor",
	    .summary = "Checks the installation and, where one is given, a project.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	};
	struct err_msg msg = {{0}};
	bool done;
	enum err e = place_parse(&place, &program, argc, argv, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (e)
		return console_fail(e, &msg);
	if (model)
		return describe_model(model, samples);
	if (audit)
		return audit_places(&place, &audited);
	if (audited.project || audited.selector || audited.trainer || audited.acknowledged)
		return console_fail(err_set(&msg, ERR_INVALID,
					    "--coordinator, --selector, --trainer and "
					    "--acknowledged need --audit"),
				    &msg);
	bool good = true;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		good = check_program(names[i]) && good;
	good = check_run_folder() && good;
	if (place.project || place.out)
		good = check_project(place.path.text) && good;
	return good ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}
