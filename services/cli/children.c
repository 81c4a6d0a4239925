#include "cli/children.h"

#include "cli/path.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MINUTE_MS 60000
#define PAUSE_FIRST_MS 200
#define BUSY_TRIES_MS 10000
#define STOP_MS 10000
#define NAP_MS 10
#define LOG_BYTES_MAX (16 << 20)
#define LAST_BYTES 8192
#define EXEC_FAILED 127

struct child {
	char *argv[CHILD_ARGUMENTS_MAX + 1];
	char *remove;
	bool once;
	struct path log;
	off_t log_start;  /* where this start's lines begin */
	uint64_t born_ms; /* of its first start */
	pid_t pid;	  /* 0: waits for its restart */
	uint64_t due_ms;
	uint64_t restarts_ms[CHILD_RESTARTS_MAX]; /* a ring */
	unsigned restart_count;
};

struct children {
	struct path log_folder;
	struct child *items[CHILDREN_MAX];
	size_t count;
};

enum err children_new(const char *log_folder, struct children **ret_children)
{
	/* They talk over ipc://; a key of another service's role would stop them. */
	(void)unsetenv("FREEAL_KEY");
	struct children *c = calloc(1, sizeof *c);
	if (!c)
		return ERR_NO_MEMORY;
	enum err e = path_set(&c->log_folder, NULL, "%s", log_folder);
	if (e)
		free(c);
	else
		*ret_children = c;
	return e;
}

static void child_free(struct child *child)
{
	for (size_t i = 0; child->argv[i]; i++)
		free(child->argv[i]);
	free(child->remove);
	free(child);
}

static const char *child_program(const struct child *child)
{
	const char *slash = strrchr(child->argv[0], '/');
	return slash ? slash + 1 : child->argv[0];
}

/* Opens the log for appending; a large one is put aside first. */
static int log_open(struct child *child)
{
	struct stat st;
	if (stat(child->log.text, &st) == 0 && st.st_size > LOG_BYTES_MAX) {
		struct path old;
		if (!path_set(&old, NULL, "%s.1", child->log.text))
			(void)rename(child->log.text, old.text);
	}
	int fd = open(child->log.text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd >= 0)
		child->log_start = fstat(fd, &st) == 0 ? st.st_size : 0;
	return fd;
}

/* In the new process; only what is safe after a fork. */
static _Noreturn void child_exec(struct child *child, int log, pid_t parent, const sigset_t *mask)
{
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXEC_FAILED);
	/* A group of its own, so that the terminal's Ctrl-C is the parent's alone. */
	(void)setpgid(0, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		_exit(EXEC_FAILED);
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	(void)execv(child->argv[0], child->argv);
	_exit(EXEC_FAILED);
}

static enum err child_spawn(struct child *child, struct err_msg *msg)
{
	int log = log_open(child);
	if (log < 0)
		return err_set(msg, ERR_IO, "cannot write %s: %s", child->log.text,
			       strerror(errno));
	if (child->remove)
		(void)unlink(child->remove);
	/* A signal between fork and exec would run this process's handlers in the child. */
	sigset_t all, mask;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &mask);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		child_exec(child, log, parent, &mask);
	int error = errno;
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	(void)close(log);
	if (pid < 0)
		return err_set(msg, ERR_IO, "cannot start %s: %s", child_program(child),
			       strerror(error));
	child->pid = pid;
	return ERR_OK;
}

static enum err child_new(const struct children *c, const struct child_spec *spec,
			  struct child **ret_child)
{
	struct child *child = calloc(1, sizeof *child);
	if (!child)
		return ERR_NO_MEMORY;
	enum err e = path_set(&child->log, NULL, "%s/%s.log", c->log_folder.text, spec->name);
	for (size_t i = 0; !e && spec->argv[i]; i++) {
		assert(i < CHILD_ARGUMENTS_MAX);
		child->argv[i] = strdup(spec->argv[i]);
		if (!child->argv[i])
			e = ERR_NO_MEMORY;
	}
	if (!e && spec->remove && !(child->remove = strdup(spec->remove)))
		e = ERR_NO_MEMORY;
	if (e)
		child_free(child);
	else
		*ret_child = child;
	return e;
}

enum err children_start(struct children *c, const struct child_spec *spec, uint64_t now_ms,
			struct err_msg *msg)
{
	assert(c->count < CHILDREN_MAX);
	struct child *child;
	enum err e = child_new(c, spec, &child);
	if (e)
		return err_set(msg, e, "cannot start %s: %s", spec->name, err_str(e));
	child->born_ms = now_ms;
	child->once = spec->once;
	e = child_spawn(child, msg);
	if (e)
		child_free(child);
	else
		c->items[c->count++] = child;
	return e;
}

bool children_last_words(const char *log, int64_t offset, const char *program, char *ret_words,
			 size_t size)
{
	int fd = open(log, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return false;
	char text[LAST_BYTES + 1];
	ssize_t n = -1;
	if (fstat(fd, &st) == 0) {
		int64_t from = st.st_size > LAST_BYTES ? st.st_size - LAST_BYTES : 0;
		n = pread(fd, text, LAST_BYTES, from > offset ? from : offset);
	}
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	const char *own = NULL, *last = NULL;
	size_t program_size = strlen(program);
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!line[0])
			continue;
		last = line;
		if (strncmp(line, program, program_size) == 0 &&
		    strncmp(line + program_size, ": ", 2) == 0)
			own = line + program_size + 2;
	}
	const char *words = own ? own : last;
	if (words)
		(void)snprintf(ret_words, size, "%s", words);
	return words != NULL;
}

static enum err code_error(int code)
{
	switch (code) {
	case EXIT_CODE_USAGE:
		return ERR_INVALID;
	case EXIT_CODE_BUSY:
		return ERR_BUSY;
	case EXIT_CODE_STORAGE:
		return ERR_IO;
	case EXIT_CODE_VERSION:
		return ERR_VERSION;
	default:
		return ERR_PROTOCOL;
	}
}

/* What is to be told when it can't go on. */
static enum err child_failure(const struct child *child, int status, bool often,
			      struct err_msg *msg)
{
	char words[600];
	bool said = children_last_words(child->log.text, child->log_start, child_program(child),
					words, sizeof words);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	enum err e = code_error(code);
	if (!often && said && code != EXEC_FAILED)
		return err_set(msg, e, "%s", words);
	if (code == EXEC_FAILED)
		return err_set(msg, ERR_PROTOCOL, "cannot run %s", child->argv[0]);
	char how[48];
	(void)snprintf(how, sizeof how, "%s %d", WIFSIGNALED(status) ? "signal" : "exit code",
		       WIFSIGNALED(status) ? WTERMSIG(status) : code);
	return err_set(msg, e, "%s %s (%s%s%s); its log is %s", child_program(child),
		       often ? "keeps stopping" : "stopped", how, said ? ": " : "",
		       said ? words : "", child->log.text);
}

/* Decides what to do about a child that ended. */
static enum err child_ended(struct child *child, int status, uint64_t now_ms, struct err_msg *msg)
{
	child->pid = 0;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	if (code == EXIT_CODE_BUSY && !child->once && now_ms - child->born_ms < BUSY_TRIES_MS) {
		child->due_ms = now_ms + PAUSE_FIRST_MS;
		return ERR_OK;
	}
	if ((code >= EXIT_CODE_USAGE && code <= EXIT_CODE_VERSION) || code == EXEC_FAILED ||
	    child->once)
		return child_failure(child, status, false, msg);
	unsigned recent = 0;
	unsigned kept =
	    child->restart_count < CHILD_RESTARTS_MAX ? child->restart_count : CHILD_RESTARTS_MAX;
	for (unsigned i = 0; i < kept; i++)
		recent += now_ms - child->restarts_ms[i] < MINUTE_MS;
	if (recent == CHILD_RESTARTS_MAX)
		return child_failure(child, status, true, msg);
	child->restarts_ms[child->restart_count++ % CHILD_RESTARTS_MAX] = now_ms;
	child->due_ms = now_ms + ((uint64_t)PAUSE_FIRST_MS << recent);
	return ERR_OK;
}

enum err children_tick(struct children *c, uint64_t now_ms, struct err_msg *msg)
{
	for (size_t i = 0; i < c->count; i++) {
		struct child *child = c->items[i];
		enum err e = ERR_OK;
		int status;
		if (child->pid && waitpid(child->pid, &status, WNOHANG) == child->pid)
			e = child_ended(child, status, now_ms, msg);
		if (!e && !child->pid && now_ms >= child->due_ms)
			e = child_spawn(child, msg);
		if (e)
			return e;
	}
	return ERR_OK;
}

/* Collects who ended; returns how many are left. */
static size_t children_reap(struct children *c)
{
	size_t left = 0;
	for (size_t i = 0; i < c->count; i++) {
		struct child *child = c->items[i];
		if (child->pid && waitpid(child->pid, NULL, WNOHANG) != 0)
			child->pid = 0;
		left += child->pid != 0;
	}
	return left;
}

static void children_signal(const struct children *c, int number)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i]->pid)
			(void)kill(c->items[i]->pid, number);
}

void children_stop(struct children *c)
{
	const struct timespec nap = {.tv_nsec = NAP_MS * 1000000};
	children_signal(c, SIGTERM);
	for (int waited_ms = 0; children_reap(c) && waited_ms < STOP_MS; waited_ms += NAP_MS)
		(void)nanosleep(&nap, NULL);
	children_signal(c, SIGKILL);
	while (children_reap(c))
		(void)nanosleep(&nap, NULL);
	for (size_t i = 0; i < c->count; i++)
		child_free(c->items[i]);
	c->count = 0;
}

void children_free(struct children *c)
{
	if (!c)
		return;
	children_stop(c);
	free(c);
}
