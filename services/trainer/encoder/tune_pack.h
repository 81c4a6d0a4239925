/*
 * A packed batch in the making: texts one behind the other.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_PACK_H
#define FREEAL_TRAINER_ENCODER_TUNE_PACK_H

#include "trainer/encoder/network.h"
#include "trainer/encoder/rows.h"

struct tune_pack {
	size_t texts_max, tokens_max;
	size_t texts, tokens;
	uint32_t *ids, *offsets; /* (tokens_max), (texts_max + 1) */
	uint64_t *keys;		 /* (texts_max) */
};

enum err tune_pack_init(struct tune_pack *p, size_t texts_max, size_t tokens_max) WARN_UNUSED;
void tune_pack_done(struct tune_pack *p);
void tune_pack_clear(struct tune_pack *p);
/* Whether another text of so many tokens has room. */
bool tune_pack_fits(const struct tune_pack *p, size_t tokens);
/* Adds row `row`, which has ids and fits; returns its place among the texts. */
size_t tune_pack_add(struct tune_pack *p, const struct rows *rows, size_t row, uint64_t key);
/* Borrows the arrays. */
struct batch tune_pack_batch(const struct tune_pack *p, bool sentences_only);

static inline size_t tune_tokens(const struct rows *rows, size_t row)
{
	return (size_t)(rows->offsets[row + 1] - rows->offsets[row]);
}

#endif
