#include "wire/monitor.h"

#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct monitor {
	void *watched;
	void *pair;
};

enum err monitor_new(void *context, void *watched, int events, struct monitor **ret_monitor,
		     struct err_msg *msg)
{
	static atomic_uint count;
	char endpoint[64];
	int linger_ms = 0;
	struct monitor *m = calloc(1, sizeof *m);
	if (!m)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a monitor");
	m->watched = watched;
	(void)snprintf(endpoint, sizeof endpoint, "inproc://monitor-%u",
		       atomic_fetch_add(&count, 1));
	m->pair = zmq_socket(context, ZMQ_PAIR);
	if (!m->pair || zmq_setsockopt(m->pair, ZMQ_LINGER, &linger_ms, sizeof linger_ms) != 0 ||
	    zmq_socket_monitor(watched, endpoint, events) != 0 ||
	    zmq_connect(m->pair, endpoint) != 0) {
		enum err e = err_set(msg, ERR_IO, "cannot watch a socket: %s", zmq_strerror(errno));
		monitor_free(m);
		return e;
	}
	*ret_monitor = m;
	return ERR_OK;
}

void monitor_free(struct monitor *m)
{
	if (!m)
		return;
	/* Events to a pair that is gone would block the I/O thread. */
	(void)zmq_socket_monitor(m->watched, NULL, 0);
	if (m->pair)
		(void)zmq_close(m->pair);
	free(m);
}

void *monitor_zmq(const struct monitor *m)
{
	return m->pair;
}

bool monitor_next(struct monitor *m, struct monitor_event *ret_event)
{
	/* Number and value in one frame, the endpoint in another. */
	unsigned char head[6];
	char endpoint[1];
	if (zmq_recv(m->pair, head, sizeof head, ZMQ_DONTWAIT) != sizeof head)
		return false;
	(void)zmq_recv(m->pair, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
	uint16_t number;
	memcpy(&number, head, sizeof number);
	ret_event->number = number;
	return true;
}

bool monitor_wait(struct monitor *m, uint32_t timeout_ms, struct monitor_event *ret_event)
{
	struct clock clock = clock_system();
	uint64_t until_ms = clock_mono_ms(&clock) + timeout_ms;
	for (;;) {
		if (monitor_next(m, ret_event))
			return true;
		uint64_t now_ms = clock_mono_ms(&clock);
		zmq_pollitem_t item = {.socket = m->pair, .events = ZMQ_POLLIN};
		if (now_ms >= until_ms)
			return false;
		(void)zmq_poll(&item, 1, (long)(until_ms - now_ms));
	}
}
