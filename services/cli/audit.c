#include "cli/audit.h"

#include "cli/console.h"

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 10

extern char **environ;

struct sum {
	int code; /* of the first program that could not do it */
	unsigned failed, run;
};

/* Runs `NAME --audit ...` with our standard output. */
static void program_run(struct sum *sum, const char *name, const char *const *arguments)
{
	struct path program;
	struct err_msg msg = {{0}};
	const char *argv[ARGUMENTS_MAX + 3] = {name, "--audit"};
	pid_t pid;
	int status = 0, code = EXIT_CODE_STORAGE;
	sum->run++;
	for (size_t i = 0; arguments[i] && i < ARGUMENTS_MAX; i++)
		argv[2 + i] = arguments[i];
	(void)printf("%s %s\n", name, arguments[1]);
	(void)fflush(stdout);
	enum err e = path_program(name, &program, &msg);
	if (e) {
		code = console_fail(e, &msg);
	} else if (posix_spawn(&pid, program.text, NULL, NULL, (char **)argv, environ) != 0 ||
		   waitpid(pid, &status, 0) != pid) {
		console_say("%s does not run", program.text);
	} else if (WIFEXITED(status)) {
		code = WEXITSTATUS(status);
	} else {
		console_say("%s was killed by signal %d", name, WTERMSIG(status));
	}
	sum->failed += code != EXIT_CODE_OK;
	if (code != EXIT_CODE_FAILED && sum->code == EXIT_CODE_OK)
		sum->code = code; /* stays 0 with a good one */
}

static void audit_coordinator(struct sum *sum, const char *project, const char *acknowledged)
{
	const char *arguments[] = {"--project", project, acknowledged ? "--acknowledged" : NULL,
				   acknowledged, NULL};
	program_run(sum, "freeal-coordinator", arguments);
}

static void audit_data(struct sum *sum, const char *program, const char *option, const char *data)
{
	const char *arguments[] = {option, data, NULL};
	program_run(sum, program, arguments);
}

static bool there(struct path *ret_path, const char *project, const char *name)
{
	return !path_set(ret_path, NULL, "%s/%s", project, name) &&
	       access(ret_path->text, F_OK) == 0;
}

static void audit_project(struct sum *sum, const char *project, const char *acknowledged)
{
	struct path p;
	audit_coordinator(sum, project, acknowledged);
	if (there(&p, project, "selector/data.mdb") && there(&p, project, "selector"))
		audit_data(sum, "freeal-selector", "--data", p.text);
	if ((there(&p, project, "trainer/data.mdb") || there(&p, project, "trainer/0/data.mdb")) &&
	    there(&p, project, "trainer"))
		audit_data(sum, "freeal-trainer", "--data", p.text);
	if (there(&p, project, "model"))
		audit_data(sum, "freeal-trainer", "--serve", p.text);
}

int audit_places(const struct place *place, const struct audit_places *single)
{
	struct sum sum = {.code = EXIT_CODE_OK};
	if (single->project)
		audit_coordinator(&sum, single->project, single->acknowledged);
	if (single->selector)
		audit_data(&sum, "freeal-selector", "--data", single->selector);
	if (single->trainer)
		audit_data(&sum, "freeal-trainer", "--data", single->trainer);
	if (sum.run == 0)
		audit_project(&sum, place->path.text, single->acknowledged);
	if (sum.failed == 0)
		(void)printf("audit ok\n");
	else
		(void)printf("audit FAILED for %u of %u\n", sum.failed, sum.run);
	if (sum.code != EXIT_CODE_OK)
		return sum.code;
	return sum.failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
