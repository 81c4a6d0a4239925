/*
 * A bench for keys: those of a coordinator that lists an annotator and a trainer, a socket of the
 * coordinator, and strangers.
 */
#ifndef FREEAL_TESTS_AUTH_BENCH_H
#define FREEAL_TESTS_AUTH_BENCH_H

#include "wire/auth.h"
#include "worker_peers.h"

#define STRANGER_COUNT 30

struct bench {
	char dir[64], path[128], endpoint[256], log[128];
	void *zmq, *zmq_clients; /* as in two processes */
	struct auth *server, *annotator, *trainer;
	struct socket *router;
	pid_t pid; /* of the service; 0: not running */
	int message_count, welcome_count, refused_count;
	struct peer_id from; /* of the last message */
	char refused[256];
};

/* For cmocka_unit_test_setup_teardown; *state is the bench. */
int bench_make(void **state);
int bench_free(void **state);

struct auth *auth_make(Freeal__Role role);
/* Makes b->router, with the coordinator's key; b->endpoint becomes where it listens. */
void router_bind(struct bench *b, const char *endpoint);
enum err hello_send(struct socket *s, Freeal__Role role);
/* Sends a good message without encryption, or with a pair of its own and that server key. */
void *stranger_make(struct bench *b, const uint8_t *server_key);

#endif
