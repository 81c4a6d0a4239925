#include "cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool program_start(const char *const *argv, bool errors, int *ret_fd, pid_t *ret_pid)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	posix_spawn_file_actions_t actions;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1],
					       errors ? STDERR_FILENO : STDOUT_FILENO);
	int failed = posix_spawn(ret_pid, argv[0], &actions, NULL, (char **)argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(ends[1]);
	*ret_fd = ends[0];
	if (failed)
		(void)close(ends[0]);
	return !failed;
}

bool program_ask(const char *const *argv, bool errors, int patience_ms, char *ret_text, size_t size,
		 int *ret_code)
{
	struct pollfd end = {.events = POLLIN};
	pid_t pid;
	if (!program_start(argv, errors, &end.fd, &pid))
		return false;
	size_t n = 0;
	ssize_t got = 1;
	while (got > 0 && n < size - 1) {
		got =
		    poll(&end, 1, patience_ms) == 1 ? read(end.fd, ret_text + n, size - 1 - n) : -1;
		n += got > 0 ? (size_t)got : 0;
	}
	(void)close(end.fd);
	/* One that says too much, or nothing for too long, is not waited for. */
	if (got != 0)
		(void)kill(pid, SIGKILL);
	ret_text[n] = '\0';
	int status = 0;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return false;
	*ret_code = WEXITSTATUS(status);
	return true;
}
