/*
 * A tiny encoder and a task that it can learn, for the tests of its training: class 1 where token
 * 7 is in the text, class 0 where token 8 is.
 */
#ifndef FREEAL_TEST_TUNE_WORLD_H
#define FREEAL_TEST_TUNE_WORLD_H

#include "trainer/encoder/tune.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 120, TOKENS_MAX = 12, VOCABULARY = 40 };

struct world {
	uint32_t ids[2][ROWS * TOKENS_MAX];
	uint64_t offsets[2][ROWS + 1];
	struct rows second;
	int32_t gold[ROWS], labels[ROWS];
	bool clean[ROWS];
	struct encoder_config shape;
	struct tune_data data;
	struct tune_config config;
};

/* Every fifth label is wrong and not clean, every tenth is missing. */
static inline void world_init(struct world *w)
{
	struct rng rng = rng_make(11);
	*w = (struct world){
	    .shape = {.family = ENCODER_BERT,
		      .hidden = 16,
		      .layers = 2,
		      .heads = 2,
		      .intermediate = 32,
		      .vocabulary = VOCABULARY,
		      .positions = TOKENS_MAX,
		      .types = 2,
		      .epsilon = 1e-12f,
		      .dropout = 0.1f,
		      .dropout_attention = 0.1f,
		      .dropout_head = 0.1f,
		      .initializer_range = 0.02f},
	    .config = tune_config_default(),
	};
	w->config.mixup = true;
	w->config.rate = 5e-5;
	w->config.robust.noisy_weight = 0.25;
	for (size_t v = 0; v < 2; v++)
		for (size_t r = 0; r < ROWS; r++) {
			size_t at = w->offsets[v][r], tokens = 4 + rng_below(&rng, TOKENS_MAX - 3);
			/* Some rows have no second view. */
			if (v == 1 && r % 6 == 0)
				tokens = 0;
			w->gold[r] = r % 2;
			for (size_t i = 0; i < tokens; i++)
				w->ids[v][at + i] = (uint32_t)(10 + rng_below(&rng, 30));
			if (tokens > 0) {
				w->ids[v][at] = 1;
				w->ids[v][at + 1 + rng_below(&rng, tokens - 1)] = 8 - r % 2;
			}
			w->offsets[v][r + 1] = at + tokens;
		}
	for (size_t r = 0; r < ROWS; r++) {
		w->clean[r] = r % 5 != 0;
		w->labels[r] = r % 10 == 3 ? -1 : w->clean[r] ? w->gold[r] : 1 - w->gold[r];
	}
	w->second = (struct rows){ROWS, w->ids[1], w->offsets[1]};
	w->data = (struct tune_data){.texts = {ROWS, w->ids[0], w->offsets[0]},
				     .second = &w->second,
				     .labels = w->labels,
				     .clean = w->clean,
				     .class_count = 2};
	w->config.epochs = 4;
	w->config.batch_rows = 8;
	w->config.rate = 5e-3;
}

static inline void world_no_dropout(struct world *w)
{
	w->shape.dropout = w->shape.dropout_attention = w->shape.dropout_head = 0.0f;
}

struct learner {
	struct parameters p;
	struct team *team;
	struct network *n;
};

static inline void weights_random(const struct parameters *p, float *weights)
{
	struct rng rng = rng_make(5);
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *each = &p->list[i];
		for (size_t j = 0; j < each->rows * each->columns; j++)
			weights[each->offset + j] = (float)(0.15 * rng_normal(&rng));
	}
	for (size_t l = 0; l < p->config.layers; l++)
		for (size_t j = 0; j < p->config.hidden; j++) {
			weights[parameters_layer(p, l, PARAMETER_ATTENTION_GAMMA)->offset + j] = 1;
			weights[parameters_layer(p, l, PARAMETER_OUT_GAMMA)->offset + j] = 1;
		}
	for (size_t j = 0; j < p->config.hidden; j++)
		weights[parameters_single(p, PARAMETER_EMBED_GAMMA)->offset + j] = 1;
}

static inline void learner_init(struct learner *l, const struct world *w, size_t workers,
				uint32_t frozen)
{
	struct err_msg msg;
	struct network_limits limits = tune_limits(&w->config, &w->data, TOKENS_MAX, frozen);
	assert_int_equal(parameters_init(&l->p, &w->shape, 2), ERR_OK);
	assert_int_equal(team_new(workers, &l->team), ERR_OK);
	assert_int_equal(network_new(&l->p, &limits, l->team, PRECISION_FP32, &l->n, &msg), ERR_OK);
	weights_random(&l->p, network_weights(l->n));
	network_weights_changed(l->n);
}

static inline void learner_done(struct learner *l)
{
	network_free(l->n);
	team_free(l->team);
	parameters_done(&l->p);
}

/* Trains a new network on the world; `ret_weights` (parameters' size) is the caller's to free. */
static inline struct tune_result world_train(const struct world *w, size_t workers, uint32_t frozen,
					     const char *checkpoint, float **ret_weights,
					     size_t *ret_size)
{
	struct learner l;
	struct tune_result result;
	struct err_msg msg = {""};
	learner_init(&l, w, workers, frozen);
	enum err err = tune_run(l.n, &w->data, &w->config, NULL, checkpoint, &result, &msg);
	if (err)
		print_message("%s\n", msg.text);
	assert_int_equal(err, ERR_OK);
	*ret_size = l.p.size;
	*ret_weights = malloc(l.p.size * sizeof **ret_weights);
	assert_non_null(*ret_weights);
	memcpy(*ret_weights, network_weights(l.n), l.p.size * sizeof **ret_weights);
	learner_done(&l);
	return result;
}

/* Largest difference of the weights that two trainings end with. */
static inline double weights_difference(const float *a, const float *b, size_t size)
{
	double most = 0.0;
	for (size_t i = 0; i < size; i++)
		most = fmax(most, fabs((double)a[i] - (double)b[i]));
	return most;
}

#endif
