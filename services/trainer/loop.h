/*
 * The trainer's one event loop: leases from the coordinator, streams from and to both
 * coordinator and selector, jobs handed to the job threads one at a time.
 */
#ifndef FREEAL_TRAINER_LOOP_H
#define FREEAL_TRAINER_LOOP_H

#include "base/err.h"
#include "wire/auth.h"

#include <stdint.h>

struct loop_config {
	const char *coordinator; /* endpoint */
	const char *data;	 /* directory: a slot for each replica, with the training set's
				  * copy, streams in flight and models */
	uint32_t thread_count;	 /* of a job */
	const struct auth *auth; /* keys for coordinator and selector; NULL: ipc:// alone */
};

/* Runs until stop_requested. ERR_OK: asked to stop. */
enum err loop_run(const struct loop_config *config, struct err_msg *msg) WARN_UNUSED;

#endif
