/*
 * The demonstration pools that the coordinator has sent, by version; the newest few
 * are kept.
 */
#ifndef FREEAL_ANNOTATOR_POOLS_H
#define FREEAL_ANNOTATOR_POOLS_H

#include "base/err.h"
#include "llm/prompt_pool.h"
#include "proto/envelope.pb-c.h"

#include <stdint.h>

#define POOLS_MAX 4

struct pools {
	Freeal__Pool *pools[POOLS_MAX];		/* NULL: free */
	struct prompt_pool *prompts[POOLS_MAX]; /* the same, ready for prompts; NULL: not yet */
};

void pools_done(struct pools *p);
/* Keeps a copy, in the place of the same version or of the oldest. */
WARN_UNUSED enum err pools_add(struct pools *p, const Freeal__Pool *pool);

/* The next pools_get makes prompts anew: for another project. */
void pools_renew(struct pools *p);

/* A pool for prompts, borrowed until the next pools_add or pools_renew. ERR_NOT_FOUND: no such
 * version; ERR_INVALID: a demonstration's label is not the project's. `msg` says which. */
WARN_UNUSED enum err pools_get(struct pools *p, const Freeal__Project *project, uint64_t version,
			       const struct prompt_pool **ret_pool, struct err_msg *msg);

#endif
