/*
 * How the annotators share one endpoint's limits: each gets a grant of its part, which ends unless
 * it is renewed. At any time the grants that have not ended add up to no more than the limits,
 * whoever comes, goes or dies. Pure: time is the monotonic clock and comes in as an argument.
 *
 * The parts are limit / n; of the remainder one more each for as many as it takes, who change by
 * turns every SHARE_TURN_MS, so that a part of less than one request a minute is one a minute now
 * and then, for long enough to send it. A part shrinks at its next renewal and is free for others
 * once the larger grant has ended; that of one that left in good order is free at once.
 */
#ifndef FREEAL_COORDINATOR_SHARE_H
#define FREEAL_COORDINATOR_SHARE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_TURN_MS 120000u
#define SHARE_PEERS_MAX 2048u

enum share_kind { SHARE_REQUESTS, SHARE_TOKENS, SHARE_CONCURRENCY, SHARE_KINDS };

struct share;

struct share_grant {
	uint64_t peer;
	uint64_t amounts[SHARE_KINDS]; /* of kinds that have limits; may be 0 */
};

/* `limits`: 0 is none. A grant counts for `hold_ms` from when it is given out, is renewed every
 * `renew_ms`; the first ones are given `settle_ms` after the last annotator has come. */
struct share *share_new(const uint64_t limits[SHARE_KINDS], uint64_t hold_ms, uint64_t renew_ms,
			uint64_t settle_ms);
void share_free(struct share *s);
/* It takes part, or is to hear its grant again. ERR_LIMIT: there are too many already. */
enum err share_join(struct share *s, uint64_t peer, uint64_t now_ms) WARN_UNUSED;
/* It has ended, and so has all that it had in flight. */
void share_leave(struct share *s, uint64_t peer);
/* Nobody knows where it is: what it was granted runs out. */
void share_lose(struct share *s, uint64_t peer);
/* Grants that are to be sent now; they count whether they arrive or not. Valid until the next
 * call. */
size_t share_grants(struct share *s, uint64_t now_ms, const struct share_grant **ret_grants);
/* When share_grants may have some; UINT64_MAX: after a join alone. */
uint64_t share_next_ms(const struct share *s);

/* It has something of each kind that has a limit. */
bool share_usable(const struct share *s, uint64_t peer, uint64_t now_ms);
/* What has been granted and may still be used, of all. */
uint64_t share_out(const struct share *s, enum share_kind kind, uint64_t now_ms);

#endif
