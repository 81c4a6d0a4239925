/*
 * Fine-tuning an encoder on labels that may be wrong.
 *
 * The loss of a batch is robust.h's, on the logits of the family's head: L_clean + w (L_mix +
 * L_cr_clean + L_cr_noisy); mixup mixes sentence states. Each of its parts can be switched off.
 * Batches hold texts and second views, sorted by length within a few batches' reach and packed.
 */
#ifndef FREEAL_TRAINER_ENCODER_TUNE_H
#define FREEAL_TRAINER_ENCODER_TUNE_H

#include "trainer/encoder/network.h"
#include "trainer/encoder/optimizer.h"
#include "trainer/encoder/rows.h"
#include "trainer/progress.h"
#include "trainer/robust.h"

enum tune_views {
	TUNE_VIEWS_NONE,  /* texts alone */
	TUNE_VIEWS_NOISY, /* the second view of noisy and unlabelled rows alone (consistency) */
	TUNE_VIEWS_ALL,
};

struct tune_config {
	uint32_t epochs;
	uint32_t batch_rows;
	double rate;	    /* 5e-5 */
	double rate_warmup; /* share of the steps */
	struct optimizer_config optimizer;
	struct robust_config
	    robust; /* ramp, warm-up, mixup shape, temperature, noisy weight, seed */
	bool mixup, consistency;
	enum tune_views views;
	bool paper; /* losses of all labelled rows before each epoch after the warm-up go to
		     * data->refit, and the clean set is what it says */
};

struct tune_config tune_config_default(void); /* the final training's */
struct tune_config tune_config_paper(void);   /* FreeAL's own (algorithm of the paper) */
struct tune_config tune_config_fold(void);    /* plain cross-entropy, one epoch: the cross-fit's */

struct tune_data {
	struct rows texts;
	const struct rows *second; /* second views; NULL: none; an empty row means none: then
				    * another dropout pass of the text stands for it */
	const int32_t *labels;	   /* (count) -1: unlabelled */
	const bool *clean;	   /* (count) or NULL: all that have a label */
	const bool *use;	   /* (count) rows to train on; NULL: all */
	size_t class_count;
	robust_refit_fn *refit;
	void *refit_context;
};

struct tune_result {
	double loss; /* mean of the last epoch's batches */
	uint64_t steps;
};

/*
 * Trains the network from its weights. After each epoch all that is needed to go on is written
 * to CHECKPOINT (a file; NULL: none), and read from there at the start where it is of the same
 * data, configuration and weights: the result is the same, bit for bit, with and without a stop.
 * ERR_CANCELLED within two seconds of a cancel. ERR_INVALID: the loss is not finite, with what
 * to do.
 */
enum err tune_run(struct network *n, const struct tune_data *data, const struct tune_config *config,
		  const struct progress *progress, const char *checkpoint,
		  struct tune_result *ret_result, struct err_msg *msg) WARN_UNUSED;

/* Class probabilities (rows, classes), no dropout; rows in any order of lengths. `losses` as
 * robust_refit_fn's may be made of them. */
enum err tune_predict(struct network *n, const struct rows *rows, const struct progress *progress,
		      float *ret_probs, struct err_msg *msg) WARN_UNUSED;
/* Mean-pooled vectors (rows, hidden), L2-normalised. */
enum err tune_embed(struct network *n, const struct rows *rows, const struct progress *progress,
		    float *ret_vectors, struct err_msg *msg) WARN_UNUSED;

/* What the network needs for such a training. */
struct network_limits tune_limits(const struct tune_config *config, const struct encoder_config *c,
				  size_t text_tokens_max, uint32_t frozen);

#endif
