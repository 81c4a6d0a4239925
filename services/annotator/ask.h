/*
 * An ask: one leased work on its way to an answer, over retries and repeated asks.
 */
#ifndef FREEAL_ANNOTATOR_ASK_H
#define FREEAL_ANNOTATOR_ASK_H

#include "llm/key.h"
#include "llm/votes.h"
#include "proto/work.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

#define ASK_ENDPOINT_NONE UINT32_MAX

/* A server's reply that is to be kept. */
struct ask_reply {
	struct ask_reply *next;
	struct key key;
	size_t size;
	char body[];
};

struct ask {
	struct ask *next;   /* in its queue */
	Freeal__Work *work; /* owned */
	uint32_t ask_no;    /* from 1; grows when an answer is unusable */
	uint32_t tries;	    /* failed requests of this ask */
	struct votes votes; /* of several samples */
	/* Its last unusable answer, for the correction; reason NULL: none. */
	const char *bad_reason;
	char *bad; /* cut at PROMPT_BAD_BYTES_MAX */
	size_t bad_size;
	uint64_t due_ms;   /* not to be sent before */
	uint64_t first_ms; /* when it was first sent; 0: not yet */
	uint32_t avoid;	   /* endpoint that failed it last, if there is another; or NONE */
	bool alone;	   /* not in one request with others: such a request was rejected */
	uint32_t slot;	   /* which of several answers to its question is next, from 0 */
	uint32_t keyed;	   /* the endpoint whose question `key` is of; or NONE */
	struct key key;
	struct ask_reply *replies; /* go with the result, whatever it is */
	size_t reply_bytes;
	Freeal__Usage usage; /* of all its requests */
};

/* A copy of the work; NULL: no memory. */
struct ask *ask_new(const Freeal__Work *work);
void ask_free(struct ask *a);

/* Notes an unusable answer; `reason` is a literal of answer.h or reply.h. Without memory it is
 * noted without its words. */
void ask_bad_set(struct ask *a, const char *reason, const char *text, size_t size);
/* Forgets what came of it so far, so that it is the same question again. */
void ask_answers_forget(struct ask *a);

/* Notes the reply to its question, as far as there is room: it is an economy. */
void ask_reply_add(struct ask *a, const struct key *key, const void *body, size_t size);

#endif
