/*
 * Stopping on SIGTERM and SIGINT: the one flag of the process, and a file
 * descriptor that becomes readable with it, for poll.
 */
#ifndef FREEAL_BASE_STOP_H
#define FREEAL_BASE_STOP_H

#include "base/err.h"

#include <stdbool.h>

/* Installs the handlers and ignores SIGPIPE. A SIGINT that follows another signal ends the
 * process at once; a further SIGTERM changes nothing. With `parent_death`, the process also
 * gets SIGTERM when its parent dies. */
enum err stop_install(bool parent_death) WARN_UNUSED;
bool stop_requested(void);
int stop_fd(void);
/* As a signal would. */
void stop_request(void);

#endif
