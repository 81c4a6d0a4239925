/*
 * The peers that said Hello: who they are, what they can take, when they were last heard.
 * A peer's number stays the same when it reconnects (same epoch, another identity).
 */
#ifndef FREEAL_COORDINATOR_PEER_H
#define FREEAL_COORDINATOR_PEER_H

#include "proto/envelope.pb-c.h"
#include "wire/socket.h"

#include <stdbool.h>
#include <stdint.h>

#define PEER_COUNT_MAX 1024
#define PEER_EPOCH_BYTES 16
#define PEER_REASON_BYTES 256

struct peer {
	struct peer_id id;
	uint8_t epoch[PEER_EPOCH_BYTES];
	Freeal__Role role;
	uint32_t credit;       /* leases that it is willing to hold */
	uint64_t pool_version; /* newest demonstration pool sent to it */
	uint64_t heard_ms;
	uint64_t done, total; /* progress of its job */
	bool kept;	      /* on record as one that may hold leases */
	bool usable;	      /* it may send to an endpoint that is asked now */
	bool blocked;
	char reason[PEER_REASON_BYTES]; /* why blocked */
};

struct peer_table;

struct peer_table *peer_table_new(void);
void peer_table_free(struct peer_table *t);

/* Number of the peer of that identity, or -1. */
int peer_find(const struct peer_table *t, const struct peer_id *id);
/* Registers it; a known epoch gets its old number. -1: the table is full. */
int peer_add(struct peer_table *t, const struct peer_id *id, const Freeal__Hello *hello,
	     uint64_t now_ms);
/* NULL: nobody has that number (any more). */
struct peer *peer_get(struct peer_table *t, uint32_t number);
/* Forgets it: silent for too long, or unreachable. */
void peer_remove(struct peer_table *t, uint32_t number);
/* Numbers are below this. */
uint32_t peer_end(const struct peer_table *t);
uint32_t peer_count(const struct peer_table *t, Freeal__Role role);

#endif
