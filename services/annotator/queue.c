#include "annotator/queue.h"

#include "wire/work.h"

#include <stdlib.h>

void queue_push(struct queue *q, struct ask *a)
{
	a->next = NULL;
	if (q->tail)
		q->tail->next = a;
	else
		q->head = a;
	q->tail = a;
	q->ready_count++;
}

void queue_push_front(struct queue *q, struct ask *a)
{
	a->next = q->head;
	q->head = a;
	if (!q->tail)
		q->tail = a;
	q->ready_count++;
}

static void heap_up(struct queue *q, uint32_t at)
{
	struct ask *a = q->delayed[at];
	for (; at > 0 && q->delayed[(at - 1) / 2]->due_ms > a->due_ms; at = (at - 1) / 2)
		q->delayed[at] = q->delayed[(at - 1) / 2];
	q->delayed[at] = a;
}

static void heap_down(struct queue *q, uint32_t at)
{
	struct ask *a = q->delayed[at];
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child + 1 < q->delayed_count &&
		    q->delayed[child + 1]->due_ms < q->delayed[child]->due_ms)
			child++;
		if (child >= q->delayed_count || q->delayed[child]->due_ms >= a->due_ms)
			break;
		q->delayed[at] = q->delayed[child];
		at = child;
	}
	q->delayed[at] = a;
}

static struct ask *heap_take(struct queue *q, uint32_t at)
{
	struct ask *a = q->delayed[at];
	q->delayed[at] = q->delayed[--q->delayed_count];
	if (at < q->delayed_count) {
		heap_up(q, at);
		heap_down(q, at);
	}
	return a;
}

void queue_delay(struct queue *q, struct ask *a)
{
	if (q->delayed_count == q->delayed_capacity) {
		uint32_t capacity = q->delayed_capacity ? 2 * q->delayed_capacity : 16;
		struct ask **grown = realloc(q->delayed, capacity * sizeof(struct ask *));
		if (!grown) {
			queue_push(q, a);
			return;
		}
		q->delayed = grown;
		q->delayed_capacity = capacity;
	}
	q->delayed[q->delayed_count++] = a;
	heap_up(q, q->delayed_count - 1);
}

static struct ask *ready_take(struct queue *q, struct ask *a, struct ask *before)
{
	if (before)
		before->next = a->next;
	else
		q->head = a->next;
	if (q->tail == a)
		q->tail = before;
	q->ready_count--;
	a->next = NULL;
	return a;
}

struct ask *queue_peek(const struct queue *q, uint64_t now_ms)
{
	if (q->delayed_count > 0 && q->delayed[0]->due_ms <= now_ms)
		return q->delayed[0];
	return q->head;
}

struct ask *queue_pop(struct queue *q, uint64_t now_ms)
{
	if (q->delayed_count > 0 && q->delayed[0]->due_ms <= now_ms)
		return heap_take(q, 0);
	return q->head ? ready_take(q, q->head, NULL) : NULL;
}

uint64_t queue_due_ms(const struct queue *q)
{
	if (q->head)
		return 0;
	return q->delayed_count > 0 ? q->delayed[0]->due_ms : UINT64_MAX;
}

uint32_t queue_count(const struct queue *q)
{
	return q->ready_count + q->delayed_count;
}

struct ask *queue_remove(struct queue *q, const Freeal__WorkName *name)
{
	struct ask *before = NULL;
	for (struct ask *a = q->head; a; before = a, a = a->next) {
		if (work_name_equal(a->work->name, name))
			return ready_take(q, a, before);
	}
	for (uint32_t i = 0; i < q->delayed_count; i++) {
		if (work_name_equal(q->delayed[i]->work->name, name))
			return heap_take(q, i);
	}
	return NULL;
}

void queue_done(struct queue *q)
{
	for (struct ask *a; (a = queue_pop(q, UINT64_MAX));)
		ask_free(a);
	free(q->delayed);
	*q = (struct queue){0};
}
