#include "annotator/ask.h"

#include "wire/frame.h"
#include "wire/work.h"

#include <stdlib.h>

struct ask *ask_new(const Freeal__Work *work)
{
	struct ask *a = calloc(1, sizeof *a);
	if (a)
		a->work = frame_message_copy(&work->base);
	if (!a || !a->work) {
		free(a);
		return NULL;
	}
	a->ask_no = 1;
	freeal__usage__init(&a->usage);
	return a;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	freeal__work__free_unpacked(a->work, NULL);
	free(a);
}

void ask_queue_push(struct ask_queue *q, struct ask *a)
{
	a->next = NULL;
	if (q->tail)
		q->tail->next = a;
	else
		q->head = a;
	q->tail = a;
	q->count++;
}

void ask_queue_push_front(struct ask_queue *q, struct ask *a)
{
	a->next = q->head;
	q->head = a;
	if (!q->tail)
		q->tail = a;
	q->count++;
}

static struct ask *take(struct ask_queue *q, struct ask *a, struct ask *before)
{
	if (before)
		before->next = a->next;
	else
		q->head = a->next;
	if (q->tail == a)
		q->tail = before;
	q->count--;
	a->next = NULL;
	return a;
}

struct ask *ask_queue_pop(struct ask_queue *q, uint64_t now_ms)
{
	struct ask *before = NULL;
	for (struct ask *a = q->head; a; before = a, a = a->next) {
		if (a->due_ms <= now_ms)
			return take(q, a, before);
	}
	return NULL;
}

uint64_t ask_queue_due_ms(const struct ask_queue *q)
{
	uint64_t due_ms = UINT64_MAX;
	for (const struct ask *a = q->head; a; a = a->next) {
		if (a->due_ms < due_ms)
			due_ms = a->due_ms;
	}
	return due_ms;
}

struct ask *ask_queue_remove(struct ask_queue *q, const Freeal__WorkName *name)
{
	struct ask *before = NULL;
	for (struct ask *a = q->head; a; before = a, a = a->next) {
		if (work_name_equal(a->work->name, name))
			return take(q, a, before);
	}
	return NULL;
}

void ask_queue_done(struct ask_queue *q)
{
	while (q->head)
		ask_free(take(q, q->head, NULL));
}
