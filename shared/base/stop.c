#include "base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t stop_flag;
static int stop_pipe[2] = {-1, -1};

void stop_request(void)
{
	stop_flag = 1;
	ssize_t ignored = write(stop_pipe[1], "", 1);
	(void)ignored;
}

static void stop_on_signal(int number)
{
	int saved = errno;
	/* Whoever presses Ctrl-C twice wants out. A supervisor that repeats itself has SIGKILL. */
	if (stop_flag && number == SIGINT)
		_exit(128 + number);
	stop_request();
	errno = saved;
}

enum err stop_install(bool parent_death)
{
	if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return ERR_IO;
	struct sigaction action = {.sa_handler = stop_on_signal};
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
	if (parent_death)
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	return ERR_OK;
}

bool stop_requested(void)
{
	return stop_flag != 0;
}

int stop_fd(void)
{
	return stop_pipe[0];
}
