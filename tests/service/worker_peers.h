/*
 * What the peers of a worker under test have in common: its process, and what a coordinator
 * says to it.
 */
#ifndef FREEAL_TESTS_WORKER_PEERS_H
#define FREEAL_TESTS_WORKER_PEERS_H

#include "wire/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#define CLASS_COUNT 3
#define FOLD_COUNT 3

uint64_t now(void);

/* Starts PROGRAMS/argv[0]. */
pid_t process_start(char *const argv[]);
/* Returns the exit code, or -1 after a signal; fails when it takes longer. `*pid` becomes 0. */
int process_stop(pid_t *pid, int signal_number, uint32_t timeout_ms);
/* Where it still runs; 0: it doesn't. */
void process_kill(pid_t pid);
/* Removes a test's folder with what is in it; 0: done. */
int folder_remove(const char *dir);

/* The id of the project in a welcome, 16 bytes; a test may change it. */
extern const char *welcome_project_id;
/* The model of its project; NULL: an ngram model. */
extern Freeal__Model *welcome_model;
/* A project of the labels cars, music and nature; `selector` is the selector's endpoint or "". */
void welcome_send(struct socket *s, const struct peer_id *to, const char *selector);
/* Attempt 1 unless it is set. */
void lease_send(struct socket *s, const struct peer_id *to, Freeal__Work *work);
/* Acknowledges a result and returns a copy; free with freeal__result__free_unpacked. */
Freeal__Result *result_take(struct socket *s, const struct peer_id *to,
			    const Freeal__Result *result);

#endif
