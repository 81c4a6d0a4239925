/*
 * Who may hold annotators' leases. The list outlives the coordinator, so that one that starts
 * again leases nothing that a worker still has, and no answer is paid twice: it waits until each
 * of them has told what it holds, or is taken for lost. Pure: the caller stores the list and
 * gives the time, by the monotonic clock.
 */
#ifndef FREEAL_COORDINATOR_HOLDERS_H
#define FREEAL_COORDINATOR_HOLDERS_H

#include "base/err.h"
#include "coordinator/peer.h"
#include "proto/record.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct holders;

/* NULL: no memory. */
struct holders *holders_new(void);
void holders_free(struct holders *h);

/* Those of the record are awaited, until `until_ms`. */
void holders_load(struct holders *h, const Freeal__HoldersRecord *record, uint64_t until_ms);
/* For storing: entries point into `h` and are valid until it changes. `ret_epochs` has room for
 * PEER_COUNT_MAX. */
void holders_record(struct holders *h, ProtobufCBinaryData *ret_epochs,
		    Freeal__HoldersRecord *ret_record);

/* The list has changed since this was asked last: it is to be stored. */
bool holders_changed(struct holders *h);

/* It is there and is not awaited: it gets leases from when the list is stored. ERR_LIMIT: the list
 * is full of others that may still be there. */
enum err holders_add(struct holders *h, const uint8_t *epoch) WARN_UNUSED;
/* It has told all that it holds: no longer awaited. */
void holders_tell(struct holders *h, const uint8_t *epoch);
/* It has left in good order and holds nothing. */
void holders_remove(struct holders *h, const uint8_t *epoch);
/* Nobody has heard of it for long: it counts until `until_ms`, unless it tells. */
void holders_lose(struct holders *h, const uint8_t *epoch, uint64_t until_ms);
/* Takes those out whose time is over. */
void holders_expire(struct holders *h, uint64_t now_ms);
/* The coordinator stood still for so long. */
void holders_extend(struct holders *h, uint64_t ms);

/* Somebody has not told yet what it holds. */
bool holders_awaited(const struct holders *h);
uint32_t holders_count(const struct holders *h);
/* When the next one's time is over; UINT64_MAX: never. */
uint64_t holders_next_ms(const struct holders *h);

#endif
