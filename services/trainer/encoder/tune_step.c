#include "trainer/encoder/tune_step.h"

#include "base/rng.h"
#include "trainer/encoder/ranks.h"
#include "trainer/encoder/tune_cache.h"
#include "trainer/encoder/tune_loss.h"
#include "trainer/encoder/tune_pack.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VIEW_MIXTURE TUNE_VIEW_COUNT /* the third thing of a row that has a dropout key */

struct tuner {
	struct network *network;
	const struct tune_data *data;
	const struct tune_config *config;
	const struct progress *progress;
	struct robust_config robust; /* with the epochs of `config` */
	struct optimizer *optimizer;
	struct ranks *ranks;
	struct tune_cache cache;
	bool *clean;   /* (rows) */
	float *losses; /* (rows) */
	struct tune_pack pack;
	float *states; /* (tokens_max, hidden) of the cache; NULL without one */
	/* One step. */
	struct tune_member *members;	  /* (batch_rows) */
	struct tune_mixture *mixtures;	  /* (batch_rows) */
	uint32_t *partners;		  /* (batch_rows) */
	float *member_losses;		  /* (batch_rows) */
	uint64_t *keys;			  /* (3 * batch_rows) */
	float *sentences, *dsentences;	  /* (3 * batch_rows, hidden) */
	float *logits, *dlogits, *target; /* (3 * batch_rows, classes), (classes) */
	size_t member_count, mixture_count;
	double mixture_share;
};

/* ---- which rows and views ---- */

/* Whether a row has a second view in steps of that w. */
static bool row_second(const struct tuner *t, bool clean, double ramp)
{
	const struct tune_config *c = t->config;
	if (ramp <= 0.0 || c->views == TUNE_VIEWS_NONE)
		return false;
	return clean ? c->views == TUNE_VIEWS_ALL : c->consistency;
}

static double noisy_weight(const struct tuner *t)
{
	return t->data->refit ? 0.0 : t->robust.noisy_weight;
}

static bool row_counts(const struct tuner *t, uint32_t row, bool clean, double ramp)
{
	bool noisy = t->data->labels[row] >= 0 && noisy_weight(t) > 0.0;
	return clean || noisy || row_second(t, clean, ramp);
}

static bool row_usable(const struct tuner *t, size_t row)
{
	return (!t->data->use || t->data->use[row]) && tune_tokens(&t->data->texts, row) > 0;
}

/* The clean set of an epoch, as far as it is known before. */
static bool row_clean(const struct tuner *t, uint32_t epoch, size_t row)
{
	if (t->data->labels[row] < 0)
		return false;
	return robust_warm(&t->robust, epoch) || !t->data->clean || t->data->clean[row];
}

size_t tuner_rows(const struct tuner *t, uint32_t epoch, uint32_t *ret_rows)
{
	double ramp = robust_ramp(&t->robust, epoch);
	size_t count = 0;
	for (size_t i = 0; i < t->data->texts.count; i++) {
		bool any_label = t->data->refit && t->data->labels[i] >= 0;
		if (row_usable(t, i) &&
		    (any_label || row_counts(t, (uint32_t)i, row_clean(t, epoch, i), ramp)))
			ret_rows[count++] = (uint32_t)i;
	}
	return count;
}

/* What stands for the row's second view, and of which view's rows. */
static const struct rows *second_rows(const struct tuner *t, size_t row, size_t *ret_view)
{
	const struct tune_data *d = t->data;
	bool given = d->second && tune_tokens(d->second, row) > 0;
	*ret_view = given ? TUNE_VIEW_SECOND : TUNE_VIEW_TEXT;
	return given ? d->second : &d->texts;
}

void tuner_lengths(const struct tuner *t, uint32_t epoch, uint32_t *ret_lengths)
{
	double ramp = robust_ramp(&t->robust, epoch);
	size_t view;
	for (size_t i = 0; i < t->data->texts.count; i++) {
		size_t tokens = tune_tokens(&t->data->texts, i);
		if (row_second(t, t->clean[i], ramp))
			tokens += tune_tokens(second_rows(t, i, &view), i);
		ret_lengths[i] = (uint32_t)tokens;
	}
}

/* ---- new and free ---- */

static enum err cache_fill(struct tuner *t)
{
	const struct tune_data *d = t->data;
	const struct rows *views[TUNE_VIEW_COUNT] = {&d->texts, d->second};
	size_t count = d->texts.count;
	bool *needed = calloc(2 * count + 1, sizeof *needed);
	if (!needed)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		needed[i] = row_usable(t, i);
		bool clean = row_clean(t, t->config->epochs, i);
		needed[count + i] = needed[i] && (row_second(t, clean, 1.0) ||
						  (d->refit && row_second(t, !clean, 1.0)));
	}
	const bool *const needs[TUNE_VIEW_COUNT] = {needed, needed + count};
	enum err err = tune_cache_init(&t->cache, t->network, views, needs,
				       t->config->cache_bytes_max, t->progress);
	free(needed);
	return err;
}

static enum err tuner_allocate(struct tuner *t)
{
	const struct network_limits *limits = network_limits(t->network);
	size_t rows = t->data->texts.count + 1, batch = t->config->batch_rows;
	size_t hidden = network_parameters(t->network)->config.hidden;
	size_t classes = t->data->class_count;
	t->clean = calloc(rows, sizeof *t->clean);
	t->losses = malloc(rows * sizeof *t->losses);
	t->members = calloc(batch, sizeof *t->members);
	t->mixtures = calloc(batch, sizeof *t->mixtures);
	t->partners = calloc(batch, sizeof *t->partners);
	t->member_losses = calloc(batch, sizeof *t->member_losses);
	t->keys = calloc(3 * batch, sizeof *t->keys);
	t->sentences = calloc(3 * batch * hidden, sizeof *t->sentences);
	t->dsentences = calloc(3 * batch * hidden, sizeof *t->dsentences);
	t->logits = calloc(3 * batch * classes, sizeof *t->logits);
	t->dlogits = calloc(3 * batch * classes, sizeof *t->dlogits);
	t->target = calloc(classes, sizeof *t->target);
	if (!t->clean || !t->losses || !t->members || !t->mixtures || !t->partners ||
	    !t->member_losses || !t->keys || !t->sentences || !t->dsentences || !t->logits ||
	    !t->dlogits || !t->target)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i + 1 < rows; i++) {
		t->losses[i] = NAN;
		t->clean[i] = t->data->labels[i] >= 0 && (!t->data->clean || t->data->clean[i]);
	}
	enum err err = tune_pack_init(&t->pack, limits->texts_max, limits->tokens_max);
	if (!err)
		err = optimizer_new(t->network, &t->config->optimizer, &t->optimizer);
	if (!err)
		err = cache_fill(t);
	if (!err && t->cache.states) {
		t->states = malloc(limits->tokens_max * hidden * sizeof *t->states);
		err = t->states ? ERR_OK : ERR_NO_MEMORY;
	}
	return err;
}

enum err tuner_new(struct network *n, const struct tune_data *data,
		   const struct tune_config *config, const struct progress *progress,
		   struct tuner **ret_tuner, struct err_msg *msg)
{
	const struct network_limits *limits = network_limits(n);
	assert(config->batch_rows > 0 && data->class_count >= 2);
	assert(network_parameters(n)->class_count == data->class_count);
	assert(limits->training && limits->states_max >= 3 * (size_t)config->batch_rows);
	struct tuner *t = calloc(1, sizeof *t);
	if (!t)
		return err_set(msg, ERR_NO_MEMORY, "no memory for training");
	t->network = n;
	t->data = data;
	t->config = config;
	t->progress = progress;
	t->robust = config->robust;
	t->robust.epochs = config->epochs;
	enum err err = tuner_allocate(t);
	if (err)
		(void)err_set(msg, err, "preparing the training: %s", err_str(err));
	else
		err = ranks_new(n, t->optimizer, &config->optimizer, &t->ranks, msg);
	if (err) {
		tuner_free(t);
		return err;
	}
	*ret_tuner = t;
	return ERR_OK;
}

void tuner_free(struct tuner *t)
{
	if (!t)
		return;
	ranks_free(t->ranks);
	optimizer_free(t->optimizer);
	tune_cache_done(&t->cache);
	tune_pack_done(&t->pack);
	free(t->clean);
	free(t->losses);
	free(t->states);
	free(t->members);
	free(t->mixtures);
	free(t->partners);
	free(t->member_losses);
	free(t->keys);
	free(t->sentences);
	free(t->dsentences);
	free(t->logits);
	free(t->dlogits);
	free(t->target);
	free(t);
}

bool *tuner_clean(struct tuner *t)
{
	return t->clean;
}

float *tuner_losses(struct tuner *t)
{
	return t->losses;
}

struct optimizer *tuner_optimizer(struct tuner *t)
{
	return t->optimizer;
}

/* ---- a step ---- */

static uint64_t text_key(uint32_t row, size_t view)
{
	return (uint64_t)row * (VIEW_MIXTURE + 1) + view;
}

/* Adds a text to the pack, and its states where they are kept. `key_view` names it to dropout. */
static size_t text_add(struct tuner *t, const struct rows *rows, size_t rows_view, uint32_t row,
		       size_t key_view)
{
	size_t at = t->pack.tokens, hidden = t->cache.hidden;
	size_t place = tune_pack_add(&t->pack, rows, row, text_key(row, key_view));
	if (t->states)
		memcpy(t->states + at * hidden, tune_cache_states(&t->cache, rows_view, row),
		       (t->pack.tokens - at) * hidden * sizeof *t->states);
	return place;
}

/* The rows that count as members, their texts first in the pack, then the second views. */
static void members_make(struct tuner *t, const uint32_t *rows, size_t count, double ramp)
{
	tune_pack_clear(&t->pack);
	t->member_count = 0;
	for (size_t i = 0; i < count; i++) {
		bool clean = t->clean[rows[i]];
		if (!row_counts(t, rows[i], clean, ramp))
			continue;
		struct tune_member *m = &t->members[t->member_count++];
		*m = (struct tune_member){.row = rows[i],
					  .label = t->data->labels[rows[i]],
					  .clean = clean,
					  .second = TUNE_NO_TEXT};
		m->text = text_add(t, &t->data->texts, TUNE_VIEW_TEXT, rows[i], TUNE_VIEW_TEXT);
	}
	for (size_t i = 0; i < t->member_count; i++) {
		struct tune_member *m = &t->members[i];
		size_t view;
		if (!row_second(t, m->clean, ramp))
			continue;
		const struct rows *second = second_rows(t, m->row, &view);
		m->second = text_add(t, second, view, m->row, TUNE_VIEW_SECOND);
	}
}

/* Each clean member with another one, or itself. */
static void mixtures_make(struct tuner *t, double ramp, uint64_t step)
{
	struct rng rng = rng_make(hash_mix(hash_mix(t->robust.seed, 0x6d69787570ULL), step));
	t->mixture_share = robust_mixup_share(&t->robust, &rng);
	t->mixture_count = 0;
	for (size_t i = 0; t->config->mixup && ramp > 0.0 && i < t->member_count; i++)
		if (t->members[i].clean) {
			t->mixtures[t->mixture_count].a = i;
			t->partners[t->mixture_count++] = (uint32_t)i;
		}
	rng_shuffle(&rng, t->partners, t->mixture_count);
	for (size_t i = 0; i < t->mixture_count; i++)
		t->mixtures[i].b = t->partners[i];
}

static void mixtures_forward(struct tuner *t, size_t hidden)
{
	float a_share = (float)t->mixture_share, b_share = 1.0f - a_share;
	for (size_t i = 0; i < t->mixture_count; i++) {
		const struct tune_member *first = &t->members[t->mixtures[i].a];
		const float *a = t->sentences + first->text * hidden;
		const float *b = t->sentences + t->members[t->mixtures[i].b].text * hidden;
		float *mixed = t->sentences + (t->pack.texts + i) * hidden;
		for (size_t j = 0; j < hidden; j++)
			mixed[j] = a_share * a[j] + b_share * b[j];
		t->keys[t->pack.texts + i] = text_key(first->row, VIEW_MIXTURE);
	}
	memcpy(t->keys, t->pack.keys, t->pack.texts * sizeof *t->keys);
}

/* The mixtures' gradients to the states that they are made of. */
static void mixtures_backward(struct tuner *t, size_t hidden)
{
	float a_share = (float)t->mixture_share, b_share = 1.0f - a_share;
	for (size_t i = 0; i < t->mixture_count; i++) {
		const float *mixed = t->dsentences + (t->pack.texts + i) * hidden;
		float *a = t->dsentences + t->members[t->mixtures[i].a].text * hidden;
		float *b = t->dsentences + t->members[t->mixtures[i].b].text * hidden;
		for (size_t j = 0; j < hidden; j++) {
			a[j] += a_share * mixed[j];
			b[j] += b_share * mixed[j];
		}
	}
}

static enum err not_finite(const struct tuner *t, const char *what, uint64_t step,
			   struct err_msg *msg)
{
	bool half = gemm_precision(network_gemm(t->network)) == PRECISION_BF16;
	return err_set(msg, ERR_INVALID,
		       "training the encoder: the %s is not finite at step %" PRIu64
		       "; lower the rate, which is %g%s",
		       what, step, t->config->rate, half ? ", or train in fp32" : "");
}

static double members_loss(struct tuner *t, double ramp)
{
	struct tune_terms terms = {.members = t->members,
				   .member_count = t->member_count,
				   .mixtures = t->mixtures,
				   .mixture_count = t->mixture_count,
				   .text_count = t->pack.texts,
				   .mixture_share = (double)(float)t->mixture_share,
				   .ramp = ramp,
				   .noisy_weight = noisy_weight(t),
				   .robust = &t->robust,
				   .class_count = t->data->class_count};
	double loss = tune_loss(&terms, t->logits, t->target, t->dlogits, t->member_losses);
	for (size_t i = 0; i < t->member_count; i++)
		t->losses[t->members[i].row] = t->member_losses[i];
	return loss;
}

enum err tuner_gradients(struct tuner *t, const uint32_t *rows, size_t count, uint32_t epoch,
			 uint64_t step, double *ret_loss, struct err_msg *msg)
{
	assert(count <= t->config->batch_rows);
	size_t hidden = network_parameters(t->network)->config.hidden;
	double ramp = robust_ramp(&t->robust, epoch);
	struct dropout_step dropout = {.seed = t->robust.seed, .step = step};
	members_make(t, rows, count, ramp);
	mixtures_make(t, ramp, step);
	if (t->member_count == 0) {
		*ret_loss = 0.0;
		return ERR_OK;
	}
	struct batch batch = tune_pack_batch(&t->pack, true);
	ranks_forward(t->ranks, &batch, t->states, &dropout, t->sentences);
	if (progress_cancelled(t->progress))
		return err_set(msg, ERR_CANCELLED, "training was cancelled");
	mixtures_forward(t, hidden);
	network_head(t->network, t->sentences, t->pack.texts + t->mixture_count, t->keys, &dropout,
		     t->logits);
	double loss = members_loss(t, ramp);
	if (!isfinite(loss))
		return not_finite(t, "loss", step, msg);
	network_head_backward(t->network, t->dlogits, t->dsentences);
	mixtures_backward(t, hidden);
	ranks_backward(t->ranks, &batch, t->dsentences);
	if (progress_cancelled(t->progress))
		return err_set(msg, ERR_CANCELLED, "training was cancelled");
	*ret_loss = loss;
	return ERR_OK;
}

enum err tuner_step(struct tuner *t, const uint32_t *rows, size_t count, uint32_t epoch,
		    uint64_t step, double rate, double *ret_loss, struct err_msg *msg)
{
	double loss;
	enum err err = tuner_gradients(t, rows, count, epoch, step, &loss, msg);
	if (err)
		return err;
	if (t->member_count > 0 && !isfinite(ranks_step(t->ranks, rate)))
		return not_finite(t, "gradient's norm", step, msg);
	*ret_loss = loss;
	return ERR_OK;
}
