#include "wire/socket.h"

#include "base/clock.h"
#include "base/limits.h"
#include "wire/gate.h"
#include "wire/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define REVIVE_MS 5000u
#define OUTAGE_FIRST_MS 5000u
#define OUTAGE_AGAIN_MS 60000u

/* How a connected socket stands with its server. */
enum link {
	LINK_UP,	  /* or on its way for the first time */
	LINK_UNREACHABLE, /* the connection ended, or nobody accepts it */
	LINK_REFUSED,	  /* it doesn't list our key */
	LINK_UNSHAKEN,	  /* the connection ends before keys are exchanged */
};

struct socket {
	void *zmq;
	bool router;
	uint64_t message_id; /* of the last message sent */
	struct gate *gate;   /* of a bound network socket; NULL */

	/* Of a connected socket. */
	struct monitor *monitor;
	char *endpoint;
	enum link link;
	uint32_t retry_count; /* of connecting, since it last worked */
	uint64_t revive_ms;   /* when to connect anew; 0: libzmq does it */
	uint64_t notice_due_ms;
};

bool peer_id_equal(const struct peer_id *a, const struct peer_id *b)
{
	return a->size == b->size && a->role == b->role && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static void option_set(struct socket *s, int option, int value)
{
	(void)zmq_setsockopt(s->zmq, option, &value, sizeof value);
}

static enum err socket_new(void *context, int type, bool plain, struct socket **ret_socket,
			   struct err_msg *msg)
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
	int64_t frame_max = FRAME_BYTES_MAX;
	(void)zmq_setsockopt(s->zmq, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
	option_set(s, ZMQ_SNDHWM, SOCKET_HWM);
	option_set(s, ZMQ_RCVHWM, SOCKET_HWM);
	option_set(s, ZMQ_LINGER, 1000);
	option_set(s, ZMQ_RECONNECT_IVL, 50);
	option_set(s, ZMQ_RECONNECT_IVL_MAX, 500);
	option_set(s, ZMQ_HANDSHAKE_IVL, 5000);
	if (s->router)
		option_set(s, ZMQ_ROUTER_MANDATORY, 1);
	else
		option_set(s, ZMQ_IMMEDIATE, 1);
	if (!plain) {
		/* A network that was cut says nothing. */
		option_set(s, ZMQ_CONNECT_TIMEOUT, 3000);
		option_set(s, ZMQ_HEARTBEAT_IVL, 3000);
		option_set(s, ZMQ_HEARTBEAT_TIMEOUT, 15000);
		option_set(s, ZMQ_HEARTBEAT_TTL, 15000);
	}
	*ret_socket = s;
	return ERR_OK;
}

static bool endpoint_plain(const char *endpoint)
{
	return strncmp(endpoint, "ipc://", 6) == 0 || strncmp(endpoint, "inproc://", 9) == 0;
}

/* libzmq takes some wrong ones silently, and is short about the others. */
static bool address_good(const char *address)
{
	const char *port = strrchr(address, ':');
	if (!port || port == address)
		return false;
	port++;
	size_t digits = strspn(port, "0123456789");
	return strcmp(port, "*") == 0 || (digits > 0 && digits <= 5 && port[digits] == '\0' &&
					  strtol(port, NULL, 10) <= 65535);
}

static enum err endpoint_check(const char *endpoint, const struct auth *auth, struct err_msg *msg)
{
	if (endpoint_plain(endpoint))
		return ERR_OK;
	if (strncmp(endpoint, "tcp://", 6) != 0 || !address_good(endpoint + 6))
		return err_set(msg, ERR_INVALID,
			       "%s is no endpoint: tcp://HOST:PORT or ipc://PATH is expected",
			       endpoint);
	if (auth)
		return ERR_OK;
	return err_set(msg, ERR_INVALID,
		       "%s: a network socket needs a key: give --key FILE or set FREEAL_KEY "
		       "(`freeal keys DIR` makes key files)",
		       endpoint);
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

/* What a wildcard or port 0 became. */
static enum err bind_test(struct socket *s, struct err_msg *msg)
{
	char endpoint[256];
	size_t size = sizeof endpoint;
	if (zmq_getsockopt(s->zmq, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
		return err_set(msg, ERR_IO, "where is it bound: %s", zmq_strerror(errno));
	return gate_test(s->gate, endpoint, msg);
}

enum err socket_bind(void *context, const char *endpoint, const struct auth *auth,
		     struct socket **ret_socket, struct err_msg *msg)
{
	struct socket *s;
	bool plain = endpoint_plain(endpoint);
	enum err e = endpoint_check(endpoint, auth, msg);
	if (e)
		return e;
	e = socket_new(context, ZMQ_ROUTER, plain, &s, msg);
	if (e)
		return e;
	if (!plain)
		e = gate_open(context, s->zmq, auth, &s->gate, msg);
	if (!e && zmq_bind(s->zmq, endpoint) != 0)
		e = err_set(msg, ERR_IO, "cannot bind %s: %s", endpoint, zmq_strerror(errno));
	if (!e && !plain)
		e = bind_test(s, msg);
	if (e)
		socket_free(s);
	else
		*ret_socket = s;
	return e;
}

enum err socket_connect(void *context, const char *endpoint, const struct auth *auth,
			Freeal__Role server, struct socket **ret_socket, struct err_msg *msg)
{
	const int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_RETRIED |
			   ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
			   ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
			   ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
	struct socket *s;
	bool plain = endpoint_plain(endpoint);
	enum err e = endpoint_check(endpoint, auth, msg);
	if (e)
		return e;
	e = socket_new(context, ZMQ_DEALER, plain, &s, msg);
	if (e)
		return e;
	s->endpoint = strdup(endpoint);
	if (!s->endpoint)
		e = err_set(msg, ERR_NO_MEMORY, "no memory for a socket");
	if (!e && !plain)
		e = client_secure(s, auth, server, msg);
	if (!e)
		e = monitor_new(context, s->zmq, events, &s->monitor, msg);
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
	gate_close(s->gate);
	monitor_free(s->monitor);
	(void)zmq_close(s->zmq);
	free(s->endpoint);
	free(s);
}

struct gate *socket_gate(const struct socket *s)
{
	return s->gate;
}

static void event_take(struct socket *s, int event, uint64_t now_ms)
{
	switch (event) {
	case ZMQ_EVENT_CONNECTED:
		s->retry_count = 0;
		s->revive_ms = 0;
		break;
	case ZMQ_EVENT_CONNECT_RETRIED:
		s->revive_ms = 0;
		/* The first one follows each end of a connection. */
		if (++s->retry_count > 1)
			s->link = LINK_UNREACHABLE;
		break;
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		s->link = LINK_UP;
		break;
	case ZMQ_EVENT_DISCONNECTED:
		if (s->link == LINK_UP)
			s->link = LINK_UNREACHABLE;
		s->revive_ms = now_ms + REVIVE_MS;
		break;
	default:
		s->link = event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? LINK_REFUSED : LINK_UNSHAKEN;
		s->revive_ms = now_ms + REVIVE_MS;
		break;
	}
}

/* libzmq gives a connection up for good when the server refuses the key or breaks the
 * protocol. The key may be listed later, so we go on. */
static void link_tend(struct socket *s)
{
	struct monitor_event event;
	struct clock clock = clock_system();
	bool any = monitor_next(s->monitor, &event);
	if (!any && !s->revive_ms)
		return;
	uint64_t now_ms = clock_mono_ms(&clock);
	for (; any; any = monitor_next(s->monitor, &event))
		event_take(s, event.number, now_ms);
	if (s->revive_ms && now_ms >= s->revive_ms) {
		s->revive_ms = now_ms + REVIVE_MS;
		(void)zmq_disconnect(s->zmq, s->endpoint);
		(void)zmq_connect(s->zmq, s->endpoint);
	}
}

bool socket_down(const struct socket *s)
{
	return s->link != LINK_UP;
}

static const char *link_reason(enum link link)
{
	switch (link) {
	case LINK_UP:
		break;
	case LINK_UNREACHABLE:
		return "no connection: is the address right, the service up, the network open?";
	case LINK_REFUSED:
		return "it refuses this key: is it listed in the key file there?";
	case LINK_UNSHAKEN:
		return "the connection is closed at once: is the key file that of this project?";
	}
	return NULL;
}

static bool outage_notice(struct socket *s, uint64_t now_ms, struct err_msg *ret_notice)
{
	if (s->link == LINK_UP) {
		s->notice_due_ms = 0;
		return false;
	}
	if (!s->notice_due_ms)
		s->notice_due_ms = now_ms + OUTAGE_FIRST_MS;
	if (now_ms < s->notice_due_ms)
		return false;
	s->notice_due_ms = now_ms + OUTAGE_AGAIN_MS;
	(void)err_set(ret_notice, ERR_OK, "endpoint=%s reason=\"%s\"", s->endpoint,
		      link_reason(s->link));
	return true;
}

bool socket_notice(struct socket *s, uint64_t now_ms, struct err_msg *ret_notice)
{
	struct gate_refusals r;
	if (!s->gate)
		return outage_notice(s, now_ms, ret_notice);
	if (!gate_refusals(s->gate, now_ms, &r))
		return false;
	(void)err_set(ret_notice, ERR_OK, "count=%llu last=\"%s\"", (unsigned long long)r.count,
		      r.last.text);
	return true;
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

/* A signal interrupts libzmq even where it doesn't wait; half a message must not stay behind, and
 * a socket that is not empty must not look so. */
static int part_send(struct socket *s, zmq_msg_t *part)
{
	int n;
	do
		n = zmq_msg_send(part, s->zmq, ZMQ_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

static int part_receive(struct socket *s, zmq_msg_t *part)
{
	int n;
	do
		n = zmq_msg_recv(part, s->zmq, ZMQ_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

static int identity_send(struct socket *s, const struct peer_id *to)
{
	int n;
	do
		n = zmq_send(s->zmq, to->bytes, to->size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
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
	if (s->router && identity_send(s, to) < 0) {
		enum err code = send_error();
		(void)zmq_msg_close(&message);
		return code;
	}
	if (part_send(s, &message) < 0) {
		enum err code = send_error();
		(void)zmq_msg_close(&message);
		return code;
	}
	return ERR_OK;
}

void socket_refuse(struct socket *s, const struct peer_id *to, const char *reason)
{
	Freeal__Refused body = FREEAL__REFUSED__INIT;
	body.reason = (char *)reason;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_REFUSED;
	e.refused = &body;
	/* Not told, it asks again. */
	err_ignore(socket_send(s, to, &e));
}

bool socket_admits(struct socket *s, const struct peer_id *from, Freeal__Role role)
{
	struct err_msg reason;
	if (!from->role || from->role == role)
		return true;
	(void)err_set(&reason, ERR_PROTOCOL, "a key of the role %s is not one of the role %s",
		      auth_role_name(from->role), auth_role_name(role));
	gate_note(s->gate, reason.text);
	socket_refuse(s, from, reason.text);
	return false;
}

/* Reads the rest of a message of the wrong number of frames. */
static void socket_skip(struct socket *s)
{
	int more = 1;
	size_t size = sizeof more;
	while (zmq_getsockopt(s->zmq, ZMQ_RCVMORE, &more, &size) == 0 && more) {
		zmq_msg_t part;
		(void)zmq_msg_init(&part);
		int n = part_receive(s, &part);
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
	if (part_receive(s, &part) < 0) {
		(void)zmq_msg_close(&part);
		if (s->monitor)
			link_tend(s);
		return ERR_AGAIN;
	}
	bool well_formed = true;
	if (s->router) {
		size_t size = zmq_msg_size(&part);
		well_formed = size <= PEER_ID_BYTES_MAX && zmq_msg_more(&part);
		if (well_formed) {
			from.size = (unsigned char)size;
			memcpy(from.bytes, zmq_msg_data(&part), size);
			well_formed = part_receive(s, &part) >= 0;
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
