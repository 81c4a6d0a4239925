/*
 * The selector's one event loop: work from the coordinator, streams from trainers, rows to
 * both, jobs on the job thread. All writing to the store happens here, one commit a
 * turn, and what depends on a commit is sent behind it.
 */
#ifndef FREEAL_SELECTOR_LOOP_H
#define FREEAL_SELECTOR_LOOP_H

#include "base/err.h"
#include "wire/auth.h"

struct loop_config {
	const char *coordinator; /* endpoint to connect to */
	const char *data;	 /* directory of the store */
	const char *bind;	 /* endpoint that trainers connect to */
	const struct auth *auth; /* keys for both; NULL: ipc:// alone */
};

/* Runs until stop_requested. ERR_OK: asked to stop. */
enum err loop_run(const struct loop_config *config, struct err_msg *msg) WARN_UNUSED;

#endif
