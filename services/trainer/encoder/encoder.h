/*
 * The small model `encoder`, as the trainer's jobs use it: a start checkpoint in Hugging Face
 * layout, from which vectors, out-of-fold probabilities and final models are made; or a model
 * that was trained.
 */
#ifndef FREEAL_TRAINER_ENCODER_ENCODER_H
#define FREEAL_TRAINER_ENCODER_ENCODER_H

#include "trainer/encoder/tune.h"
#include "trainer/encoder/weights.h"

struct encoder;

struct encoder_options {
	size_t thread_count;
	int precision;	     /* enum precision, or -1: the best that the processor has */
	uint32_t tokens_max; /* longer texts are cut; 0: 128, or what the checkpoint can do */
	uint32_t frozen;     /* lowest layers that are not trained */
};

/* Checks config, tokenizer and weights file of the folder (weights are read when needed).
 * ERR_INVALID also: options that the checkpoint or the processor can't do. */
enum err encoder_open(const char *folder, const struct encoder_options *options,
		      struct encoder **ret_encoder, struct err_msg *msg) WARN_UNUSED;
void encoder_free(struct encoder *e);
uint32_t encoder_dimensions(const struct encoder *e);
uint32_t encoder_tokens_max(const struct encoder *e);

/* Vectors (count, dimensions) of texts, mean-pooled, from the start checkpoint, whose weights are
 * kept for the next call (until there is a training). */
enum err encoder_embed(struct encoder *e, const char *const *texts, const size_t *sizes,
		       size_t count, const struct progress *progress, float *ret_vectors,
		       struct err_msg *msg) WARN_UNUSED;

/* A training set, tokenised once; borrowed texts are not kept. */
struct encoder_data;
enum err encoder_data_new(struct encoder *e, const char *const *texts, const size_t *sizes,
			  const char *const *second, const size_t *second_sizes, size_t count,
			  struct encoder_data **ret_data, struct err_msg *msg) WARN_UNUSED;
void encoder_data_free(struct encoder_data *d);
/* How many of the texts and second views were longer than tokens_max, and cut. */
size_t encoder_data_cut(const struct encoder_data *d);

/* Trains on the rows that are labelled and where `held_out` is false, from the start checkpoint;
 * writes the probabilities of the held-out rows, in order, to ret_probs. Without any such row all
 * classes get the same. CHECKPOINT as tune_run's: the caller removes it. ERR_LIMIT: more memory
 * than there is; the message says what helps. */
enum err encoder_fold_train(struct encoder *e, const struct encoder_data *d, const int32_t *labels,
			    const bool *held_out, size_t class_count,
			    const struct tune_config *config, const struct progress *progress,
			    const char *checkpoint, float *ret_probs,
			    struct err_msg *msg) WARN_UNUSED;

struct encoder_training {
	const struct encoder_data *data;
	const int32_t *labels;
	const bool *clean;
	size_t class_count;
	robust_refit_fn *refit; /* recipe "paper" */
	void *refit_context;
	tune_epoch_fn *epoch_done; /* or NULL */
	void *epoch_context;
	const char *const *label_names;
	const char *folder; /* where the model goes */
};
/* The final training; the model lies in `folder` afterwards. `ret_loss`: mean cross-entropy of
 * the labelled rows in the last epoch. CHECKPOINT and ERR_LIMIT as above. */
enum err encoder_train(struct encoder *e, const struct encoder_training *t,
		       const struct tune_config *config, const struct progress *progress,
		       const char *checkpoint, uint64_t *ret_checksum, double *ret_loss,
		       struct err_msg *msg) WARN_UNUSED;

/* A trained model. */
enum err encoder_model_open(const char *folder, const struct encoder_options *options,
			    struct encoder **ret_encoder, struct weights_labels *ret_labels,
			    uint64_t *ret_checksum, struct err_msg *msg) WARN_UNUSED;
/* Class probabilities (count, classes) of texts, by a trained model. */
enum err encoder_predict(struct encoder *e, const char *const *texts, const size_t *sizes,
			 size_t count, const struct progress *progress, float *ret_probs,
			 struct err_msg *msg) WARN_UNUSED;

/* What training with it takes at most; for doctor. A training is refused by what its own texts
 * need. */
struct encoder_needs {
	size_t parameter_count;
	size_t train_bytes, predict_bytes;
	size_t memory_bytes; /* that this machine or container has */
};
enum err encoder_needs(const struct encoder *e, size_t class_count,
		       const struct tune_config *config, struct encoder_needs *ret_needs,
		       struct err_msg *msg) WARN_UNUSED;

#endif
