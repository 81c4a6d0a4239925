/*
 * Tokenised texts: ids of all texts one behind the other.
 */
#ifndef FREEAL_TRAINER_ENCODER_ROWS_H
#define FREEAL_TRAINER_ENCODER_ROWS_H

#include "base/err.h"
#include "math/team.h"
#include "tokenizer/tokenizer.h"

#include <stdint.h>

struct rows {
	size_t count;
	uint32_t *ids;
	uint64_t *offsets; /* (count + 1); an empty text has no ids at all */
};

/* Texts of up to `tokens_max` ids (at least 3), special tokens included; `ret_cut` (may be NULL)
 * is the number of those that were longer. ERR_NO_MEMORY alone can happen. */
enum err rows_make(const struct tokenizer *t, const char *const *texts, const size_t *sizes,
		   size_t count, size_t tokens_max, struct team *team, struct rows *ret_rows,
		   size_t *ret_cut, struct err_msg *msg) WARN_UNUSED;
void rows_done(struct rows *r);

#endif
