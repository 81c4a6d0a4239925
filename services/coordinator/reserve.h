/*
 * Reservations: what each lease that asks an LLM may cost at most, so that what was spent and what
 * may still be spent together never exceed a limit. A reservation ends when its answer is counted
 * or the work comes back unused; one whose worker was lost counts as spent, unless its answer comes
 * after all. Pure memory; the caller stores the sums before a lease is sent. Constant time each.
 *
 * After a restart the sums are there and the leases are not: what is reserved is unclaimed until
 * workers renew their leases or bring the answers, and the rest of it is lost.
 */
#ifndef FREEAL_COORDINATOR_RESERVE_H
#define FREEAL_COORDINATOR_RESERVE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Lost ones that are remembered, in case that their answers come. */
#define RESERVE_LOST_MAX 65536u

struct amount {
	uint64_t requests;
	uint64_t tokens;
	uint64_t nano_usd;
};

struct reserve;

struct reserve *reserve_new(void);
void reserve_free(struct reserve *r);
/* As stored by the coordinator before. */
void reserve_load(struct reserve *r, const struct amount *unclaimed, const struct amount *lost);

/* Whether `more` may be spent on top of `spent`, of what is reserved and of what was lost.
 * `limits`: 0 is none. */
bool reserve_fits(const struct reserve *r, const struct amount *limits, const struct amount *spent,
		  const struct amount *more);
/* For attempt `attempt` at work `index` of the phase, which has none. ERR_NO_MEMORY. */
enum err reserve_add(struct reserve *r, uint64_t index, uint32_t attempt,
		     const struct amount *amount) WARN_UNUSED;
/* A lease from before the restart, whose reservation is among the unclaimed. ERR_NO_MEMORY. */
enum err reserve_claim(struct reserve *r, uint64_t index, uint32_t attempt,
		       const struct amount *amount) WARN_UNUSED;
/* An answer from before the restart: its reservation, among the unclaimed, ends. */
void reserve_claim_settled(struct reserve *r, const struct amount *amount);
/* The answer of that attempt came and is counted. Others at the same work are under way for
 * nothing, and lost. False: it had no reservation. */
bool reserve_settle(struct reserve *r, uint64_t index, uint32_t attempt);
/* It came back, and nothing was spent on it. */
void reserve_return(struct reserve *r, uint64_t index, uint32_t attempt);
void reserve_lose(struct reserve *r, uint64_t index, uint32_t attempt);
/* Nobody is awaited any more who could claim something. */
void reserve_unclaimed_lose(struct reserve *r);
/* Another phase begins: what is still out is lost, and the lost are remembered no longer. */
void reserve_clear(struct reserve *r);

/* Sums; they saturate. Unclaimed ones are reserved. */
struct amount reserve_reserved(const struct reserve *r);
struct amount reserve_lost(const struct reserve *r);
/* Reservations of leases that are out, the unclaimed left out. */
uint64_t reserve_count(const struct reserve *r);
bool reserve_has_unclaimed(const struct reserve *r);

#endif
