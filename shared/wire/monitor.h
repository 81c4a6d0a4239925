/*
 * What happens to a socket's connections.
 */
#ifndef FREEAL_WIRE_MONITOR_H
#define FREEAL_WIRE_MONITOR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct monitor;

struct monitor_event {
	int number; /* ZMQ_EVENT_... */
};

/* `events`: which. Its owner has to read them: a monitor that nobody reads stops the socket's
 * connections once some thousand have gathered. */
enum err monitor_new(void *context, void *watched, int events, struct monitor **ret_monitor,
		     struct err_msg *msg) WARN_UNUSED;
/* Before the socket is closed. */
void monitor_free(struct monitor *m);

/* To poll for input. */
void *monitor_zmq(const struct monitor *m);
/* The next event that is there; false: none. */
bool monitor_next(struct monitor *m, struct monitor_event *ret_event);
/* Waits for one. */
bool monitor_wait(struct monitor *m, uint32_t timeout_ms, struct monitor_event *ret_event);

#endif
