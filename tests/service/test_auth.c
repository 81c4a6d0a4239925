/* libs: wire base freeal-coordinator freeal-selector worker_peers.c */
/* Network sockets let in the listed keys alone, and a good peer is served all the while. */
#include "wire/gate.h"
#include "wire/worker.h"
#include "worker_peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define STRANGER_COUNT 30

struct bench {
	char dir[64], path[128], endpoint[256], log[128];
	void *zmq, *zmq_clients; /* as in two processes */
	struct auth *server, *annotator, *trainer;
	struct socket *router;
	pid_t pid;
	int message_count, welcome_count, refused_count;
	struct peer_id from; /* of the last message */
	char refused[256];
};

static struct auth *auth_make(Freeal__Role role)
{
	struct auth *a;
	struct err_msg msg;
	assert_int_equal(auth_new(role, &a, &msg), ERR_OK);
	return a;
}

static int bench_make(void **state)
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

static int bench_free(void **state)
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

static void router_bind(struct bench *b, const char *endpoint)
{
	struct err_msg msg = {0};
	if (socket_bind(b->zmq, endpoint, b->server, &b->router, &msg) != ERR_OK)
		fail_msg("%s", msg.text);
	size_t size = sizeof b->endpoint;
	assert_int_equal(
	    zmq_getsockopt(socket_zmq(b->router), ZMQ_LAST_ENDPOINT, b->endpoint, &size), 0);
}

static struct socket *client_connect(struct bench *b, const struct auth *auth)
{
	struct socket *s;
	struct err_msg msg = {0};
	if (socket_connect(b->zmq_clients, b->endpoint, auth, FREEAL__ROLE__COORDINATOR, &s,
			   &msg) != ERR_OK)
		fail_msg("%s", msg.text);
	return s;
}

static enum err hello_send(struct socket *s, Freeal__Role role)
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

/* Sends a good message without encryption, or with a pair of its own and that server key. */
static void *stranger_make(struct bench *b, const uint8_t *server_key)
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

/* --- the coordinator as a process --- */

static void file_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void log_read(struct bench *b, char *text, size_t size)
{
	FILE *f = fopen(b->log, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
}

/* A port that was free a moment ago. */
static void endpoint_choose(struct bench *b)
{
	router_bind(b, "tcp://127.0.0.1:*");
	socket_free(b->router);
	b->router = NULL;
}

static void coordinator_start(struct bench *b, const char *key)
{
	char project[96], task[96];
	snprintf(project, sizeof project, "%s/project", b->dir);
	snprintf(task, sizeof task, "%s/task.yaml", b->dir);
	file_put(task, "task: t\nlabels: [zero, one]\n"
		       "llm: {url: http://127.0.0.1:1/v1, model: m}\n");
	b->pid = fork();
	if (b->pid == 0) {
		int fd = open(b->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, STDERR_FILENO);
		execl(PROGRAMS "/freeal-coordinator", "freeal-coordinator", "--project", project,
		      "--task", task, "--bind", b->endpoint, "--parent-death",
		      key ? "--key" : (char *)NULL, key, (char *)NULL);
		_exit(127);
	}
}

static void welcome_count_up(void *context, const Freeal__Welcome *welcome)
{
	((struct bench *)context)->welcome_count += welcome->project != NULL;
}

static void lease_fail(void *context, const Freeal__Work *work)
{
	(void)context;
	(void)work;
	fail_msg("a lease without samples");
}

static void refused_keep(void *context, const char *reason)
{
	struct bench *b = context;
	b->refused_count++;
	snprintf(b->refused, sizeof b->refused, "%s", reason);
}

static struct worker *worker_make(struct bench *b, const struct auth *auth, Freeal__Role role)
{
	struct worker_handler handler = {.project = welcome_count_up,
					 .lease = lease_fail,
					 .refused = refused_keep,
					 .context = b};
	struct worker *w;
	struct err_msg msg;
	assert_int_equal(worker_new(b->zmq_clients, b->endpoint, auth, role, &handler, &w, &msg),
			 ERR_OK);
	return w;
}

static void worker_run(struct worker *w, const int *counter, int wanted)
{
	uint64_t end_ms = now() + 20000;
	while (*counter < wanted) {
		zmq_pollitem_t item = {.socket = socket_zmq(worker_socket(w)),
				       .events = ZMQ_POLLIN};
		assert_true(now() < end_ms);
		worker_tick(w, now());
		(void)zmq_poll(&item, 1, 10);
		worker_drain(w);
	}
}

/* D3: a listed key is welcome in its own role alone, and strangers make no noise. */
static void the_coordinator_knows_roles(void **state)
{
	struct bench *b = *state;
	char log[65536];
	void *strangers[STRANGER_COUNT];
	endpoint_choose(b);
	coordinator_start(b, b->path);
	struct worker *good = worker_make(b, b->annotator, FREEAL__ROLE__ANNOTATOR);
	worker_run(good, &b->welcome_count, 1);
	for (int i = 0; i < STRANGER_COUNT; i++)
		strangers[i] = stranger_make(b, i % 2 ? auth_public(b->server) : NULL);

	/* Its own key, another's work. */
	struct worker *liar = worker_make(b, b->annotator, FREEAL__ROLE__TRAINER);
	worker_run(liar, &b->refused_count, 1);
	assert_string_equal(b->refused,
			    "a key of the role annotator is not one of the role trainer");
	worker_run(liar, &b->refused_count, 3); /* it insists */
	assert_int_equal(b->welcome_count, 1);

	struct worker *trainer = worker_make(b, b->trainer, FREEAL__ROLE__TRAINER);
	worker_run(trainer, &b->welcome_count, 2);
	for (int i = 0; i < STRANGER_COUNT; i++)
		zmq_close(strangers[i]);
	worker_free(good);
	worker_free(liar);
	worker_free(trainer);
	assert_int_equal(process_stop(&b->pid, SIGTERM, 5000), 0);
	log_read(b, log, sizeof log);
	int lines = 0, hellos = 0;
	for (char *at = log; (at = strstr(at, " peers_refused ")); at++)
		lines++;
	for (char *at = log; (at = strstr(at, " hello ")); at++)
		hellos++;
	assert_in_range(lines, 1, 3);
	assert_int_equal(hellos, 2);
}

/* Without a key, with another role's, with one that all may read: exit 2 and what to do. */
static void the_coordinator_wants_its_key(void **state)
{
	struct bench *b = *state;
	char log[4096], path[128];
	struct err_msg msg;
	endpoint_choose(b);
	coordinator_start(b, NULL);
	assert_int_equal(process_stop(&b->pid, 0, 10000), 2);
	log_read(b, log, sizeof log);
	assert_non_null(strstr(log, "--key FILE"));
	snprintf(path, sizeof path, "%s/trainer.key", b->dir);
	assert_int_equal(auth_save(b->trainer, path, &msg), ERR_OK);
	coordinator_start(b, path);
	assert_int_equal(process_stop(&b->pid, 0, 10000), 2);
	log_read(b, log, sizeof log);
	assert_non_null(strstr(log, "is the key of the role trainer"));
	assert_int_equal(chmod(b->path, 0644), 0);
	coordinator_start(b, b->path);
	assert_int_equal(process_stop(&b->pid, 0, 10000), 2);
	log_read(b, log, sizeof log);
	assert_non_null(strstr(log, "chmod 600"));
}

/* A list that somebody was added to by hand gives no one the work of a trainer. */
static void the_selector_serves_trainers_alone(void **state)
{
	struct bench *b = *state;
	struct auth *selector = auth_make(FREEAL__ROLE__SELECTOR);
	struct err_msg msg;
	struct frame *f;
	char path[128], data[128];
	snprintf(path, sizeof path, "%s/selector.key", b->dir);
	snprintf(data, sizeof data, "%s/data", b->dir);
	auth_server_set(selector, b->server);
	assert_int_equal(auth_client_put(selector, b->trainer, ""), ERR_OK);
	assert_int_equal(auth_client_put(selector, b->annotator, ""), ERR_OK);
	assert_int_equal(auth_save(selector, path, &msg), ERR_OK);
	auth_server_set(b->annotator, selector);
	auth_server_set(b->trainer, selector);
	auth_free(selector);
	endpoint_choose(b);
	char *const argv[] = {"freeal-selector",
			      "--coordinator",
			      "tcp://127.0.0.1:1",
			      "--data",
			      data,
			      "--bind",
			      b->endpoint,
			      "--key",
			      path,
			      "--log-level",
			      "error",
			      "--parent-death",
			      NULL};
	b->pid = process_start(argv);
	const struct {
		const struct auth *auth;
		Freeal__Envelope__BodyCase answer;
	} clients[] = {{b->annotator, FREEAL__ENVELOPE__BODY_REFUSED},
		       {b->trainer, FREEAL__ENVELOPE__BODY_WELCOME}};
	for (size_t i = 0; i < 2; i++) {
		struct socket *s;
		assert_int_equal(socket_connect(b->zmq_clients, b->endpoint, clients[i].auth,
						FREEAL__ROLE__SELECTOR, &s, &msg),
				 ERR_OK);
		uint64_t end_ms = now() + 15000;
		bool sent = false;
		while (socket_receive(s, &b->from, &f, &msg) != ERR_OK) {
			assert_true(now() < end_ms);
			/* The annotator says that it is a trainer. */
			sent = sent || hello_send(s, FREEAL__ROLE__TRAINER) == ERR_OK;
			(void)zmq_poll(NULL, 0, 5);
		}
		assert_int_equal(frame_envelope(f)->body_case, clients[i].answer);
		frame_free(f);
		socket_free(s);
	}
	assert_int_equal(process_stop(&b->pid, SIGTERM, 5000), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_make, bench_free)
	const struct CMUnitTest tests[] = {
	    TEST(a_listed_key_comes_in_with_its_role), TEST(a_network_socket_needs_a_key),
	    TEST(the_start_notices_an_open_door),      TEST(strangers_are_refused),
	    TEST(raw_connections_are_let_go),	       TEST(the_list_is_read_again),
	    TEST(the_coordinator_knows_roles),	       TEST(the_coordinator_wants_its_key),
	    TEST(the_selector_serves_trainers_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
