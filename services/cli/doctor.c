/*
 * freeal doctor: checks that the programs are there and of one version, and that a
 * project can be used; with --audit, that what it has stored is sound.
 */
#include "cli/audit.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/place.h"
#include "cli/run_folder.h"
#include "config/option.h"
#include "config/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 5000

extern char **environ;

static bool report(bool good, const char *what, const char *detail)
{
	(void)printf("%-4s  %-20s  %s\n", good ? "ok" : "BAD", what, detail);
	return good;
}

/* The first line that `PROGRAM --version` prints; false where it fails. */
static bool program_version(const char *path, char *ret_version, size_t size)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	char *argv[] = {(char *)path, (char *)"--version", NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	int failed = posix_spawn(&pid, path, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(ends[1]);
	size_t n = 0;
	ssize_t got = 1;
	struct pollfd end = {.fd = ends[0], .events = POLLIN};
	while (!failed && got > 0 && n < size - 1) {
		got = poll(&end, 1, ANSWER_MS) == 1 ? read(ends[0], ret_version + n, size - 1 - n)
						    : -1;
		n += got > 0 ? (size_t)got : 0;
	}
	(void)close(ends[0]);
	/* One that says too much, or nothing for too long, is not waited for. */
	if (!failed && got != 0)
		(void)kill(pid, SIGKILL);
	ret_version[n] = '\0';
	ret_version[strcspn(ret_version, "\n")] = '\0';
	int status = 0;
	if (failed || waitpid(pid, &status, 0) != pid)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
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

int command_doctor(int argc, char **argv)
{
	static const char *const names[] = {"freeal-coordinator", "freeal-annotator",
					    "freeal-trainer", "freeal-selector"};
	struct place place = {0};
	struct audit_places audited = {0};
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
