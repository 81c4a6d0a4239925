/*
 * What each round's answers did: whose they are, why some are of no use, and which labels they
 * changed. From the samples' histories. Pure.
 */
#ifndef FREEAL_COORDINATOR_RUNGS_H
#define FREEAL_COORDINATOR_RUNGS_H

#include "coordinator/tally.h"
#include "coordinator/view.h"

#include <stddef.h>
#include <stdint.h>

/* Of a round; more are counted with the last one. */
#define RUNG_KINDS_MAX 16

struct rung_kind {
	char *name;  /* why an answer is unusable; or an endpoint's URL */
	char *model; /* of an endpoint */
	uint64_t count;
};

struct rung {
	uint64_t answers; /* events of an LLM, usable or not */
	struct rung_kind reasons[RUNG_KINDS_MAX], endpoints[RUNG_KINDS_MAX];
	size_t reason_count, endpoint_count;
	uint64_t changed; /* the LLM said another label before */
	/* Against gold. */
	struct tally_share right; /* usable answers */
	uint64_t mended, broken;  /* of the changed ones: right now, right before */
};

struct rungs {
	struct rung *items; /* by round */
	size_t count;
};

void rungs_init(struct rungs *r);
void rungs_done(struct rungs *r);
WARN_UNUSED enum err rungs_add(struct rungs *r, const struct view_row *row);

#endif
