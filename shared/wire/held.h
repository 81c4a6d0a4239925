/*
 * What a worker holds: leases, and results that wait for their acknowledgement; by name
 * and in order of arrival.
 */
#ifndef FREEAL_WIRE_HELD_H
#define FREEAL_WIRE_HELD_H

#include "proto/envelope.pb-c.h"

#include <stddef.h>
#include <stdint.h>

#define HELD_BUCKET_COUNT 4096

struct held {
	struct held *next;	/* in its bucket */
	struct held *list_next; /* in order of arrival */
	struct held *list_prev;
	Freeal__WorkName name;
	uint32_t attempt;
	Freeal__Result *result; /* NULL: a lease */
	size_t result_bytes;
	uint64_t sent_ms; /* results: 0 while not sent */
};

struct held_table {
	struct held *buckets[HELD_BUCKET_COUNT];
	struct held list; /* head of the list of all, oldest first */
	uint32_t lease_count, result_count, unsent_count;
};

void held_init(struct held_table *t);
/* Where the entry of that name is, or would be (*result is NULL). */
struct held **held_find(struct held_table *t, const Freeal__WorkName *name);
/* A lease, at the place that held_find gave. NULL: no memory. */
struct held *held_add(struct held_table *t, struct held **at, const Freeal__WorkName *name,
		      uint32_t attempt);
/* Makes the lease a result, which is the table's from then on. */
void held_result_set(struct held_table *t, struct held *h, Freeal__Result *result, size_t bytes);
/* To be sent (again). */
void held_unsend(struct held_table *t, struct held *h);
void held_remove(struct held_table *t, struct held **at);

#endif
