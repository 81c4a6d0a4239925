/*
 * What the jobs of one job thread share: the features of the samples, computed once
 * for all folds of a round, each sample's fold, the vocabulary of the embeddings, and the
 * model to predict with.
 */
#ifndef FREEAL_TRAINER_JOB_CONTEXT_H
#define FREEAL_TRAINER_JOB_CONTEXT_H

#include "trainer/features.h"
#include "trainer/job.h"
#include "trainer/ngram.h"

struct job_context {
	struct dataset *dataset;
	const char *dir;
	const struct model_folders *models;
	uint32_t thread_count;
	struct features *features; /* of samples 0 .. sample_count-1; NULL: none */
	uint64_t sample_count;
	struct vocabulary *vocabulary; /* a reference; of samples 0 .. vocabulary_count-1 */
	uint64_t vocabulary_count;
	uint32_t *folds; /* (sample_count) for this seed and number of folds */
	uint64_t fold_seed;
	uint32_t fold_count;
	struct ngram *model; /* PREDICT: the last one used; NULL: none */
	uint64_t model_checksum;
};

/* In all of these, `j->msg` says what went wrong. */

/* Makes the context's features those of samples 0 .. sample_count-1. */
enum err job_features_ensure(struct job *j, struct job_context *c,
			     uint64_t sample_count) WARN_UNUSED;
/* Makes the context's vocabulary that of samples 0 .. sample_count-1. */
enum err job_vocabulary_ensure(struct job *j, struct job_context *c,
			       uint64_t sample_count) WARN_UNUSED;
/* Makes the context's folds those of its samples. */
enum err job_folds_ensure(struct job *j, struct job_context *c, uint64_t seed,
			  uint32_t fold_count) WARN_UNUSED;
/* Labels of the context's samples after that many changes; free() them. */
enum err job_labels_load(struct job *j, struct job_context *c, uint64_t change_count,
			 int32_t **ret_labels) WARN_UNUSED;
enum err job_view_open(struct job *j, struct job_context *c, uint64_t first, size_t count,
		       struct dataset_view **ret_view) WARN_UNUSED;
/* Starts the stream `j->outcome.stream_name`, which the result then waits for. */
enum err job_stream_open(struct job *j, struct job_context *c) WARN_UNUSED;
enum err job_cancelled(struct job *j) WARN_UNUSED;

/* The kinds of work. */
enum err job_embed(struct job *j, struct job_context *c) WARN_UNUSED;
enum err job_train(struct job *j, struct job_context *c) WARN_UNUSED;
enum err job_predict(struct job *j, struct job_context *c) WARN_UNUSED;

#endif
