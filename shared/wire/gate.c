#include "wire/gate.h"

#include "wire/monitor.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

/* Older headers don't have it; the libraries do. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_DOMAIN "freeal"
#define ZAP_VERSION "1.0"
#define TEST_MS 5000

struct gate {
	void *context;
	const struct auth *auth;
	struct auth *fresh;	 /* the list read again; NULL: it is `auth`'s */
	struct auth *tester;	 /* the key of the test */
	void *zap;		 /* REP: the thread's */
	struct monitor *monitor; /* of the socket: the thread's */
	int stop_fd;
	pthread_t thread;
	bool running;

	pthread_mutex_t mutex; /* over what follows */
	struct gate_refusals refusals;
	uint64_t tell_due_ms;
};

/* The frames of a request, in their order. */
enum part { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS, PART_COUNT };

struct request {
	struct {
		size_t size;
		char bytes[256]; /* and a NUL */
	} parts[PART_COUNT];
};

void gate_note(struct gate *g, const char *reason)
{
	(void)pthread_mutex_lock(&g->mutex);
	g->refusals.count++;
	(void)snprintf(g->refusals.last.text, sizeof g->refusals.last.text, "%s", reason);
	(void)pthread_mutex_unlock(&g->mutex);
}

bool gate_refusals(struct gate *g, uint64_t now_ms, struct gate_refusals *ret_refusals)
{
	(void)pthread_mutex_lock(&g->mutex);
	bool tell = g->refusals.count > 0 && now_ms >= g->tell_due_ms;
	if (tell) {
		*ret_refusals = g->refusals;
		g->refusals.count = 0;
		g->tell_due_ms = now_ms + GATE_TELL_MS;
	}
	(void)pthread_mutex_unlock(&g->mutex);
	return tell;
}

/* Takes the file's new list; a broken file, or one with another pair, changes nothing. */
static void list_refresh(struct gate *g)
{
	const struct auth *now = g->fresh ? g->fresh : g->auth;
	struct auth *fresh;
	struct err_msg msg;
	if (!auth_changed(now))
		return;
	if (auth_load(auth_path(now), auth_role(now), &fresh, &msg) != ERR_OK) {
		gate_note(g, msg.text);
		return;
	}
	if (memcmp(auth_public(fresh), auth_public(now), AUTH_KEY_BYTES) != 0) {
		auth_free(fresh);
		gate_note(g, "the key file holds another pair now: restart");
		return;
	}
	auth_free(g->fresh);
	g->fresh = fresh;
}

/* False: not of the form that libzmq sends. */
static bool request_receive(void *zap, struct request *r)
{
	int more = 1;
	size_t count = 0, option_size = sizeof more;
	bool fits = true;
	for (; more; count++) {
		char waste[1];
		bool known = count < PART_COUNT;
		char *at = known ? r->parts[count].bytes : waste;
		size_t room = known ? sizeof r->parts[count].bytes - 1 : 0;
		int n = zmq_recv(zap, at, room, ZMQ_DONTWAIT);
		if (n < 0)
			return false;
		fits = fits && (size_t)n <= room;
		if (known) {
			r->parts[count].size = (size_t)n <= room ? (size_t)n : room;
			r->parts[count].bytes[r->parts[count].size] = '\0';
		}
		if (zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &option_size) != 0)
			return false;
	}
	return fits && count == PART_COUNT && strcmp(r->parts[VERSION].bytes, ZAP_VERSION) == 0 &&
	       strcmp(r->parts[DOMAIN].bytes, ZAP_DOMAIN) == 0 &&
	       strcmp(r->parts[MECHANISM].bytes, "CURVE") == 0 &&
	       r->parts[CREDENTIALS].size == AUTH_KEY_BYTES;
}

static void reply_send(void *zap, const struct request *r, Freeal__Role role)
{
	const char *code = role ? "200" : "400", *text = role ? "OK" : "this key is not listed";
	const char *user = role ? auth_role_name(role) : "";
	/* A handshake without its answer fails, so there is nothing to do about errors. */
	(void)zmq_send(zap, ZAP_VERSION, strlen(ZAP_VERSION), ZMQ_SNDMORE);
	(void)zmq_send(zap, r->parts[REQUEST_ID].bytes, r->parts[REQUEST_ID].size, ZMQ_SNDMORE);
	(void)zmq_send(zap, code, strlen(code), ZMQ_SNDMORE);
	(void)zmq_send(zap, text, strlen(text), ZMQ_SNDMORE);
	(void)zmq_send(zap, user, strlen(user), ZMQ_SNDMORE);
	(void)zmq_send(zap, "", 0, 0);
}

static void request_answer(struct gate *g)
{
	struct request r = {0};
	Freeal__Role role = FREEAL__ROLE__ROLE_NONE;
	if (request_receive(g->zap, &r)) {
		list_refresh(g);
		const uint8_t *key = (const uint8_t *)r.parts[CREDENTIALS].bytes;
		role = auth_client(g->fresh ? g->fresh : g->auth, key);
		if (!role && memcmp(key, auth_public(g->tester), AUTH_KEY_BYTES) != 0) {
			char reason[256];
			(void)snprintf(reason, sizeof reason, "%.100s has a key that is not listed",
				       r.parts[ADDRESS].bytes);
			gate_note(g, reason);
		}
	}
	reply_send(g->zap, &r, role);
}

/* Handshakes that ended before their key was known. */
static void events_take(struct gate *g)
{
	struct monitor_event event;
	while (monitor_next(g->monitor, &event)) {
		if (event.number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
		    event.number == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
			gate_note(g, "a connection that was not encrypted for this key");
	}
}

static void *gate_main(void *context)
{
	struct gate *g = context;
	zmq_pollitem_t items[3] = {
	    {.fd = g->stop_fd, .events = ZMQ_POLLIN},
	    {.socket = g->zap, .events = ZMQ_POLLIN},
	    {.socket = monitor_zmq(g->monitor), .events = ZMQ_POLLIN},
	};
	while (!(items[0].revents & ZMQ_POLLIN)) {
		if (zmq_poll(items, 3, -1) < 0) {
			if (errno != EINTR)
				break;
			continue;
		}
		if (items[1].revents & ZMQ_POLLIN)
			request_answer(g);
		if (items[2].revents & ZMQ_POLLIN)
			events_take(g);
	}
	return NULL;
}

/* The key of the test is made, the ROUTER is a CURVE server that asks the thread. */
static enum err router_secure(struct gate *g, void *router, struct err_msg *msg)
{
	int on = 1;
	enum err e = auth_new(FREEAL__ROLE__ANNOTATOR, &g->tester, msg);
	if (e)
		return e;
	if (zmq_setsockopt(router, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) != 0 ||
	    zmq_setsockopt(router, ZMQ_ZAP_ENFORCE_DOMAIN, &on, sizeof on) != 0 ||
	    zmq_setsockopt(router, ZMQ_CURVE_SERVER, &on, sizeof on) != 0 ||
	    zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, auth_secret(g->auth), AUTH_KEY_BYTES) != 0)
		return err_set(msg, ERR_IO, "cannot encrypt: %s", zmq_strerror(errno));
	return ERR_OK;
}

static enum err thread_start(struct gate *g, void *router, struct err_msg *msg)
{
	g->zap = zmq_socket(g->context, ZMQ_REP);
	int linger_ms = 0;
	if (!g->zap || zmq_setsockopt(g->zap, ZMQ_LINGER, &linger_ms, sizeof linger_ms) != 0 ||
	    zmq_bind(g->zap, ZAP_ENDPOINT) != 0)
		return err_set(msg, ERR_IO, "cannot check keys: %s", zmq_strerror(errno));
	enum err e =
	    monitor_new(g->context, router,
			ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL,
			&g->monitor, msg);
	if (e)
		return e;
	g->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Signals are for the main thread: here they would cut an answer in two. */
	sigset_t all, before;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = g->stop_fd < 0 ? errno : pthread_create(&g->thread, NULL, gate_main, g);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code)
		return err_set(msg, ERR_IO, "cannot start a thread: %s", strerror(code));
	g->running = true;
	return ERR_OK;
}

enum err gate_open(void *context, void *zmq_socket, const struct auth *auth, struct gate **ret_gate,
		   struct err_msg *msg)
{
	if (auth_client_count(auth) == 0)
		return err_set(msg, ERR_INVALID, "%s lists no clients, so nobody could connect",
			       auth_path(auth));
	struct gate *g = calloc(1, sizeof *g);
	if (!g)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a gate");
	g->context = context;
	g->auth = auth;
	g->stop_fd = -1;
	(void)pthread_mutex_init(&g->mutex, NULL);
	enum err e = router_secure(g, zmq_socket, msg);
	if (!e)
		e = thread_start(g, zmq_socket, msg);
	if (e)
		gate_close(g);
	else
		*ret_gate = g;
	return e;
}

void gate_close(struct gate *g)
{
	if (!g)
		return;
	if (g->running) {
		uint64_t one = 1;
		ssize_t n;
		do
			n = write(g->stop_fd, &one, sizeof one);
		while (n < 0 && errno == EINTR);
		(void)pthread_join(g->thread, NULL);
	}
	if (g->stop_fd >= 0)
		(void)close(g->stop_fd);
	monitor_free(g->monitor);
	if (g->zap)
		(void)zmq_close(g->zap);
	auth_free(g->fresh);
	auth_free(g->tester);
	(void)pthread_mutex_destroy(&g->mutex);
	free(g);
}

static bool stranger_secure(struct gate *g, void *stranger)
{
	int linger_ms = 0;
	return zmq_setsockopt(stranger, ZMQ_LINGER, &linger_ms, sizeof linger_ms) == 0 &&
	       zmq_setsockopt(stranger, ZMQ_CURVE_SERVERKEY, auth_public(g->auth),
			      AUTH_KEY_BYTES) == 0 &&
	       zmq_setsockopt(stranger, ZMQ_CURVE_PUBLICKEY, auth_public(g->tester),
			      AUTH_KEY_BYTES) == 0 &&
	       zmq_setsockopt(stranger, ZMQ_CURVE_SECRETKEY, auth_secret(g->tester),
			      AUTH_KEY_BYTES) == 0;
}

enum err gate_test(struct gate *g, const char *endpoint, struct err_msg *msg)
{
	const int outcomes = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
	struct monitor *monitor = NULL;
	struct monitor_event event = {0};
	void *stranger = zmq_socket(g->context, ZMQ_DEALER);
	enum err e = ERR_IO;
	if (!stranger || !stranger_secure(g, stranger))
		(void)err_set(msg, e, "cannot test %s: %s", endpoint, zmq_strerror(errno));
	else
		e = monitor_new(g->context, stranger, outcomes, &monitor, msg);
	if (!e && zmq_connect(stranger, endpoint) != 0) {
		e = err_set(msg, ERR_IO, "cannot test %s: %s", endpoint, zmq_strerror(errno));
	} else if (!e) {
		(void)monitor_wait(monitor, TEST_MS, &event);
		if (event.number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
			e = err_set(msg, ERR_IO, "%s lets in a key that is not listed", endpoint);
		else if (event.number == 0)
			e = err_set(msg, ERR_IO,
				    "%s: no proof in %d s that a key that is not listed is refused",
				    endpoint, TEST_MS / 1000);
	}
	monitor_free(monitor);
	if (stranger)
		(void)zmq_close(stranger);
	return e;
}
