/*
 * A coordinator to talk to: one that runs elsewhere, the one that runs on the project
 * already, or one that is started on it for the length of the command, with workers where
 * wanted.
 */
#ifndef FREEAL_CLI_SESSION_H
#define FREEAL_CLI_SESSION_H

#include "base/err.h"
#include "cli/client.h"
#include "config/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANNOTATORS_MAX 32

struct session;

struct session_options {
	/* HOST:PORT of a coordinator that runs elsewhere: nothing is started, and nothing below
	 * but `patient` counts. NULL: that of the project's folder. */
	const char *server;
	const char *token_file; /* for the server; NULL: /healthz alone answers */
	bool patient;		/* waits until the server answers, and says so */
	const char *project;	/* its folder */
	const char *task;	/* task file; NULL: the project's own copy */
	const char *log_level;	/* of the services */
	/* The session must be the one that starts the services: ERR_BUSY where
	 * another command runs them. */
	bool own;
	bool create; /* make the project's folder where there is none */
};

/* What the options point to is borrowed. ERR_INVALID where there is no project or no token;
 * ERR_AGAIN where no server answers; else what the coordinator said when it could not start. */
enum err session_open(const struct session_options *options, struct session **ret_session,
		      struct err_msg *msg) WARN_UNUSED;
/* Starts selector, trainer and annotators; only in a session that owns the services. */
enum err session_start_workers(struct session *s, unsigned annotators,
			       struct err_msg *msg) WARN_UNUSED;
/* Stops what it started. */
void session_close(struct session *s);

bool session_owns(const struct session *s);
uint64_t session_now_ms(const struct session *s);

/* Waits and looks after the children. ERR_CANCELLED: told to stop; other errors:
 * a child can't go on. */
enum err session_wait(struct session *s, int wait_ms, struct err_msg *msg) WARN_UNUSED;

/* As client_json, but patient: asks again while the coordinator is being restarted, and runs
 * one itself where the command that ran it has ended. */
enum err session_json(struct session *s, const char *path, const void *body, size_t size,
		      json_t **ret_json, struct err_msg *msg) WARN_UNUSED;
/* The task file at `path`, or where it is NULL the project's own. */
enum err session_task(struct session *s, const char *path, struct task **ret_task,
		      struct err_msg *msg) WARN_UNUSED;
/* As client_stream, once. */
enum err session_stream(struct session *s, const char *path, client_data_fn *data, void *context,
			struct err_msg *msg) WARN_UNUSED;

#endif
