#include "cli/session.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/stop.h"
#include "cli/children.h"
#include "cli/console.h"
#include "cli/path.h"
#include "cli/run_folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define START_MS 60000	   /* until the coordinator listens */
#define PATIENCE_MS 120000 /* without an answer */
#define LOCK_MS 2000	   /* for another command's lock */
#define LOOK_MS 20
#define RETRY_MS 100
#define ANSWER_MS 1000 /* between looks for a server */
#define TASK_BYTES_MAX (16u << 20)

struct session {
	struct session_options options; /* as it was opened */
	struct path project;
	struct path folder; /* the run folder; through the link where it isn't ours */
	const char *server; /* where it runs elsewhere, else NULL */
	const char *token_file;
	const char *log_level;
	struct client *client;
	struct children *children; /* NULL where another command runs the services */
	struct clock clock;
	int lock_fd;
};

bool session_owns(const struct session *s)
{
	return s->children != NULL;
}

uint64_t session_now_ms(const struct session *s)
{
	return clock_mono_ms(&s->clock);
}

enum err session_wait(struct session *s, int wait_ms, struct err_msg *msg)
{
	struct pollfd stop = {.fd = stop_fd(), .events = POLLIN};
	if (!stop_requested())
		(void)poll(&stop, 1, wait_ms);
	if (stop_requested())
		return err_set(msg, ERR_CANCELLED, "stopped");
	return s->children ? children_tick(s->children, session_now_ms(s), msg) : ERR_OK;
}

/* The first line of a small file, which appears complete (it is renamed into place). */
static bool line_read(const char *path, char *ret_line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, ret_line, size - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	ret_line[n] = '\0';
	ret_line[strcspn(ret_line, "\n")] = '\0';
	return true;
}

/* Reads port and token of the run folder; false where they aren't there (yet). */
static bool session_find(struct session *s)
{
	char port[16], token[256], address[32];
	struct path port_file, token_file;
	if (s->server)
		return true;
	if (path_set(&port_file, NULL, "%s/port", s->folder.text) ||
	    path_set(&token_file, NULL, "%s/token", s->folder.text))
		return false;
	if (!line_read(port_file.text, port, sizeof port))
		return false;
	char *end;
	unsigned long number = strtoul(port, &end, 10);
	if (*end || number == 0 || number > 65535)
		return false;
	if (!line_read(token_file.text, token, sizeof token))
		return false;
	(void)snprintf(address, sizeof address, "127.0.0.1:%lu", number);
	return client_set(s->client, address, token) == ERR_OK;
}

static bool session_answers(struct session *s)
{
	return session_find(s) && !client_stream(s->client, "/healthz", NULL, NULL, NULL);
}

/* ERR_BUSY where another command has it. */
static enum err session_lock(struct session *s, struct err_msg *msg)
{
	struct path p;
	enum err e = path_set(&p, msg, "%s/freeal.lock", s->project.text);
	if (e)
		return e;
	if (s->lock_fd < 0)
		s->lock_fd = open(p.text, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (s->lock_fd < 0)
		return err_set(msg, ERR_IO, "cannot open %s: %s", p.text, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return ERR_OK;
	return err_set(msg, ERR_BUSY,
		       "another freeal command runs the project %s; `freeal status --project %s` "
		       "shows how far it is",
		       s->project.text, s->project.text);
}

static enum err session_start(struct session *s, const char *name, const char *const *arguments,
			      size_t count, const char *remove, struct err_msg *msg)
{
	char program_name[48];
	(void)snprintf(program_name, sizeof program_name, "freeal-%.*s", (int)strcspn(name, "-"),
		       name);
	struct path program;
	enum err e = path_program(program_name, &program, msg);
	if (e)
		return e;
	const char *argv[CHILD_ARGUMENTS_MAX + 1] = {program.text, "--parent-death", "--log-level",
						     s->log_level};
	assert(count + 4 <= CHILD_ARGUMENTS_MAX);
	for (size_t i = 0; i < count; i++)
		argv[4 + i] = arguments[i];
	struct child_spec spec = {.name = name, .argv = argv, .remove = remove};
	return children_start(s->children, &spec, session_now_ms(s), msg);
}

static enum err session_start_coordinator(struct session *s, const struct session_options *options,
					  struct err_msg *msg)
{
	struct path bus, selector, port, token;
	enum err e = run_folder_endpoint(s->folder.text, "bus", &bus, msg);
	if (!e)
		e = run_folder_endpoint(s->folder.text, "selector", &selector, msg);
	if (!e)
		e = path_set(&port, msg, "%s/port", s->folder.text);
	if (!e)
		e = path_set(&token, msg, "%s/token", s->folder.text);
	if (e)
		return e;
	const char *arguments[14] = {"--project",   s->project.text, "--http",	     "127.0.0.1:0",
				     "--port-file", port.text,	     "--token-file", token.text};
	size_t count = 8;
	/* Without a bus nothing is run: it only answers. */
	if (options->own) {
		const char *more[] = {"--bind", bus.text, "--selector", selector.text};
		for (size_t i = 0; i < 4; i++)
			arguments[count++] = more[i];
	}
	if (options->task) {
		arguments[count++] = "--task";
		arguments[count++] = options->task;
	}
	return session_start(s, "coordinator", arguments, count, port.text, msg);
}

static enum err session_wait_coordinator(struct session *s, struct err_msg *msg)
{
	uint64_t until_ms = session_now_ms(s) + START_MS;
	while (!session_find(s)) {
		enum err e = session_wait(s, LOOK_MS, msg);
		if (e)
			return e;
		if (session_now_ms(s) >= until_ms)
			return err_set(
			    msg, ERR_PROTOCOL,
			    "the coordinator does not start; see %s/logs/coordinator.log",
			    s->project.text);
	}
	return ERR_OK;
}

/* A coordinator that runs elsewhere. */
static enum err session_reach(struct session *s, const struct session_options *options,
			      struct err_msg *msg)
{
	char token[256] = "";
	const char *colon = strrchr(options->server, ':');
	if (!colon || colon == options->server || !colon[1])
		return err_set(msg, ERR_INVALID, "the server is given as HOST:PORT, not as %.100s",
			       options->server);
	if (options->token_file && !line_read(options->token_file, token, sizeof token))
		return err_set(
		    msg, ERR_INVALID,
		    "cannot read the token from %s: %s; the coordinator's first start makes it",
		    options->token_file, strerror(errno));
	s->server = options->server;
	enum err e = client_set(s->client, s->server, token);
	if (e)
		return err_set(msg, e, "the server's name or token is too long");
	bool said = false;
	while (!session_answers(s)) {
		if (!options->patient)
			return err_set(msg, ERR_AGAIN, "no coordinator answers at %s; is it up?",
				       s->server);
		if (!said)
			console_say("waiting for the coordinator at %s", s->server);
		said = true;
		e = session_wait(s, ANSWER_MS, msg);
		if (e)
			return e;
	}
	return ERR_OK;
}

/* Makes this session the one that runs the services. */
static enum err session_own(struct session *s, const struct session_options *options,
			    struct err_msg *msg)
{
	struct path logs;
	enum err e = path_set(&logs, msg, "%s/logs", s->project.text);
	if (!e)
		e = path_make_folder(logs.text, 0777, msg);
	if (!e)
		e = run_folder_make(&s->folder, msg);
	if (e)
		return e;
	e = children_new(logs.text, &s->children);
	if (!e)
		e = run_folder_record(s->project.text, s->folder.text, msg);
	if (!e)
		e = session_start_coordinator(s, options, msg);
	if (!e)
		e = session_wait_coordinator(s, msg);
	return e;
}

/*
 * The lock says who runs the services, not whether a coordinator answers: that of a
 * killed command may do so for a moment. A short command's lock is waited for.
 */
static enum err session_attach(struct session *s, const struct session_options *options,
			       struct err_msg *msg)
{
	uint64_t until_ms = session_now_ms(s) + LOCK_MS;
	struct path link;
	enum err e = path_set(&link, msg, "%s/run", s->project.text);
	while (!e) {
		s->folder = link;
		if (!options->own && session_answers(s))
			return ERR_OK;
		e = session_lock(s, msg);
		if (!e)
			return session_own(s, options, msg);
		if (e == ERR_BUSY && session_now_ms(s) < until_ms)
			e = session_wait(s, LOOK_MS, msg);
	}
	return e;
}

enum err session_open(const struct session_options *options, struct session **ret_session,
		      struct err_msg *msg)
{
	bool here = !options->server;
	enum err e = here && !options->create ? path_check_project(options->project, msg) : ERR_OK;
	if (e)
		return e;
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "no memory");
	s->options = *options;
	s->lock_fd = -1;
	s->clock = clock_system();
	s->log_level = options->log_level ? options->log_level : "info";
	e = client_new(&s->client, msg);
	if (!e && here)
		e = path_set(&s->project, msg, "%s", options->project);
	if (!e && here && options->create)
		e = path_make_folder(options->project, 0700, msg);
	if (!e)
		e = here ? session_attach(s, options, msg) : session_reach(s, options, msg);
	if (e) {
		session_close(s);
		return e;
	}
	*ret_session = s;
	return ERR_OK;
}

static enum err session_start_annotators(struct session *s, unsigned count, const char *bus,
					 struct err_msg *msg)
{
	const char *arguments[] = {"--coordinator", bus};
	enum err e = ERR_OK;
	for (unsigned i = 1; !e && i <= count; i++) {
		char name[32] = "annotator";
		if (count > 1)
			(void)snprintf(name, sizeof name, "annotator-%u", i);
		e = session_start(s, name, arguments, 2, NULL, msg);
	}
	return e;
}

enum err session_start_workers(struct session *s, unsigned annotators, struct err_msg *msg)
{
	assert(s->children && annotators <= ANNOTATORS_MAX);
	struct path bus, selector, selector_data, trainer_data;
	enum err e = run_folder_endpoint(s->folder.text, "bus", &bus, msg);
	if (!e)
		e = run_folder_endpoint(s->folder.text, "selector", &selector, msg);
	if (!e)
		e = path_set(&selector_data, msg, "%s/selector", s->project.text);
	if (!e)
		e = path_set(&trainer_data, msg, "%s/trainer", s->project.text);
	if (!e)
		e = path_make_folder(selector_data.text, 0777, msg);
	if (!e)
		e = path_make_folder(trainer_data.text, 0777, msg);
	if (e)
		return e;
	const char *select[] = {"--coordinator",    bus.text, "--data",
				selector_data.text, "--bind", selector.text};
	const char *train[] = {"--coordinator", bus.text, "--data", trainer_data.text};
	e = session_start(s, "selector", select, 6, NULL, msg);
	if (!e)
		e = session_start(s, "trainer", train, 4, NULL, msg);
	if (!e)
		e = session_start_annotators(s, annotators, bus.text, msg);
	return e;
}

/* Whoever ran the services may have ended: then this command runs them. */
static enum err session_attach_again(struct session *s, struct err_msg *msg)
{
	if (s->children || s->server || session_answers(s))
		return ERR_OK;
	enum err e = session_attach(s, &s->options, msg);
	return e == ERR_BUSY ? ERR_OK : e; /* its coordinator is about to come back */
}

enum err session_json(struct session *s, const char *path, const void *body, size_t size,
		      json_t **ret_json, struct err_msg *msg)
{
	uint64_t until_ms = session_now_ms(s) + PATIENCE_MS;
	for (;;) {
		enum err e = client_json(s->client, path, body, size, ret_json, msg);
		if (e != ERR_AGAIN || session_now_ms(s) >= until_ms)
			return e;
		/* A restarted coordinator has another port; a broken one ends the wait. */
		struct err_msg why;
		e = session_wait(s, RETRY_MS, &why);
		if (!e)
			e = session_attach_again(s, &why);
		if (e)
			return err_set(msg, e, "%s", why.text);
		(void)session_find(s);
	}
}

static enum err task_data(void *context, const void *data, size_t size, struct err_msg *msg)
{
	struct buf *text = context;
	buf_add(text, data, size);
	return buf_error(text) ? err_set(msg, ERR_LIMIT, "the project's task file is too large")
			       : ERR_OK;
}

enum err session_task(struct session *s, const char *path, struct task **ret_task,
		      struct err_msg *msg)
{
	struct path own;
	if (path)
		return task_load(path, ret_task, msg);
	if (!s->server) {
		enum err e = path_set(&own, msg, "%s/task.yaml", s->project.text);
		return e ? e : task_load(own.text, ret_task, msg);
	}
	struct buf text;
	buf_init(&text, TASK_BYTES_MAX);
	enum err e = session_stream(s, "/v1/task", task_data, &text, msg);
	if (!e)
		e = task_parse("the project's task file", buf_str(&text), text.size, ret_task, msg);
	buf_done(&text);
	return e;
}

enum err session_stream(struct session *s, const char *path, client_data_fn *data, void *context,
			struct err_msg *msg)
{
	return client_stream(s->client, path, data, context, msg);
}

void session_close(struct session *s)
{
	if (!s)
		return;
	if (s->children) {
		children_free(s->children);
		run_folder_remove(s->project.text, s->folder.text);
	}
	client_free(s->client);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	free(s);
}
