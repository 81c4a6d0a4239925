/*
 * Serving a checkpoint: a ROUTER that answers PredictRequest with PredictReply. What
 * `freeal predict` talks to.
 */
#ifndef FREEAL_TRAINER_SERVE_H
#define FREEAL_TRAINER_SERVE_H

#include "base/err.h"
#include "wire/auth.h"

#include <stdint.h>

/* Runs until stop_requested. ERR_OK: asked to stop. `auth` as in socket_bind. */
enum err serve_run(const char *model_dir, uint32_t thread_count, const char *endpoint,
		   const struct auth *auth, struct err_msg *msg) WARN_UNUSED;

#endif
