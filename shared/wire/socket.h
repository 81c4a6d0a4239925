/*
 * ZeroMQ sockets with the project's options: bounded queues, bounded frames,
 * mandatory routing, no lingering surprises. A message is one envelope, behind the
 * peer's identity on a ROUTER.
 */
#ifndef FREEAL_WIRE_SOCKET_H
#define FREEAL_WIRE_SOCKET_H

#include "base/err.h"
#include "wire/auth.h"
#include "wire/frame.h"

#include <stdbool.h>

#define PEER_ID_BYTES_MAX 32

/* A peer on a ROUTER: its identity frame, and the role that its key is listed with. */
struct peer_id {
	unsigned char size;
	unsigned char bytes[PEER_ID_BYTES_MAX];
	unsigned char role; /* Freeal__Role; ROLE_NONE: it came without a key (ipc, inproc) */
};

bool peer_id_equal(const struct peer_id *a, const struct peer_id *b);

struct gate;
struct socket;

/*
 * `context` is a zmq context. Both set `msg` when the endpoint can't be used.
 *
 * ipc:// and inproc:// are plain; on any other endpoint both sides prove who they are with the
 * keys of `auth`, which has to outlive the socket, and everything is encrypted. Without `auth` such
 * an endpoint is ERR_INVALID. `server` is the role of the process that is connected to.
 */
enum err socket_bind(void *context, const char *endpoint, const struct auth *auth,
		     struct socket **ret_socket, struct err_msg *msg) WARN_UNUSED;
enum err socket_connect(void *context, const char *endpoint, const struct auth *auth,
			Freeal__Role server, struct socket **ret_socket,
			struct err_msg *msg) WARN_UNUSED;
void socket_free(struct socket *s);

/* Who was turned away from a bound network socket; NULL on others. */
struct gate *socket_gate(const struct socket *s);
/* A connected socket has no connection. */
bool socket_down(const struct socket *s);
/* What the log should say about its connections, `key=value`, at most now and again: why a
 * connected socket has none, who was turned away from a bound one. False: nothing. */
bool socket_notice(struct socket *s, uint64_t now_ms, struct err_msg *ret_notice);

/* For poll: readable when there may be events. Edge-triggered: drain with
 * socket_receive until ERR_AGAIN before waiting, also after sends. */
int socket_fd(const struct socket *s);
void *socket_zmq(const struct socket *s);

/* Packs and sends; never blocks. Version and message id are filled in. `to` is NULL
 * on a connected socket. ERR_AGAIN: its queue is full, or it has no connection (what was queued
 * when a connection broke is gone, so that nothing stale arrives with the next one);
 * ERR_NOT_FOUND: no such peer; ERR_LIMIT: larger than a frame may be. The envelope stays the
 * caller's. */
enum err socket_send(struct socket *s, const struct peer_id *to, Freeal__Envelope *e) WARN_UNUSED;

/* Tells a peer that it is refused. */
void socket_refuse(struct socket *s, const struct peer_id *to, const char *reason);
/* False where the peer's key is listed with another role; then it is refused, and counted
 * by the gate. */
bool socket_admits(struct socket *s, const struct peer_id *from, Freeal__Role role);

/* Next message or ERR_AGAIN; keeps up the connection of a connected socket, too. Malformed ones are
 * counted and returned as ERR_PROTOCOL (or ERR_VERSION) with `ret_from` set. */
enum err socket_receive(struct socket *s, struct peer_id *ret_from, struct frame **ret_frame,
			struct err_msg *msg) WARN_UNUSED;

#endif
