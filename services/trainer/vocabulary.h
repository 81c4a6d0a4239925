/*
 * The vocabulary: which hashed terms count, as which column, with which inverse
 * document frequency. Fitted on the training texts, kept in the checkpoint.
 *
 * idf = ln((1 + texts) / (1 + texts with the term)) + 1 (scikit-learn's smooth idf).
 */
#ifndef FREEAL_TRAINER_VOCABULARY_H
#define FREEAL_TRAINER_VOCABULARY_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

#define VOCABULARY_NONE UINT32_MAX

/* Immutable once made; shared by counted references. */
struct vocabulary {
	atomic_uint references;
	uint32_t bits; /* see terms.h: 2^(bits + 1) buckets */
	uint32_t column_count;
	uint32_t *columns; /* (2^(bits + 1)) bucket -> column or VOCABULARY_NONE */
	uint32_t *buckets; /* (column_count) column -> bucket, ascending */
	float *idf;	   /* (column_count) */
};

/*
 * From the number of texts that hold each bucket, `text_counts` (2^(bits + 1)).
 * Terms in fewer than `df_min` of the `text_count` texts are left out.
 */
WARN_UNUSED enum err vocabulary_new(uint32_t bits, const uint32_t *text_counts, uint64_t text_count,
				    uint32_t df_min, struct vocabulary **ret);
/* From the arrays of a checkpoint, which are copied: ERR_CORRUPT where they can't be one. */
WARN_UNUSED enum err vocabulary_restore(uint32_t bits, uint32_t column_count,
					const uint32_t *buckets, const float *idf,
					struct vocabulary **ret);
/* One more owner; returns `v`. */
struct vocabulary *vocabulary_ref(struct vocabulary *v);
/* One owner less; the last one frees it. */
void vocabulary_unref(struct vocabulary *v);

#endif
