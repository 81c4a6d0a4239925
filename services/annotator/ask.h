/*
 * An ask: one leased work on its way to an answer, over retries and repeated asks; and
 * queues of them.
 */
#ifndef FREEAL_ANNOTATOR_ASK_H
#define FREEAL_ANNOTATOR_ASK_H

#include "proto/work.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ask {
	struct ask *next;
	Freeal__Work *work;  /* owned */
	uint32_t ask_no;     /* from 1; grows when an answer is unusable */
	uint32_t tries;	     /* failed requests of this ask */
	uint64_t due_ms;     /* not to be sent before */
	uint64_t first_ms;   /* when it was first sent; 0: not yet */
	bool probe;	     /* last sent to see whether a blocked endpoint answers again */
	uint32_t flying_at;  /* where its owner keeps it while a request is in flight */
	Freeal__Usage usage; /* of all its requests */
};

/* A copy of the work; NULL: no memory. */
struct ask *ask_new(const Freeal__Work *work);
void ask_free(struct ask *a);

/* First in, first out. Zeroed is empty. */
struct ask_queue {
	struct ask *head, *tail;
	uint32_t count;
};

void ask_queue_push(struct ask_queue *q, struct ask *a);
void ask_queue_push_front(struct ask_queue *q, struct ask *a);
/* The first one that is due; NULL: none. */
struct ask *ask_queue_pop(struct ask_queue *q, uint64_t now_ms);
/* When the earliest one is due; UINT64_MAX: empty. */
uint64_t ask_queue_due_ms(const struct ask_queue *q);
/* Takes the one of that name out; NULL: none. */
struct ask *ask_queue_remove(struct ask_queue *q, const Freeal__WorkName *name);
void ask_queue_done(struct ask_queue *q);

#endif
