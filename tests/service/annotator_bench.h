/*
 * A bench for the annotator as a process, between a coordinator, played here, and LLM
 * endpoints in threads (annotator_llm.h).
 */
#ifndef FREEAL_TESTS_ANNOTATOR_BENCH_H
#define FREEAL_TESTS_ANNOTATOR_BENCH_H

#include "annotator_llm.h"
#include "base/limits.h"
#include "wire/socket.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RESULT_COUNT_MAX 4096
#define WAIT_MS_MAX 30000
#define PROBE_MS 300
#define PROBE_TEXT "300"
#define KEY "sk-secret-of-this-test"
#define BENCH_ENDPOINTS_MAX 2

struct bench_endpoint {
	const char *model;
	const char *key_env;
	/* Limits of the endpoint, of which the annotator is granted all; 0: none. */
	uint32_t concurrency, requests_per_minute;
	uint64_t tokens_per_minute;
};

struct bench {
	char dir[64], bus[128], log[128];
	void *zmq;
	struct socket *socket;
	struct peer_id annotator;
	pid_t pid;
	int port;
	uint64_t version; /* of the project */
	struct bench_endpoint endpoints[BENCH_ENDPOINTS_MAX];
	uint32_t endpoint_count;
	/* How the LLM is asked; 0: once, one text in a request. */
	uint32_t samples, batch;
	bool candidates, reasoning;
	uint32_t grant_ttl_ms; /* of the grants that follow each Welcome; 0: none is sent */
	/* What came. */
	Freeal__Result *results[RESULT_COUNT_MAX]; /* by item */
	uint32_t result_count, return_count, leaving_count, hello_count, credit;
	bool blocked;
	char reason[2048];
	uint64_t limited;
};

/* For cmocka_unit_test_setup_teardown; *state is the bench. */
int bench_setup(void **state);
int bench_teardown(void **state);
void bench_start(struct bench *b);
/* Returns the exit status. */
int bench_stop(struct bench *b);

uint64_t bench_now(void);
void bench_send(struct bench *b, Freeal__Envelope *e);
void bench_welcome(struct bench *b);
/* Shares of all endpoints that have limits. */
void bench_grant(struct bench *b);
void bench_lease(struct bench *b, uint64_t item, const char *text);
void bench_lease_shots(struct bench *b, uint64_t item, const char *text, uint32_t attempt,
		       uint32_t *demonstrations, size_t count);
void bench_lease_work(struct bench *b, Freeal__Work *work);

/* Plays the coordinator for `ms`, or until *what reaches `want` (what: may be NULL). */
void bench_play(struct bench *b, const uint32_t *what, uint32_t want, uint64_t ms);
void bench_wait_results(struct bench *b, uint32_t want);
void bench_wait_blocked(struct bench *b, bool blocked);
/* Lines of the annotator's log with `words` in them. */
int bench_log_count(const struct bench *b, const char *words);

const Freeal__Annotation *bench_annotation(const struct bench *b, size_t item);
void bench_expect_class(const struct bench *b, size_t item, uint32_t class_id, uint32_t requests);
void bench_expect_reason(const struct bench *b, size_t item, const char *reason, uint32_t requests);

#endif
