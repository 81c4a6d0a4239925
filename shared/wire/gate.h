/*
 * The gate of a network socket: a thread that answers ZeroMQ's authentication requests (ZAP) from
 * the key file's list of clients, and counts those that were turned away. Without it libzmq would
 * let any key in.
 *
 * A context has one gate. The list is read again when its file has changed: a client
 * that was added gets in, one that was removed doesn't get in again.
 */
#ifndef FREEAL_WIRE_GATE_H
#define FREEAL_WIRE_GATE_H

#include "base/err.h"
#include "wire/auth.h"

#include <stdbool.h>
#include <stdint.h>

#define GATE_TELL_MS 10000u

struct gate;

struct gate_refusals {
	uint64_t count;
	struct err_msg last; /* why the last one was turned away */
};

/*
 * Makes `zmq_socket`, a ROUTER that is not bound yet, let in the clients of `auth` alone, and
 * starts the thread. `auth` has to outlive the gate.
 */
enum err gate_open(void *context, void *zmq_socket, const struct auth *auth, struct gate **ret_gate,
		   struct err_msg *msg) WARN_UNUSED;
/* Before the socket is closed. */
void gate_close(struct gate *g);

/* Behind the bind: proves that a key that is not listed is refused at the endpoint. ERR_IO. */
enum err gate_test(struct gate *g, const char *endpoint, struct err_msg *msg) WARN_UNUSED;

/* Counts one more, such as a peer that said another role than its key's. */
void gate_note(struct gate *g, const char *reason);
/* Those since the last time that this said true, which is once
 * in GATE_TELL_MS at most. */
bool gate_refusals(struct gate *g, uint64_t now_ms, struct gate_refusals *ret_refusals);

#endif
