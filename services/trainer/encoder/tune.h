/*
 * Fine-tuning an encoder on labels that may be wrong.
 *
 * The loss of a batch is robust.h's, on the logits of the family's head: L_clean + w (L_mix +
 * L_cr_clean + L_cr_noisy), and the noisy rows' labels with their small weight; mixup mixes
 * sentence states. Each of its parts can be switched off. Batches hold texts and second views,
 * packed; rows are dealt out by length within some batches' reach, so that batches have about as
 * many tokens each. A seed, a team's size and an engine give one result.
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
	uint32_t epochs; /* 0: by the numbers of rows and classes, tune_epochs */
	uint32_t epochs_min;
	uint32_t class_steps; /* for each class but the first */
	uint32_t batch_rows;
	double rate;	    /* 0: by the network's width, tune_rate */
	double rate_warmup; /* share of the steps; then the rate falls linearly to 0 */
	struct optimizer_config optimizer;
	/* Warm-up, ramp, mixup shape, temperature, noisy weight, flatten and seed of it count. */
	struct robust_config robust;
	bool mixup;	  /* L_mix */
	bool consistency; /* L_cr_noisy; needs the views of noisy rows */
	enum tune_views views;
	bool paper; /* data->refit gets losses of a pass of its own, without dropout; else those of
		     * the epoch before, as training made them */
	size_t cache_bytes_max; /* frozen layers' states of all rows are kept if they fit in */
};

/* 1e-4 up to 512 hidden columns, 5e-5 above: wider networks take smaller steps. */
double tune_rate(uint32_t hidden);

struct tune_config tune_config_default(void); /* the final training's */
struct tune_config tune_config_paper(void);   /* FreeAL's own (algorithm of the paper) */
struct tune_config tune_config_fold(void);    /* plain cross-entropy: the cross-fit's */

/* Few rows make no more epochs than that. */
#define TUNE_EPOCHS_MAX 20

/*
 * The epochs of a training on row_count rows: the config's own, or else epochs_min, or as many more
 * as make class_steps steps for each class but the first, TUNE_EPOCHS_MAX at most. Rows are those
 * that take part: labelled ones, and others where their consistency counts.
 */
uint32_t tune_epochs(const struct tune_config *config, size_t row_count, size_t class_count);

/* After each epoch: `losses` (count) are the labelled rows' cross-entropies as the epoch's passes
 * over their texts made them, with dropout; NAN: the row had none. What it returns ends the
 * training unless ERR_OK. */
typedef enum err tune_epoch_fn(void *context, uint32_t epoch, const float *losses, size_t count);

struct tune_data {
	struct rows texts;	   /* a row without ids is left out */
	const struct rows *second; /* second views; NULL: none; an empty row means none: then
				    * another dropout pass of the text stands for it */
	const int32_t *labels;	   /* (count) -1: unlabelled */
	const bool *clean;	   /* (count) or NULL: all that have a label */
	const bool *use;	   /* (count) rows to train on; NULL: all */
	size_t class_count;
	robust_refit_fn *refit; /* or NULL: the clean set is fixed */
	void *refit_context;
	tune_epoch_fn *epoch_done; /* or NULL */
	void *epoch_context;
};

struct tune_result {
	double loss; /* mean cross-entropy of the labelled rows in the last epoch */
	uint64_t steps;
};

/*
 * Trains the network from its weights. After each epoch all that is needed to go on is written
 * to CHECKPOINT (a file; NULL: none), and read from there at the start where it is of the same
 * data, configuration, team and weights: the result is the same, bit for bit, with and without a
 * stop. A file that is of something else or damaged is written over. It stays there afterwards:
 * the caller removes it once the result is safe.
 * ERR_CANCELLED within two seconds of a cancel. ERR_INVALID: the loss is not finite, with what
 * to do. After an error the network's weights are of no use.
 */
enum err tune_run(struct network *n, const struct tune_data *data, const struct tune_config *config,
		  const struct progress *progress, const char *checkpoint,
		  struct tune_result *ret_result, struct err_msg *msg) WARN_UNUSED;

/* Class probabilities (rows, classes), no dropout; rows in any order of lengths. A row without
 * ids gets the same for each class. ERR_INVALID: one is not finite. */
enum err tune_predict(struct network *n, const struct rows *rows, const struct progress *progress,
		      float *ret_probs, struct err_msg *msg) WARN_UNUSED;
/* The same of the rows `which` (count) alone: ret (count, classes). */
enum err tune_predict_some(struct network *n, const struct rows *rows, const uint32_t *which,
			   size_t count, const struct progress *progress, float *ret_probs,
			   struct err_msg *msg) WARN_UNUSED;
/* Mean-pooled vectors (rows, hidden), L2-normalised; 0 for a row without ids. */
enum err tune_embed(struct network *n, const struct rows *rows, const struct progress *progress,
		    float *ret_vectors, struct err_msg *msg) WARN_UNUSED;

/* What the network needs for such a training on `data` (NULL: on any texts), and for predicting
 * texts of up to text_tokens_max. */
struct network_limits tune_limits(const struct tune_config *config, const struct tune_data *data,
				  size_t text_tokens_max, uint32_t frozen);
/* The same for predicting and embedding alone. */
struct network_limits tune_predict_limits(size_t text_tokens_max);

#endif
