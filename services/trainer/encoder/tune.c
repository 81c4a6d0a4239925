#include "trainer/encoder/tune.h"

#include "base/rng.h"
#include "math/softmax.h"
#include "trainer/encoder/tune_checkpoint.h"
#include "trainer/encoder/tune_pack.h"
#include "trainer/encoder/tune_plan.h"
#include "trainer/encoder/tune_predict.h"
#include "trainer/encoder/tune_step.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double tune_rate(uint32_t hidden)
{
	return hidden <= 512 ? 1e-4 : 5e-5;
}

/*
 * On a few hundred rows held-out labels were likeliest after 50 steps with two classes, 100 with
 * six where 40 % of the labels were wrong, and 300 (the most tried) with ten. Half as many left
 * the model undecided; with two and with six, two to three times as many made it too sure.
 */
#define CLASS_STEPS 40u

struct tune_config tune_config_fold(void)
{
	return (struct tune_config){
	    .epochs_min = 1,
	    .class_steps = CLASS_STEPS,
	    .batch_rows = 32,
	    .rate = 0.0,
	    .rate_warmup = 0.1,
	    .optimizer = optimizer_config_default(),
	    .robust = robust_config_default(),
	    .views = TUNE_VIEWS_NONE,
	    .cache_bytes_max = (size_t)1 << 30,
	};
}

/*
 * Rate, weight and parts are what gave held-out labels the highest likelihood. All labels count
 * alike: most of those outside the clean set are right, and hard rows teach most; the consistency
 * of their views is what keeps the model from being sure of the wrong ones. Mixup brought nothing.
 */
struct tune_config tune_config_default(void)
{
	struct tune_config config = tune_config_fold();
	config.epochs_min = 3;
	config.robust.noisy_weight = 1.0;
	config.consistency = true;
	config.views = TUNE_VIEWS_NOISY;
	return config;
}

/* Warm-up and ramp are the reference's 4 and 10 of 50 epochs. */
struct tune_config tune_config_paper(void)
{
	struct tune_config config = tune_config_default();
	config.epochs = 10;
	config.rate = 3e-5;
	config.rate_warmup = 0.0;
	config.mixup = true;
	config.views = TUNE_VIEWS_ALL;
	config.paper = true;
	config.robust.warmup_share = 0.08;
	config.robust.ramp_share = 0.2;
	config.robust.flatten = true;
	config.robust.noisy_weight = 0.0;
	return config;
}

uint32_t tune_epochs(const struct tune_config *config, size_t row_count, size_t class_count)
{
	size_t batches = tune_plan_batches(row_count, config->batch_rows);
	size_t steps = class_count > 1 ? (class_count - 1) * config->class_steps : 0;
	uint32_t epochs = config->epochs_min;
	if (config->epochs > 0)
		return config->epochs;
	while (epochs < TUNE_EPOCHS_MAX && epochs * batches < steps)
		epochs++;
	return epochs;
}

/* ---- limits ---- */

static int number_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x < y) - (x > y);
}

/* Tokens of the batch of the longest rows there are; 0: no memory to find out. */
static size_t batch_tokens(const struct tune_config *config, const struct tune_data *data)
{
	size_t count = data->texts.count, sum = 0;
	uint32_t *lengths = malloc((count + 1) * sizeof *lengths);
	for (size_t i = 0; lengths && i < count; i++) {
		size_t text = (size_t)(data->texts.offsets[i + 1] - data->texts.offsets[i]);
		size_t second = text;
		if (data->second && data->second->offsets[i + 1] > data->second->offsets[i])
			second = (size_t)(data->second->offsets[i + 1] - data->second->offsets[i]);
		bool used = !data->use || data->use[i];
		lengths[i] = used ? (uint32_t)(text + (config->views ? second : 0)) : 0;
	}
	if (lengths)
		qsort(lengths, count, sizeof *lengths, number_compare);
	for (size_t i = 0; lengths && i < count && i < config->batch_rows; i++)
		sum += lengths[i];
	free(lengths);
	return sum;
}

struct network_limits tune_limits(const struct tune_config *config, const struct tune_data *data,
				  size_t text_tokens_max, uint32_t frozen)
{
	struct network_limits limits = tune_predict_limits(text_tokens_max);
	size_t views = config->views ? 2 : 1, rows = config->batch_rows;
	size_t tokens = data ? batch_tokens(config, data) : 0;
	if (tokens == 0)
		tokens = rows * views * text_tokens_max;
	if (tokens > limits.tokens_max)
		limits.tokens_max = tokens;
	if (rows * views > limits.texts_max)
		limits.texts_max = rows * views;
	if (rows * 3 > limits.states_max)
		limits.states_max = rows * 3;
	limits.training = true;
	limits.frozen = frozen;
	return limits;
}

/* ---- run ---- */

struct run {
	struct network *network;
	const struct tune_data *data;
	const struct tune_config *config;
	const struct progress *progress;
	struct robust_config robust; /* with the epochs of `config` */
	struct tuner *tuner;
	struct tune_plan plan;
	uint32_t *rows, *lengths; /* (count) */
	float *losses;		  /* (count) of a pass for data->refit */
	float *logits;		  /* (count, classes) of it; NULL without one */
	uint64_t *first_steps;	  /* (epochs + 1) */
	double loss;		  /* the last epoch's */
};

static bool run_needs_pass(const struct run *r)
{
	return r->data->refit && r->config->paper;
}

/* Rows that take part in steps, once w is above 0. */
static size_t rows_count(const struct tune_config *config, const struct tune_data *data)
{
	bool any = config->consistency && config->views != TUNE_VIEWS_NONE;
	size_t rows = 0;
	for (size_t i = 0; i < data->texts.count; i++)
		rows += (!data->use || data->use[i]) && tune_tokens(&data->texts, i) > 0 &&
			(any || data->labels[i] >= 0);
	return rows;
}

static enum err run_init(struct run *r, struct err_msg *msg)
{
	size_t count = r->data->texts.count;
	enum err err = tuner_new(r->network, r->data, r->config, r->progress, &r->tuner, msg);
	if (err)
		return err;
	r->rows = malloc((count + 1) * sizeof *r->rows);
	r->lengths = malloc((count + 1) * sizeof *r->lengths);
	r->losses = malloc((count + 1) * sizeof *r->losses);
	r->first_steps = calloc((size_t)r->config->epochs + 1, sizeof *r->first_steps);
	if (run_needs_pass(r))
		r->logits = malloc((count * r->data->class_count + 1) * sizeof *r->logits);
	err = tune_plan_init(&r->plan, count, r->config->batch_rows);
	if (err || !r->rows || !r->lengths || !r->losses || !r->first_steps ||
	    (run_needs_pass(r) && !r->logits))
		return err_set(msg, ERR_NO_MEMORY, "no memory for training");
	for (uint32_t e = 0; e < r->config->epochs; e++)
		r->first_steps[e + 1] =
		    r->first_steps[e] +
		    tune_plan_batches(tuner_rows(r->tuner, e, r->rows), r->config->batch_rows);
	return ERR_OK;
}

static void run_done(struct run *r)
{
	tuner_free(r->tuner);
	tune_plan_done(&r->plan);
	free(r->rows);
	free(r->lengths);
	free(r->losses);
	free(r->logits);
	free(r->first_steps);
}

/* Cross-entropies of the rows that are trained on and labelled, without dropout. */
static enum err losses_pass(struct run *r)
{
	const struct tune_data *d = r->data;
	size_t count = 0, classes = d->class_count;
	/* The steps' progress is what is shown. */
	struct progress silent = {.cancel = r->progress ? r->progress->cancel : NULL};
	for (size_t i = 0; i < d->texts.count; i++) {
		r->losses[i] = NAN;
		if (d->labels[i] >= 0 && (!d->use || d->use[i]))
			r->rows[count++] = (uint32_t)i;
	}
	enum err err = tune_logits(r->network, &d->texts, r->rows, count, &silent, r->logits);
	for (size_t i = 0; !err && i < count; i++) {
		const float *logits = r->logits + i * classes;
		r->losses[r->rows[i]] = (float)(softmax_log_sum(logits, classes) -
						(double)logits[d->labels[r->rows[i]]]);
	}
	return err;
}

/* The epoch's clean set. */
static enum err epoch_clean(struct run *r, uint32_t epoch, struct err_msg *msg)
{
	const struct tune_data *d = r->data;
	bool *clean = tuner_clean(r->tuner);
	size_t count = d->texts.count;
	bool warm = robust_warm(&r->robust, epoch);
	if (!warm && d->refit) {
		enum err err = ERR_OK;
		if (r->config->paper)
			err = losses_pass(r);
		else
			memcpy(r->losses, tuner_losses(r->tuner), count * sizeof *r->losses);
		if (!err)
			err = d->refit(d->refit_context, epoch, r->losses, count, clean);
		if (err)
			return err_set(msg, err, "a new clean set for epoch %u: %s", epoch,
				       err_str(err));
	}
	for (size_t i = 0; i < count; i++) {
		if (warm)
			clean[i] = true;
		else if (!d->refit)
			clean[i] = !d->clean || d->clean[i];
		clean[i] = clean[i] && d->labels[i] >= 0;
	}
	return ERR_OK;
}

static double losses_mean(const float *losses, size_t count)
{
	double sum = 0.0;
	size_t known = 0;
	for (size_t i = 0; i < count; i++)
		if (!isnan(losses[i])) {
			sum += losses[i];
			known++;
		}
	return known ? sum / (double)known : 0.0;
}

static enum err epoch_steps(struct run *r, uint32_t epoch, struct err_msg *msg)
{
	const struct tune_config *c = r->config;
	uint64_t steps = r->first_steps[c->epochs];
	uint64_t warmup = (uint64_t)(c->rate_warmup * (double)steps);
	for (size_t b = 0; b < r->plan.batch_count; b++) {
		uint64_t step = r->first_steps[epoch] + b;
		size_t count;
		double loss;
		const uint32_t *rows = tune_plan_batch(&r->plan, b, &count);
		if (progress_cancelled(r->progress))
			return err_set(msg, ERR_CANCELLED, "training was cancelled");
		progress_set(r->progress, (size_t)step, (size_t)steps);
		enum err err = tuner_step(r->tuner, rows, count, epoch, step,
					  optimizer_rate(c->rate, step, warmup, steps), &loss, msg);
		if (err)
			return err;
	}
	return ERR_OK;
}

static enum err epoch_train(struct run *r, uint32_t epoch, struct err_msg *msg)
{
	const struct tune_data *d = r->data;
	size_t count = d->texts.count;
	float *losses = tuner_losses(r->tuner);
	struct rng rng = rng_make(hash_mix(r->robust.seed, 0x65706f6368ULL + epoch));
	enum err err = epoch_clean(r, epoch, msg);
	if (err)
		return err;
	for (size_t i = 0; i < count; i++)
		losses[i] = NAN;
	size_t row_count = tuner_rows(r->tuner, epoch, r->rows);
	tuner_lengths(r->tuner, epoch, r->lengths);
	tune_plan_make(&r->plan, r->rows, row_count, r->lengths, &rng);
	network_cancel(r->network, r->progress ? r->progress->cancel : NULL);
	err = epoch_steps(r, epoch, msg);
	network_cancel(r->network, NULL);
	if (err)
		return err;
	r->loss = losses_mean(losses, count);
	if (d->epoch_done && (err = d->epoch_done(d->epoch_context, epoch, losses, count)))
		return err_set(msg, err, "after epoch %u: %s", epoch, err_str(err));
	return ERR_OK;
}

/* From the checkpoint's epoch, or the first. */
static enum err run_epochs(struct run *r, const char *path, uint64_t identity, struct err_msg *msg)
{
	struct tune_checkpoint at = {.identity = identity};
	size_t count = r->data->texts.count;
	enum err err = ERR_OK;
	if (path) {
		err = tune_checkpoint_load(path, identity, r->network, r->tuner, count, &at, msg);
		if (err == ERR_NOT_FOUND)
			err = ERR_OK;
		r->loss = at.loss;
	}
	while (!err && at.epoch < r->config->epochs) {
		err = epoch_train(r, at.epoch, msg);
		at.epoch++;
		at.loss = r->loss;
		if (!err && path)
			err = tune_checkpoint_save(path, &at, r->network, r->tuner, count, msg);
	}
	return err;
}

enum err tune_run(struct network *n, const struct tune_data *data, const struct tune_config *config,
		  const struct progress *progress, const char *checkpoint,
		  struct tune_result *ret_result, struct err_msg *msg)
{
	struct tune_config own = *config;
	if (own.rate <= 0.0)
		own.rate = tune_rate(network_parameters(n)->config.hidden);
	own.epochs = tune_epochs(config, rows_count(config, data), data->class_count);
	config = &own;
	struct run r = {.network = n,
			.data = data,
			.config = config,
			.progress = progress,
			.robust = config->robust};
	r.robust.epochs = config->epochs;
	/* Before anything changes the weights. */
	uint64_t identity = checkpoint ? tune_identity(n, data, config) : 0;
	enum err err = run_init(&r, msg);
	if (!err)
		err = run_epochs(&r, checkpoint, identity, msg);
	if (!err) {
		uint64_t steps = r.first_steps[config->epochs];
		progress_set(progress, (size_t)steps, (size_t)steps);
		*ret_result = (struct tune_result){.loss = r.loss, .steps = steps};
	}
	run_done(&r);
	return err;
}
