/*
 * The demonstration pools that the coordinator has sent, by version; the newest few
 * are kept.
 */
#ifndef FREEAL_ANNOTATOR_POOLS_H
#define FREEAL_ANNOTATOR_POOLS_H

#include "base/err.h"
#include "llm/prompt.h"
#include "proto/envelope.pb-c.h"

#include <stddef.h>
#include <stdint.h>

#define POOLS_MAX 4

struct pools {
	Freeal__Pool *pools[POOLS_MAX]; /* NULL: free */
};

void pools_done(struct pools *p);
/* Keeps a copy, in the place of the same version or of the oldest. */
WARN_UNUSED enum err pools_add(struct pools *p, const Freeal__Pool *pool);

/*
 * Looks demonstrations up: ret_demonstrations[i] for numbers[i], borrowed until the next
 * pools_add. ERR_NOT_FOUND: no such version, number or class, and `msg` says which.
 */
WARN_UNUSED enum err pools_find(const struct pools *p, uint64_t version, const uint32_t *numbers,
				size_t count, size_t class_count,
				struct prompt_demonstration *ret_demonstrations,
				struct err_msg *msg);

#endif
