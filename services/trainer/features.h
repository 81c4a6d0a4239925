/*
 * TF-IDF rows of texts over hashed n-grams, and their sentence vectors.
 *
 * A row holds its word terms and its character terms (terms.h), each part with
 * (1 + ln count) * idf and L2-normalised on its own: scikit-learn's FeatureUnion
 * of two TfidfVectorizers with sublinear_tf. About 8 bytes per distinct term.
 * Immutable once made, so threads may share them.
 */
#ifndef FREEAL_TRAINER_FEATURES_H
#define FREEAL_TRAINER_FEATURES_H

#include "base/err.h"
#include "math/csr.h"
#include "trainer/vocabulary.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Dimensions of a sentence vector. */
#define EMBED_DIMENSIONS 256

struct features;

/*
 * Rows of `count` texts (UTF-8, `sizes` in bytes), with a vocabulary fitted on
 * them. Terms that occur in one text only are left out (from 100 texts on; at a
 * million texts, those in up to six). `cancel` may be NULL. The texts are not
 * kept; features_free() the result.
 */
WARN_UNUSED enum err features_new(const char *const *texts, const size_t *sizes, size_t count,
				  const atomic_bool *cancel, struct features **ret,
				  struct err_msg *msg);
/* Rows of other texts under the vocabulary of `fitted`. */
WARN_UNUSED enum err features_like(const struct features *fitted, const char *const *texts,
				   const size_t *sizes, size_t count, struct features **ret,
				   struct err_msg *msg);
/* The same, given the vocabulary, of which the features keep a reference. */
WARN_UNUSED enum err features_weigh(struct vocabulary *vocabulary, const char *const *texts,
				    const size_t *sizes, size_t count, const atomic_bool *cancel,
				    struct features **ret, struct err_msg *msg);
void features_free(struct features *f);

size_t features_row_count(const struct features *f);
/* A view of the rows, valid as long as `f`. */
struct csr features_rows(const struct features *f);
/* Borrowed. */
struct vocabulary *features_vocabulary(const struct features *f);

/*
 * Sentence vectors of rows first .. first + count - 1 into `ret` (count,
 * EMBED_DIMENSIONS): the row under a fixed sparse random projection (Kane and
 * Nelson 2014: 16 entries of +-1 per term, drawn from the term's bucket),
 * L2-normalised; all zeros for a row without known terms. Cosines of vectors
 * under different vocabularies must not be compared.
 */
void features_embed(const struct features *f, size_t first, size_t count, float *ret);

#endif
