/*
 * The annotator's one event loop: the bus, the HTTP transfers and the stop signal.
 */
#ifndef FREEAL_ANNOTATOR_LOOP_H
#define FREEAL_ANNOTATOR_LOOP_H

#include "annotator/annotator.h"

/* Runs until the process is asked to stop (ERR_OK) or the coordinator refuses it
 * (ERR_VERSION). Leases that are not done go back. `auth`: the keys of a tcp:// endpoint. */
WARN_UNUSED enum err loop_run(const struct annotator_config *config, const char *coordinator,
			      const struct auth *auth, struct err_msg *msg);

#endif
