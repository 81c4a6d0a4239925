/*
 * An LLM endpoint for tests of the annotator: it does what the text to label says, which
 * is the last user message, or the one before a correction.
 *
 *	"positive ..."          answers positive; anything not listed here: negative
 *	"say A|B|C"             the words A, the next time B and so on; from then on the last
 *	"bad", "bad-once"       answers maybe (the first time)
 *	"429-once S"            429 with Retry-After: S, the first time
 *	"quota-once"            429 insufficient_quota, the first time
 *	"500-twice"             500, two times
 *	"hang", "hang-once"     never answers (the first time)
 *	"close-once"            closes the connection, the first time
 *	"large-once"            a body of 3 MiB, the first time
 *	"malformed", "length", "filter", "rejected"    the answer of that name
 */
#ifndef FREEAL_TESTS_ANNOTATOR_LLM_H
#define FREEAL_TESTS_ANNOTATOR_LLM_H

#include <stdbool.h>
#include <stdint.h>

#define LLM_REQUEST_COUNT_MAX 20000

struct llm_request {
	char text[48]; /* cut */
	char authorization[64];
	char endpoint[16]; /* first part of the path */
	uint64_t at_ms;
	int turns;	/* messages before the one with the text */
	bool corrected; /* and behind it an answer and what is wrong with it */
};

/* Starts the server's threads; they live as long as the process. Returns the port. */
int llm_start(void);
/* Forgets the requests so far and makes new ones succeed. */
void llm_reset(void);
/* Every request gets this status; 0: none. */
void llm_status_set(int status);
/* Those whose path begins with /ENDPOINT/, a literal. */
void llm_endpoint_status_set(const char *endpoint, int status);
/* Waits before each reply. */
void llm_delay_set(int ms);

/* Requests with this parameter, a literal, get 400; NULL: none. */
void llm_refuse_set(const char *parameter);

int llm_request_count(void);
/* Those for a text; ret_last (may be NULL) is the last one. */
int llm_text_count(const char *text, struct llm_request *ret_last);
int llm_endpoint_count(const char *endpoint);
const struct llm_request *llm_request_at(int i);
/* The most requests that were under way at once, and connections opened. */
int llm_busy_max(void);
int llm_connection_count(void);

#endif
