/*
 * What the jobs of one job thread share: the features of the samples, computed once
 * for all folds of a round, each sample's fold, the vocabulary of the embeddings, the model to
 * predict with; under a model of type encoder its start checkpoint and the tokenised samples.
 */
#ifndef FREEAL_TRAINER_JOB_CONTEXT_H
#define FREEAL_TRAINER_JOB_CONTEXT_H

#include "llm/embedder.h"
#include "trainer/candidates.h"
#include "trainer/encoder/encoder.h"
#include "trainer/features.h"
#include "trainer/job.h"
#include "trainer/model.h"
#include "trainer/ngram.h"
#include "trainer/vectors.h"

struct job_context {
	struct dataset *dataset;
	const char *dir;
	const struct model_folders *models;
	uint32_t thread_count;
	uint64_t sample_count;	       /* that are trained on */
	struct features *features;     /* of samples 0 .. sample_count-1; NULL: none */
	struct vocabulary *vocabulary; /* a reference; of samples 0 .. vocabulary_count-1 */
	uint64_t vocabulary_count;
	uint32_t *folds; /* (sample_count) for this seed and number of folds */
	uint64_t fold_seed;
	uint32_t fold_count;
	struct model *model;	   /* PREDICT: the last one used; NULL: none */
	struct encoder *encoder;   /* the project's start checkpoint; NULL: not opened */
	struct embedder *embedder; /* the project's embeddings endpoint; NULL: not used yet */
	struct vectors vectors;	   /* kept ones of either, valid when it is open */
	struct encoder_data *data; /* samples 0 .. data_count-1; NULL: none */
	uint64_t data_count;
};

/* Below the trainer's folder: the kept vectors, and where an encoder's training stands. */
#define JOB_VECTORS_NAME "vectors"
#define JOB_TRAINING_NAME "training"

/* In all of these, `j->msg` says what went wrong. */

/* Makes the context's features those of samples 0 .. sample_count-1. */
enum err job_features_ensure(struct job *j, struct job_context *c,
			     uint64_t sample_count) WARN_UNUSED;
/* Makes the context's vocabulary that of samples 0 .. sample_count-1. */
enum err job_vocabulary_ensure(struct job *j, struct job_context *c,
			       uint64_t sample_count) WARN_UNUSED;
/* Makes the context's samples 0 .. sample_count-1 where no features are needed. */
void job_samples_set(struct job_context *c, uint64_t sample_count);
/* Makes the context's folds those of its samples. */
enum err job_folds_ensure(struct job *j, struct job_context *c, uint64_t seed,
			  uint32_t fold_count) WARN_UNUSED;
/* Labels of the context's samples after that many changes; free() them. Where a sample's label is
 * one of several it is -1, and those are in the sets (NULL: there are none). */
enum err job_labels_load(struct job *j, struct job_context *c, uint64_t change_count,
			 int32_t **ret_labels, struct candidates **ret_sets) WARN_UNUSED;
/* Gives samples with a set a label to train on, but for those `held_out` (sample_count). */
enum err job_candidates_fill(struct job *j, struct job_context *c, int32_t *labels,
			     const struct candidates *sets, const bool *held_out) WARN_UNUSED;
/* Gives held-out samples with a set the label that their probabilities (row_count, classes) say. */
void job_candidates_judge(int32_t *labels, const struct candidates *sets, const size_t *rows,
			  size_t row_count, const float *probabilities, size_t class_count);
enum err job_view_open(struct job *j, struct job_context *c, uint64_t first, size_t count,
		       struct dataset_view **ret_view) WARN_UNUSED;
/* Starts the stream `j->outcome.stream_name`, which the result then waits for. */
enum err job_stream_open(struct job *j, struct job_context *c) WARN_UNUSED;
enum err job_cancelled(struct job *j) WARN_UNUSED;

/* The checkpoint's faults are the user's to mend: our own data, which they would be taken for,
 * is sound. */
enum err job_encoder_error(enum err e);
/* Opens the start checkpoint of the job's project. */
enum err job_encoder_ensure(struct job *j, struct job_context *c) WARN_UNUSED;
/* Opens what the project's sentence vectors come from: its embeddings endpoint, or the start
 * checkpoint. Under neither there are none. */
enum err job_vectors_ensure(struct job *j, struct job_context *c) WARN_UNUSED;
/* Vectors (count, dimensions) of texts. */
enum err job_texts_embed(struct job *j, struct job_context *c, const char *const *texts,
			 const size_t *sizes, size_t count, const struct progress *progress,
			 float *ret_vectors) WARN_UNUSED;
/* Those of samples first .. first + count - 1, which are computed once and kept. */
enum err job_vectors_get(struct job *j, struct job_context *c, uint64_t first, size_t count,
			 float *ret_vectors) WARN_UNUSED;

/* Mean cross-entropy of those rows (NULL: all) that have a label; 0 without any. */
double job_rows_loss(const size_t *rows, size_t row_count, const int32_t *labels,
		     const float *probabilities, size_t class_count);

/* An encoder's two folds are made of so many, half of them each. */
#define JOB_ENCODER_FOLDS 10u

/* A fold, and the final training, under a model of type encoder. */
struct job_fold {
	const int32_t *labels; /* (sample_count) */
	const size_t *rows;    /* (row_count) held out, ascending */
	size_t row_count;
	float *probabilities; /* (row_count, classes) to be filled */
};
enum err job_encoder_fold(struct job *j, struct job_context *c,
			  const struct job_fold *fold) WARN_UNUSED;
/* Joins a linear model's view on the project's embeddings to the fold's probabilities. */
enum err job_embeddings_view(struct job *j, struct job_context *c,
			     const struct job_fold *fold) WARN_UNUSED;
struct job_final {
	const int32_t *labels; /* (sample_count) */
	const bool *clean;
	robust_refit_fn *refit; /* recipe "paper", or NULL */
	void *refit_context;
	const char *const *label_names;
};
enum err job_encoder_final(struct job *j, struct job_context *c,
			   const struct job_final *final) WARN_UNUSED;
/* Recipe "paper": the clean set is fitted again by the selector. */
struct job_refit {
	struct job *job;
	struct job_context *context;
	const int32_t *labels; /* (sample_count) */
};
enum err job_clean_refit(void *refit, uint32_t epoch, const float *losses, size_t row_count,
			 bool *clean);

/* The kinds of work. */
enum err job_embed(struct job *j, struct job_context *c) WARN_UNUSED;
enum err job_train(struct job *j, struct job_context *c) WARN_UNUSED;
enum err job_predict(struct job *j, struct job_context *c) WARN_UNUSED;

#endif
