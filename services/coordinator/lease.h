/*
 * Leases: which work is with which peer, and until when. All leases live equally long,
 * so the list in order of renewal is the list in order of expiry. Time is the monotonic
 * clock and comes in as an argument.
 */
#ifndef FREEAL_COORDINATOR_LEASE_H
#define FREEAL_COORDINATOR_LEASE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LEASE_NOBODY 1024u /* numbers of peers are below */

struct lease_table;

struct lease {
	uint64_t index; /* of the phase's agenda */
	uint32_t attempt;
	uint32_t peer; /* number of the peer that holds it; LEASE_NOBODY: one that is gone */
	uint64_t expires_ms;
	uint32_t losses; /* workers that were lost with this work in hand */
};

/*
 * Work that workers were lost with is leased apart, so that the one that ends them is found and
 * the others are not taken for it: after the first loss so many at a time, after more alone.
 */
#define LEASE_SUSPECTS_MAX 16u

struct lease_table *lease_table_new(uint64_t ttr_ms);
void lease_table_free(struct lease_table *t);
/* Forgets all: another phase begins. */
void lease_table_clear(struct lease_table *t);

/* There must be no lease of that item. */
enum err lease_add(struct lease_table *t, uint64_t index, uint32_t attempt, uint32_t losses,
		   uint32_t peer, uint64_t now_ms) WARN_UNUSED;
/* NULL: none. Valid until the next call that changes the table. */
const struct lease *lease_find(const struct lease_table *t, uint64_t index);
/* Moves the end to now + ttr, and the lease to `peer` (who may have reconnected). */
void lease_renew(struct lease_table *t, uint64_t index, uint32_t peer, uint64_t now_ms);
/* The peer is gone: its leases run out as nobody's, so that its number is free. */
void lease_orphan(struct lease_table *t, uint32_t peer);
/* One of the peer's leases; NULL: it has none. */
const struct lease *lease_of(const struct lease_table *t, uint32_t peer);
/* All leases live so much longer. */
void lease_extend(struct lease_table *t, uint64_t ms);
void lease_remove(struct lease_table *t, uint64_t index);
/* Takes out the oldest lease that has ended by `now_ms`; false: none has. */
bool lease_expire(struct lease_table *t, uint64_t now_ms, struct lease *ret_lease);

uint64_t lease_count(const struct lease_table *t);
uint32_t lease_count_of(const struct lease_table *t, uint32_t peer);
/* Losses that a work may have to be leased to the peer besides what it holds. */
uint32_t lease_losses_max(const struct lease_table *t, uint32_t peer);
/* When the next one ends; UINT64_MAX: never. */
uint64_t lease_next_ms(const struct lease_table *t);

#endif
