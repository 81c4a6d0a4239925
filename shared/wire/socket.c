#include "wire/socket.h"

#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Without it, and without a ZAP handler, libzmq lets any key in. Older headers don't have it. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif
#define ZAP_DOMAIN "freeal"

struct socket {
	void *zmq;
	bool router;
	uint64_t message_id; /* of the last message sent */
};

bool peer_id_equal(const struct peer_id *a, const struct peer_id *b)
{
	return a->size == b->size && a->role == b->role && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static enum err socket_new(void *context, int type, struct socket **ret_socket, struct err_msg *msg)
{
	struct socket *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a socket");
	s->zmq = zmq_socket(context, type);
	s->router = type == ZMQ_ROUTER;
	if (!s->zmq) {
		free(s);
		return err_set(msg, ERR_IO, "cannot make a socket: %s", zmq_strerror(errno));
	}
	int hwm = SOCKET_HWM, linger_ms = 1000, on = 1;
	int reconnect_ms = 50, reconnect_max_ms = 2000, handshake_ms = 5000;
	int64_t frame_max = FRAME_BYTES_MAX;
	(void)zmq_setsockopt(s->zmq, ZMQ_SNDHWM, &hwm, sizeof hwm);
	(void)zmq_setsockopt(s->zmq, ZMQ_RCVHWM, &hwm, sizeof hwm);
	(void)zmq_setsockopt(s->zmq, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
	(void)zmq_setsockopt(s->zmq, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
	(void)zmq_setsockopt(s->zmq, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof reconnect_ms);
	(void)zmq_setsockopt(s->zmq, ZMQ_RECONNECT_IVL_MAX, &reconnect_max_ms,
			     sizeof reconnect_max_ms);
	(void)zmq_setsockopt(s->zmq, ZMQ_HANDSHAKE_IVL, &handshake_ms, sizeof handshake_ms);
	if (s->router)
		(void)zmq_setsockopt(s->zmq, ZMQ_ROUTER_MANDATORY, &on, sizeof on);
	*ret_socket = s;
	return ERR_OK;
}

static bool endpoint_plain(const char *endpoint)
{
	return strncmp(endpoint, "ipc://", 6) == 0 || strncmp(endpoint, "inproc://", 9) == 0;
}

static enum err key_missing(const char *endpoint, struct err_msg *msg)
{
	return err_set(msg, ERR_INVALID,
		       "%s: a network socket needs a key: give --key FILE or set FREEAL_KEY "
		       "(`freeal keys DIR` makes key files)",
		       endpoint);
}

/* ROUTER: only the listed keys, which the ZAP handler knows, come in. */
static enum err server_secure(struct socket *s, const struct auth *auth, struct err_msg *msg)
{
	int on = 1;
	if (zmq_setsockopt(s->zmq, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) != 0 ||
	    zmq_setsockopt(s->zmq, ZMQ_ZAP_ENFORCE_DOMAIN, &on, sizeof on) != 0 ||
	    zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVER, &on, sizeof on) != 0 ||
	    zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, auth_secret(auth), AUTH_KEY_BYTES) != 0)
		return err_set(msg, ERR_IO, "cannot encrypt: %s", zmq_strerror(errno));
	return ERR_OK;
}

static enum err client_secure(struct socket *s, const struct auth *auth, Freeal__Role server,
			      struct err_msg *msg)
{
	const uint8_t *key = auth_server(auth, server);
	if (!key)
		return err_set(msg, ERR_INVALID, "%s has no `server %s` line", auth_path(auth),
			       auth_role_name(server));
	if (zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVERKEY, key, AUTH_KEY_BYTES) != 0 ||
	    zmq_setsockopt(s->zmq, ZMQ_CURVE_PUBLICKEY, auth_public(auth), AUTH_KEY_BYTES) != 0 ||
	    zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, auth_secret(auth), AUTH_KEY_BYTES) != 0)
		return err_set(msg, ERR_IO, "cannot encrypt: %s", zmq_strerror(errno));
	return ERR_OK;
}

enum err socket_bind(void *context, const char *endpoint, const struct auth *auth,
		     struct socket **ret_socket, struct err_msg *msg)
{
	struct socket *s;
	bool plain = endpoint_plain(endpoint);
	if (!plain && !auth)
		return key_missing(endpoint, msg);
	enum err e = socket_new(context, ZMQ_ROUTER, &s, msg);
	if (e)
		return e;
	if (!plain)
		e = server_secure(s, auth, msg);
	if (!e && zmq_bind(s->zmq, endpoint) != 0)
		e = err_set(msg, ERR_IO, "cannot bind %s: %s", endpoint, zmq_strerror(errno));
	if (e)
		socket_free(s);
	else
		*ret_socket = s;
	return e;
}

enum err socket_connect(void *context, const char *endpoint, const struct auth *auth,
			Freeal__Role server, struct socket **ret_socket, struct err_msg *msg)
{
	struct socket *s;
	bool plain = endpoint_plain(endpoint);
	if (!plain && !auth)
		return key_missing(endpoint, msg);
	enum err e = socket_new(context, ZMQ_DEALER, &s, msg);
	if (e)
		return e;
	if (!plain)
		e = client_secure(s, auth, server, msg);
	if (!e && zmq_connect(s->zmq, endpoint) != 0)
		e = err_set(msg, ERR_INVALID, "cannot connect to %s: %s", endpoint,
			    zmq_strerror(errno));
	if (e)
		socket_free(s);
	else
		*ret_socket = s;
	return e;
}

void socket_free(struct socket *s)
{
	if (!s)
		return;
	(void)zmq_close(s->zmq);
	free(s);
}

int socket_fd(const struct socket *s)
{
	int fd = -1;
	size_t size = sizeof fd;
	(void)zmq_getsockopt(s->zmq, ZMQ_FD, &fd, &size);
	return fd;
}

void *socket_zmq(const struct socket *s)
{
	return s->zmq;
}

static enum err send_error(void)
{
	switch (errno) {
	case EAGAIN:
		return ERR_AGAIN;
	case EHOSTUNREACH:
		return ERR_NOT_FOUND;
	default:
		return ERR_IO;
	}
}

enum err socket_send(struct socket *s, const struct peer_id *to, Freeal__Envelope *e)
{
	e->major = WIRE_MAJOR;
	e->minor = WIRE_MINOR;
	e->message_id = ++s->message_id;
	size_t size = freeal__envelope__get_packed_size(e);
	if (size > FRAME_BYTES_MAX)
		return ERR_LIMIT;
	zmq_msg_t message;
	if (zmq_msg_init_size(&message, size) != 0)
		return ERR_NO_MEMORY;
	(void)freeal__envelope__pack(e, zmq_msg_data(&message));
	/* With mandatory routing the identity frame is where a ROUTER refuses. */
	if (s->router && zmq_send(s->zmq, to->bytes, to->size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
		enum err code = send_error();
		(void)zmq_msg_close(&message);
		return code;
	}
	if (zmq_msg_send(&message, s->zmq, ZMQ_DONTWAIT) < 0) {
		enum err code = send_error();
		(void)zmq_msg_close(&message);
		return code;
	}
	return ERR_OK;
}

/* Reads the rest of a message of the wrong number of frames. */
static void socket_skip(struct socket *s)
{
	int more = 1;
	size_t size = sizeof more;
	while (zmq_getsockopt(s->zmq, ZMQ_RCVMORE, &more, &size) == 0 && more) {
		zmq_msg_t part;
		(void)zmq_msg_init(&part);
		int n = zmq_msg_recv(&part, s->zmq, ZMQ_DONTWAIT);
		(void)zmq_msg_close(&part);
		if (n < 0)
			break;
	}
}

/* The ZAP handler gives a connection its role as the user's id. */
static unsigned char message_role(zmq_msg_t *part)
{
	const char *user = zmq_msg_gets(part, "User-Id");
	return user ? (unsigned char)auth_role_parse(user) : FREEAL__ROLE__ROLE_NONE;
}

enum err socket_receive(struct socket *s, struct peer_id *ret_from, struct frame **ret_frame,
			struct err_msg *msg)
{
	struct peer_id from = {0};
	zmq_msg_t part;
	(void)zmq_msg_init(&part);
	if (zmq_msg_recv(&part, s->zmq, ZMQ_DONTWAIT) < 0) {
		(void)zmq_msg_close(&part);
		return ERR_AGAIN;
	}
	bool well_formed = true;
	if (s->router) {
		size_t size = zmq_msg_size(&part);
		well_formed = size <= PEER_ID_BYTES_MAX && zmq_msg_more(&part);
		if (well_formed) {
			from.size = (unsigned char)size;
			memcpy(from.bytes, zmq_msg_data(&part), size);
			well_formed = zmq_msg_recv(&part, s->zmq, ZMQ_DONTWAIT) >= 0;
		}
		from.role = message_role(&part);
	}
	*ret_from = from;
	if (!well_formed || zmq_msg_more(&part)) {
		(void)zmq_msg_close(&part);
		socket_skip(s);
		return err_set(msg, ERR_PROTOCOL, "a message has the wrong number of frames");
	}
	enum err e = frame_unpack(zmq_msg_data(&part), zmq_msg_size(&part), ret_frame, msg);
	(void)zmq_msg_close(&part);
	return e;
}
