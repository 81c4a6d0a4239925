/*
 * The small model `ngram`: linear views over hashed n-grams, put together by the
 * geometric mean of their probabilities.
 *
 * The views are complement naive Bayes (Rennie et al. 2003) with a few rounds of
 * self-training on the unlabelled rows, and multinomial logistic regression.
 * Classes weigh the same whatever their number of rows. A class that no label
 * names gets probability 0; without any label all get the same.
 * Results depend on the arguments alone, not on the number of threads.
 */
#ifndef FREEAL_TRAINER_NGRAM_H
#define FREEAL_TRAINER_NGRAM_H

#include "base/err.h"
#include "trainer/features.h"
#include "trainer/progress.h"
#include "trainer/robust.h"

#include <stddef.h>
#include <stdint.h>

struct ngram_config {
	double smoothing;	  /* naive Bayes: added to each complement count */
	uint32_t self_rounds;	  /* rounds of self-training */
	double unlabelled_weight; /* of an unlabelled row there, a labelled one being 1 */
	double inverse_penalty;	  /* logistic regression: scikit-learn's C */
	uint32_t iterations_max;  /* of its solver */
	double tolerance;	  /* of its solver: gradient, relative to the first */
	uint32_t thread_count;
	struct robust_config robust; /* the final training's */
};

struct ngram_config ngram_config_default(void);

/* A sample's fold, 0 .. fold_count-1: depends on seed, id and fold_count alone. */
uint32_t fold_of(uint64_t seed, const void *id, size_t id_size, uint32_t fold_count);

/*
 * Trains on the labelled rows of all folds but `fold` and writes the class
 * probabilities of that fold's rows, in ascending order of row, to `ret_probs`
 * (rows of the fold, class_count). `labels` (rows): -1 where there is none; those
 * of the fold's own rows are not looked at. `folds` (rows).
 */
WARN_UNUSED enum err ngram_fold_train(const struct features *f, const int32_t *labels,
				      const uint32_t *folds, uint32_t fold, size_t class_count,
				      const struct ngram_config *config,
				      const struct progress *progress, float *ret_probs,
				      struct err_msg *msg);

struct ngram;

/* What the final training sees. */
struct ngram_training {
	const struct features *features;
	const struct features *augmented; /* the rows' second views under the same vocabulary,
					   * or NULL: feature dropout makes them; an empty row
					   * stands for "none" and gets dropout too */
	const int32_t *labels;		  /* (rows) -1: unlabelled */
	const bool *clean;		  /* (rows) or NULL: all that have a label */
	size_t class_count;
	/* `recipe: paper`; see robust.h. NULL: the clean set is fixed. */
	robust_refit_fn *refit;
	void *refit_context;
};

/* ngram_free() the result. */
WARN_UNUSED enum err ngram_train(const struct ngram_training *training,
				 const struct ngram_config *config, const struct progress *progress,
				 struct ngram **ret, struct err_msg *msg);
void ngram_free(struct ngram *m);

size_t ngram_class_count(const struct ngram *m);
/* Class probabilities of rows under the model's vocabulary: (rows, class_count). */
void ngram_predict_rows(const struct ngram *m, const struct features *f, size_t thread_count,
			float *ret_probs);
/* Class probabilities of texts (UTF-8): (count, class_count). */
WARN_UNUSED enum err ngram_predict(const struct ngram *m, const char *const *texts,
				   const size_t *sizes, size_t count, float *ret_probs,
				   struct err_msg *msg);

/* The parts a checkpoint holds; borrowed. */
struct ngram_parts {
	struct vocabulary *vocabulary;
	size_t class_count;
	const float *weights; /* (columns, class_count) */
	const float *bias;    /* (class_count) */
};

struct ngram_parts ngram_parts(const struct ngram *m);
/* Copies the parts and takes a reference of the vocabulary. */
WARN_UNUSED enum err ngram_restore(const struct ngram_parts *parts, struct ngram **ret);

#endif
