/* libs: wire base auth_bench.c worker_peers.c */
/* Network sockets let in the listed keys alone, and a good peer is served all the while. */
#include "auth_bench.h"
#include "wire/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

static struct socket *client_connect(struct bench *b, const struct auth *auth)
{
	struct socket *s;
	struct err_msg msg = {0};
	if (socket_connect(b->zmq_clients, b->endpoint, auth, FREEAL__ROLE__COORDINATOR, &s,
			   &msg) != ERR_OK)
		fail_msg("%s", msg.text);
	return s;
}

/* The server reads what there is. */
static void router_drain(struct bench *b)
{
	struct frame *f;
	struct err_msg msg;
	while (socket_receive(b->router, &b->from, &f, &msg) == ERR_OK) {
		b->message_count++;
		frame_free(f);
	}
}

/* A good client's message comes through within some seconds. */
static void message_pass(struct bench *b, struct socket *client, Freeal__Role role)
{
	uint64_t end_ms = now() + 15000;
	int before = b->message_count;
	struct peer_id from;
	struct frame *f;
	struct err_msg msg;
	bool sent = false;
	while (b->message_count == before) {
		assert_true(now() < end_ms);
		sent = sent || hello_send(client, role) == ERR_OK;
		assert_int_equal(socket_receive(client, &from, &f, &msg), ERR_AGAIN);
		(void)zmq_poll(NULL, 0, 5);
		router_drain(b);
	}
	assert_int_equal(b->message_count, before + 1);
	assert_int_equal(b->from.role, role);
}

static void a_listed_key_comes_in_with_its_role(void **state)
{
	struct bench *b = *state;
	router_bind(b, "tcp://*:*");
	assert_non_null(strstr(b->endpoint, "tcp://0.0.0.0:"));
	struct socket *annotator = client_connect(b, b->annotator);
	struct socket *trainer = client_connect(b, b->trainer);
	message_pass(b, annotator, FREEAL__ROLE__ANNOTATOR);
	message_pass(b, trainer, FREEAL__ROLE__TRAINER);
	message_pass(b, annotator, FREEAL__ROLE__ANNOTATOR);
	assert_false(socket_down(annotator));
	/* The start's own stranger is not told. */
	struct gate_refusals r;
	assert_false(gate_refusals(socket_gate(b->router), now(), &r));
	socket_free(annotator);
	socket_free(trainer);
}

/* ipc:// is plain, with or without keys; a network socket wants them. */
static void a_network_socket_needs_a_key(void **state)
{
	struct bench *b = *state;
	struct socket *s;
	struct err_msg msg;
	char endpoint[128];
	assert_int_equal(socket_bind(b->zmq, "tcp://127.0.0.1:*", NULL, &s, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "--key FILE"));
	assert_non_null(strstr(msg.text, "freeal keys"));
	assert_int_equal(
	    socket_connect(b->zmq, "tcp://127.0.0.1:1", NULL, FREEAL__ROLE__COORDINATOR, &s, &msg),
	    ERR_INVALID);
	assert_non_null(strstr(msg.text, "--key FILE"));
	/* The annotator's key doesn't name a selector, and lists no clients. */
	assert_int_equal(socket_connect(b->zmq, "tcp://127.0.0.1:1", b->annotator,
					FREEAL__ROLE__SELECTOR, &s, &msg),
			 ERR_INVALID);
	assert_int_equal(socket_bind(b->zmq, "tcp://127.0.0.1:*", b->annotator, &s, &msg),
			 ERR_INVALID);
	static const char *const bad[] = {
	    "",		 "127.0.0.1:7001", "tcp://host",    "tcp://:1",
	    "tcp://*:x", "tcp://*:65536",  "tcp://*:7001 ", "tcp://*:",
	    "udp://h:1", "tcp://*:123456"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(socket_bind(b->zmq, bad[i], b->server, &s, &msg), ERR_INVALID);
		assert_non_null(strstr(msg.text, "is no endpoint"));
	}
	snprintf(endpoint, sizeof endpoint, "ipc://%s/socket", b->dir);
	assert_int_equal(socket_bind(b->zmq, endpoint, b->server, &s, &msg), ERR_OK);
	assert_null(socket_gate(s));
	socket_free(s);
}

/* The self-test fails on a CURVE server that lets everybody in. */
static void the_start_notices_an_open_door(void **state)
{
	struct bench *b = *state;
	struct err_msg msg = {0};
	char endpoint[256];
	size_t size = sizeof endpoint;
	int on = 1, linger_ms = 0;
	router_bind(b, "tcp://127.0.0.1:*");
	assert_int_equal(gate_test(socket_gate(b->router), b->endpoint, &msg), ERR_OK);
	void *open = zmq_socket(b->zmq_clients, ZMQ_ROUTER);
	zmq_setsockopt(open, ZMQ_CURVE_SERVER, &on, sizeof on);
	zmq_setsockopt(open, ZMQ_CURVE_SECRETKEY, auth_secret(b->server), AUTH_KEY_BYTES);
	zmq_setsockopt(open, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
	assert_int_equal(zmq_bind(open, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(zmq_getsockopt(open, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
	assert_int_equal(gate_test(socket_gate(b->router), endpoint, &msg), ERR_IO);
	assert_non_null(strstr(msg.text, "not listed"));
	zmq_close(open);
}

/* Waits until the gate tells of somebody. Its clock runs faster here. */
static struct gate_refusals refusals_wait(struct bench *b, uint64_t *time_ms)
{
	struct gate_refusals r = {0}, more;
	uint64_t end_ms = now() + 10000;
	*time_ms += GATE_TELL_MS;
	while (!gate_refusals(socket_gate(b->router), *time_ms, &r)) {
		assert_true(now() < end_ms);
		(void)zmq_poll(NULL, 0, 2);
	}
	/* Not again before its time. */
	assert_false(gate_refusals(socket_gate(b->router), *time_ms + GATE_TELL_MS - 1, &more));
	return r;
}

/* D3: strangers of all kinds reach no code of ours; the good peer is served meanwhile; what is
 * said about them is little. */
static void strangers_are_refused(void **state)
{
	struct bench *b = *state;
	void *strangers[STRANGER_COUNT];
	uint64_t time_ms = now(), count = 0;
	router_bind(b, "tcp://127.0.0.1:*");
	struct socket *good = client_connect(b, b->annotator);
	struct auth *other = auth_make(FREEAL__ROLE__COORDINATOR);
	const uint8_t *keys[] = {auth_public(b->server), NULL, auth_public(other)};
	const char *reasons[] = {"127.0.0.1 has a key that is not listed", "not encrypted",
				 "not encrypted"};
	message_pass(b, good, FREEAL__ROLE__ANNOTATOR);
	for (int i = 0; i < STRANGER_COUNT; i++) {
		strangers[i] = stranger_make(b, keys[i % 3]);
		if (i < 3) {
			struct gate_refusals r = refusals_wait(b, &time_ms);
			assert_non_null(strstr(r.last.text, reasons[i]));
			count += r.count;
		}
		message_pass(b, good, FREEAL__ROLE__ANNOTATOR);
	}
	while (count < STRANGER_COUNT)
		count += refusals_wait(b, &time_ms).count;
	message_pass(b, good, FREEAL__ROLE__ANNOTATOR);
	for (int i = 0; i < STRANGER_COUNT; i++)
		zmq_close(strangers[i]);
	auth_free(other);
	socket_free(good);
}

static int raw_connect(struct bench *b)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	at.sin_port = htons((uint16_t)atoi(strrchr(b->endpoint, ':') + 1));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

/* D4: a peer that speaks ZMTP without encryption and sends a message without an end is cut off
 * before its frames are kept, and connections that say nothing are let go. */
static void raw_connections_are_let_go(void **state)
{
	static const unsigned char greeting[64] = {0xff, 0,    0, 0, 0,	  0,   0,   0,
						   1,	 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
	static const unsigned char frame[1 << 16] = {3, 0, 0,	 0,   0,
						     0, 0, 0xff, 0xf7}; /* long, more */
	struct bench *b = *state;
	struct timeval patience = {.tv_sec = 20};
	int idle[100];
	char byte[4096];
	router_bind(b, "tcp://127.0.0.1:*");
	struct socket *good = client_connect(b, b->annotator);
	message_pass(b, good, FREEAL__ROLE__ANNOTATOR);
	for (int i = 0; i < 100; i++)
		idle[i] = raw_connect(b);
	int fd = raw_connect(b);
	assert_int_equal(send(fd, greeting, sizeof greeting, 0), sizeof greeting);
	size_t sent = 0;
	while (sent < (64u << 20) && send(fd, frame, sizeof frame, MSG_NOSIGNAL) > 0)
		sent += sizeof frame;
	assert_in_range(sent, 0, 16 << 20); /* what the kernel's buffers took */
	close(fd);
	message_pass(b, good, FREEAL__ROLE__ANNOTATOR);
	for (int i = 0; i < 100; i++) {
		setsockopt(idle[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		ssize_t n = 1;
		while (n > 0) /* its greeting, then the end */
			n = recv(idle[i], byte, sizeof byte, 0);
		assert_true(n == 0 || errno == ECONNRESET);
		close(idle[i]);
	}
	message_pass(b, good, FREEAL__ROLE__ANNOTATOR);
	socket_free(good);
}

/* A key that is listed later comes in without a restart of either side; one that is not listed
 * any more doesn't come in again. */
static void the_list_is_read_again(void **state)
{
	struct bench *b = *state;
	struct auth *late = auth_make(FREEAL__ROLE__ANNOTATOR), *list;
	struct err_msg msg;
	struct gate_refusals r;
	struct frame *f;
	auth_server_set(late, b->server);
	router_bind(b, "tcp://127.0.0.1:*");
	struct socket *client = client_connect(b, late);
	uint64_t end_ms = now() + 5000;
	while (!socket_down(client)) {
		assert_true(now() < end_ms);
		assert_int_equal(socket_receive(client, &b->from, &f, &msg), ERR_AGAIN);
		(void)zmq_poll(NULL, 0, 5);
	}
	assert_false(socket_notice(client, 1000, &msg));
	assert_true(socket_notice(client, 60000, &msg));
	assert_non_null(strstr(msg.text, "refuses this key"));
	assert_false(socket_notice(client, 60001, &msg));

	assert_int_equal(auth_load(b->path, FREEAL__ROLE__COORDINATOR, &list, &msg), ERR_OK);
	assert_int_equal(auth_client_put(list, late, ""), ERR_OK); /* in place of the first */
	assert_int_equal(auth_save(list, b->path, &msg), ERR_OK);
	message_pass(b, client, FREEAL__ROLE__ANNOTATOR);

	struct socket *revoked = client_connect(b, b->annotator);
	end_ms = now() + 5000;
	while (!socket_down(revoked)) {
		assert_true(now() < end_ms);
		assert_int_equal(socket_receive(revoked, &b->from, &f, &msg), ERR_AGAIN);
		(void)zmq_poll(NULL, 0, 5);
	}
	assert_true(gate_refusals(socket_gate(b->router), now(), &r));

	/* A list that is broken leaves the last good one in force. */
	FILE *broken = fopen(b->path, "w");
	fputs("role coordinator\nclient x\n", broken);
	fclose(broken);
	struct socket *again = client_connect(b, late);
	message_pass(b, again, FREEAL__ROLE__ANNOTATOR);
	assert_true(gate_refusals(socket_gate(b->router), now() + GATE_TELL_MS, &r));
	assert_non_null(strstr(r.last.text, ":2: expected"));
	socket_free(client);
	socket_free(revoked);
	socket_free(again);
	auth_free(list);
	auth_free(late);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_make, bench_free)
	const struct CMUnitTest tests[] = {
	    TEST(a_listed_key_comes_in_with_its_role), TEST(a_network_socket_needs_a_key),
	    TEST(the_start_notices_an_open_door),      TEST(strangers_are_refused),
	    TEST(raw_connections_are_let_go),	       TEST(the_list_is_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
