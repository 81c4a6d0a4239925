/*
 * The asks of one round's settings that wait to be sent: ready ones, first in, first
 * out, and delayed ones (retries), by the time that each is due.
 */
#ifndef FREEAL_ANNOTATOR_QUEUE_H
#define FREEAL_ANNOTATOR_QUEUE_H

#include "annotator/ask.h"

#include <stdint.h>

/* Zeroed is empty. */
struct queue {
	struct ask *head, *tail; /* ready */
	uint32_t ready_count;
	struct ask **delayed; /* a heap, the earliest first */
	uint32_t delayed_count, delayed_capacity;
};

/* The queue owns what is pushed. */
void queue_push(struct queue *q, struct ask *a);
void queue_push_front(struct queue *q, struct ask *a);
/* Until its due_ms. Without memory it is ready at once. */
void queue_delay(struct queue *q, struct ask *a);

/* The next one to be sent, delayed ones that are due first; NULL: none. */
struct ask *queue_peek(const struct queue *q, uint64_t now_ms);
struct ask *queue_pop(struct queue *q, uint64_t now_ms);
/* When queue_peek has one: 0 for now, UINT64_MAX where it is empty. */
uint64_t queue_due_ms(const struct queue *q);
uint32_t queue_count(const struct queue *q);
/* Takes the one of that name out, by a look at all; NULL: none. */
struct ask *queue_remove(struct queue *q, const Freeal__WorkName *name);
/* Frees what is left. */
void queue_done(struct queue *q);

#endif
