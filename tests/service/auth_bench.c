#include "auth_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

struct auth *auth_make(Freeal__Role role)
{
	struct auth *a;
	struct err_msg msg;
	assert_int_equal(auth_new(role, &a, &msg), ERR_OK);
	return a;
}

int bench_make(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	struct err_msg msg;
	*state = b;
	snprintf(b->dir, sizeof b->dir, "/tmp/freeal-test-auth-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->path, sizeof b->path, "%s/coordinator.key", b->dir);
	snprintf(b->log, sizeof b->log, "%s/log", b->dir);
	b->zmq = zmq_ctx_new();
	b->zmq_clients = zmq_ctx_new();
	struct auth *server = auth_make(FREEAL__ROLE__COORDINATOR);
	b->annotator = auth_make(FREEAL__ROLE__ANNOTATOR);
	b->trainer = auth_make(FREEAL__ROLE__TRAINER);
	assert_int_equal(auth_client_put(server, b->annotator, ""), ERR_OK);
	assert_int_equal(auth_client_put(server, b->trainer, ""), ERR_OK);
	auth_server_set(b->annotator, server);
	auth_server_set(b->trainer, server);
	assert_int_equal(auth_save(server, b->path, &msg), ERR_OK);
	auth_free(server);
	assert_int_equal(auth_load(b->path, FREEAL__ROLE__COORDINATOR, &b->server, &msg), ERR_OK);
	return 0;
}

int bench_free(void **state)
{
	struct bench *b = *state;
	process_kill(b->pid);
	socket_free(b->router);
	(void)zmq_ctx_term(b->zmq);
	(void)zmq_ctx_term(b->zmq_clients);
	auth_free(b->server);
	auth_free(b->annotator);
	auth_free(b->trainer);
	int gone = folder_remove(b->dir);
	free(b);
	return gone;
}

void router_bind(struct bench *b, const char *endpoint)
{
	struct err_msg msg = {0};
	if (socket_bind(b->zmq, endpoint, b->server, &b->router, &msg) != ERR_OK)
		fail_msg("%s", msg.text);
	size_t size = sizeof b->endpoint;
	assert_int_equal(
	    zmq_getsockopt(socket_zmq(b->router), ZMQ_LAST_ENDPOINT, b->endpoint, &size), 0);
}

enum err hello_send(struct socket *s, Freeal__Role role)
{
	uint8_t epoch[16] = {1};
	Freeal__Hello hello = FREEAL__HELLO__INIT;
	hello.role = role;
	hello.epoch.data = epoch;
	hello.epoch.len = sizeof epoch;
	hello.version = (char *)"test";
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_HELLO;
	e.hello = &hello;
	return socket_send(s, NULL, &e);
}

void *stranger_make(struct bench *b, const uint8_t *server_key)
{
	void *s = zmq_socket(b->zmq_clients, ZMQ_DEALER);
	int linger_ms = 0;
	assert_non_null(s);
	zmq_setsockopt(s, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
	if (server_key) {
		char public[41], secret[41];
		assert_int_equal(zmq_curve_keypair(public, secret), 0);
		zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, server_key, AUTH_KEY_BYTES);
		zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, public, sizeof public);
		zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
	}
	assert_int_equal(zmq_connect(s, b->endpoint), 0);
	Freeal__Hello hello = FREEAL__HELLO__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	uint8_t bytes[64];
	hello.role = FREEAL__ROLE__ANNOTATOR;
	e.major = WIRE_MAJOR;
	e.body_case = FREEAL__ENVELOPE__BODY_HELLO;
	e.hello = &hello;
	size_t size = freeal__envelope__pack(&e, bytes);
	assert_int_equal(zmq_send(s, bytes, size, 0), (int)size);
	return s;
}
