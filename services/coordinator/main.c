/*
 * freeal-coordinator: runs the rounds, leases work out, commits every result, serves
 * HTTP. One per project.
 */
#include "base/log.h"
#include "config/service.h"
#include "coordinator/audit.h"
#include "coordinator/coordinator.h"
#include "coordinator/http.h"
#include "store/audit.h"
#include "wire/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	struct service service;
	const char *task, *project, *bind, *selector, *http, *port_file, *token_file;
	int64_t ttr_ms;
	const char *acknowledged;
	bool audit;
};

/* Written beside, then renamed: a reader sees all of it or nothing. */
static enum err file_publish(const char *path, const char *text, struct err_msg *msg)
{
	char fresh[1200];
	if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
		return err_set(msg, ERR_INVALID, "%s: the path is too long", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t size = strlen(text);
	bool ok = fd >= 0 && write(fd, text, size) == (ssize_t)size;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (!ok || rename(fresh, path) != 0)
		return err_set(msg, ERR_IO, "cannot write %s: %s", path, strerror(errno));
	return ERR_OK;
}

/* The token in the file; one is made where there is none. */
static enum err token_load(const char *path, char *token, size_t size, struct err_msg *msg)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		unsigned char bytes[24];
		randombytes_buf(bytes, sizeof bytes);
		(void)sodium_bin2hex(token, size, bytes, sizeof bytes);
		return file_publish(path, token, msg);
	}
	ssize_t n = fd >= 0 ? read(fd, token, size - 1) : -1;
	if (fd >= 0)
		(void)close(fd);
	if (n < 16)
		return err_set(msg, ERR_INVALID, "%s must hold a token of at least 16 characters",
			       path);
	token[n] = '\0';
	token[strcspn(token, "\r\n")] = '\0';
	return ERR_OK;
}

static enum err serve(struct coordinator *c, const struct options *o, struct err_msg *msg)
{
	char token[100], port[16], path[1200];
	struct http *http;
	(void)snprintf(path, sizeof path, "%s/token", o->project);
	enum err e = token_load(o->token_file ? o->token_file : path, token, sizeof token, msg);
	if (!e)
		e = http_start(c, o->http, token, &http, msg);
	sodium_memzero(token, sizeof token);
	if (e)
		return e;
	(void)snprintf(port, sizeof port, "%u\n", http_port(http));
	if (o->port_file)
		e = file_publish(o->port_file, port, msg);
	if (!e) {
		log_info("ready", "port=%u project=%s", http_port(http), o->project);
		e = coordinator_run(c);
		if (e)
			(void)err_set(msg, e, "stopped: %s", err_str(e));
	}
	http_stop(http);
	if (o->port_file)
		(void)unlink(o->port_file);
	return e;
}

static enum err options_read(int argc, char **argv, struct options *o, bool *ret_done,
			     struct err_msg *msg)
{
	const struct option_entry entries[] = {
	    {.name = "project",
	     .env = "FREEAL_PROJECT",
	     .type = OPTION_STRING,
	     .value = &o->project,
	     .arg = "DIR",
	     .help = "the project's folder"},
	    {.name = "task",
	     .env = "FREEAL_TASK",
	     .type = OPTION_STRING,
	     .value = &o->task,
	     .arg = "FILE",
	     .help = "task file; without it, the project's own copy"},
	    {.name = "bind",
	     .env = "FREEAL_BIND",
	     .type = OPTION_STRING,
	     .value = &o->bind,
	     .arg = "ENDPOINT",
	     .help = "where workers connect; without it, nothing is run"},
	    {.name = "selector",
	     .env = "FREEAL_SELECTOR",
	     .type = OPTION_STRING,
	     .value = &o->selector,
	     .arg = "ENDPOINT",
	     .help = "where trainers find the selector"},
	    {.name = "http",
	     .env = "FREEAL_HTTP",
	     .type = OPTION_STRING,
	     .value = &o->http,
	     .arg = "HOST:PORT",
	     .help = "where HTTP is served; port 0 takes a free one"},
	    {.name = "port-file",
	     .type = OPTION_STRING,
	     .value = &o->port_file,
	     .arg = "FILE",
	     .help = "gets the HTTP port once it is served"},
	    {.name = "token-file",
	     .env = "FREEAL_TOKEN_FILE",
	     .type = OPTION_STRING,
	     .value = &o->token_file,
	     .arg = "FILE",
	     .help = "bearer token; made if missing (PROJECT/token)"},
	    {.name = "ttr-ms",
	     .env = "FREEAL_TTR_MS",
	     .type = OPTION_INT,
	     .value = &o->ttr_ms,
	     .min = LEASE_TTR_MS_MIN,
	     .max = 600000,
	     .arg = "MS",
	     .help = "how long work stays with a worker that is silent"},
	    {.name = "audit",
	     .type = OPTION_FLAG,
	     .value = &o->audit,
	     .help = "check the stopped project's store and exit: 0 good, 1 not"},
	    {.name = "acknowledged",
	     .type = OPTION_STRING,
	     .value = &o->acknowledged,
	     .arg = "FILE",
	     .help = "with --audit: JSON lines (id, text) that must be there"},
	    SERVICE_OPTIONS(&o->service),
	};
	enum err e = service_parse(&o->service, entries, sizeof entries / sizeof *entries, argc,
				   argv, ret_done, msg);
	if (e || *ret_done)
		return e;
	if (!o->project)
		return err_set(msg, ERR_INVALID, "--project DIR is missing");
	if (o->acknowledged && !o->audit)
		return err_set(msg, ERR_INVALID, "--acknowledged needs --audit");
	return service_start(&o->service, msg);
}

int main(int argc, char **argv)
{
	struct options o = {
	    .service = SERVICE_INIT("freeal-coordinator",
				    "Runs a project's rounds and serves its HTTP interface."),
	    .http = "127.0.0.1:0",
	    .ttr_ms = LEASE_TTR_MS,
	};
	struct err_msg msg = {.text = ""};
	struct coordinator *c = NULL;
	struct auth *auth = NULL;
	bool done = false, good = false;
	enum err e = options_read(argc, argv, &o, &done, &msg);
	if (!e && done)
		return EXIT_CODE_OK;
	if (!e && o.audit) {
		audit_guard(o.service.name, o.project);
		e = coordinator_audit(o.project, o.acknowledged, stdout, &good, &msg);
		return e || good ? service_end(&o.service, e, &msg) : EXIT_CODE_FAILED;
	}
	if (!e && sodium_init() < 0)
		e = err_set(&msg, ERR_IO, "cannot start libsodium");
	if (!e)
		e = auth_load(o.service.key, FREEAL__ROLE__COORDINATOR, &auth, &msg);
	if (!e) {
		struct coordinator_config config = {.task_path = o.task,
						    .project_dir = o.project,
						    .endpoint = o.bind,
						    .selector_endpoint = o.selector,
						    .ttr_ms = (uint32_t)o.ttr_ms,
						    .auth = auth};
		e = coordinator_open(&config, &c, &msg);
	}
	if (!e)
		e = serve(c, &o, &msg);
	coordinator_close(c);
	auth_free(auth);
	return service_end(&o.service, e, &msg);
}
