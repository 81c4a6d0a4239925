/* Trains a tiny network with random weights, texts and labels, and prints each step's loss: on
 * rank 0 of an MPI job, whose other ranks follow. Usage: mpi_trace [FROZEN] */
#include "base/rng.h"
#include "trainer/encoder/ranks.h"
#include "trainer/encoder/tune_step.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 48, BATCH = 12, STEPS = 16, TOKENS_MAX = 20, CLASSES = 3 };

static const struct encoder_config config = {.family = ENCODER_BERT,
					     .hidden = 32,
					     .layers = 3,
					     .heads = 4,
					     .intermediate = 64,
					     .vocabulary = 300,
					     .positions = TOKENS_MAX,
					     .types = 2,
					     .epsilon = 1e-12f,
					     .dropout = 0.1f,
					     .dropout_attention = 0.1f,
					     .dropout_head = 0.1f,
					     .initializer_range = 0.02f};

static uint32_t ids[2][ROWS * TOKENS_MAX];
static uint64_t offsets[2][ROWS + 1];
static int32_t labels[ROWS];
static bool clean[ROWS];

static void data_make(struct rng *rng)
{
	for (size_t i = 0; i < ROWS; i++) {
		labels[i] = (int32_t)rng_below(rng, CLASSES);
		clean[i] = i % 4 != 0;
		for (size_t v = 0; v < 2; v++) {
			size_t count = 3 + rng_below(rng, TOKENS_MAX - 3);
			uint32_t *row = ids[v] + offsets[v][i];
			offsets[v][i + 1] = offsets[v][i] + count;
			for (size_t j = 0; j < count; j++)
				row[j] = (uint32_t)rng_below(rng, config.vocabulary);
			row[1] = (uint32_t)labels[i];
		}
	}
}

static void weights_make(const struct parameters *p, float *weights, struct rng *rng)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *each = &p->list[i];
		for (size_t j = 0; j < each->rows * each->columns; j++)
			weights[each->offset + j] = (float)(0.1 * rng_normal(rng));
	}
	for (size_t layer = 0; layer < config.layers; layer++) {
		float *middle =
		    weights + parameters_layer(p, layer, PARAMETER_ATTENTION_GAMMA)->offset;
		float *out = weights + parameters_layer(p, layer, PARAMETER_OUT_GAMMA)->offset;
		for (size_t j = 0; j < config.hidden; j++)
			middle[j] = out[j] = 1.0f;
	}
}

static void steps_run(struct tuner *t)
{
	for (uint64_t step = 0; step < STEPS; step++) {
		uint32_t rows[BATCH];
		double loss;
		struct err_msg msg;
		for (uint32_t i = 0; i < BATCH; i++)
			rows[i] = (uint32_t)((step * BATCH + i) * 7 % ROWS);
		if (tuner_step(t, rows, BATCH, 9, step, 1e-3, &loss, &msg)) {
			(void)fprintf(stderr, "mpi_trace: %s\n", msg.text);
			exit(1);
		}
		(void)printf("%.9g\n", loss);
	}
}

static void lead(uint32_t frozen)
{
	struct rng rng = rng_make(11);
	struct parameters p;
	struct team *team;
	struct network *n;
	struct tuner *t;
	struct err_msg msg;
	data_make(&rng);
	struct rows second = {ROWS, ids[1], offsets[1]};
	struct tune_data data = {.texts = {ROWS, ids[0], offsets[0]},
				 .second = &second,
				 .labels = labels,
				 .clean = clean,
				 .class_count = CLASSES};
	struct tune_config how = tune_config_default();
	how.epochs = 10;
	how.batch_rows = BATCH;
	how.views = TUNE_VIEWS_ALL;
	how.mixup = true;
	struct network_limits limits = tune_limits(&how, &data, TOKENS_MAX, frozen);
	if (parameters_init(&p, &config, CLASSES) || team_new(2, &team) ||
	    network_new(&p, &limits, team, PRECISION_FP32, &n, &msg))
		abort();
	weights_make(&p, network_weights(n), &rng);
	network_weights_changed(n);
	if (tuner_new(n, &data, &how, NULL, &t, &msg)) {
		(void)fprintf(stderr, "mpi_trace: %s\n", msg.text);
		exit(1);
	}
	steps_run(t);
	tuner_free(t);
	network_free(n);
	team_free(team);
	parameters_done(&p);
}

int main(int argc, char **argv)
{
	size_t rank;
	struct err_msg msg;
	if (ranks_start(&rank, &msg)) {
		(void)fprintf(stderr, "mpi_trace: %s\n", msg.text);
		return 1;
	}
	if (rank > 0) {
		ranks_follow();
	} else {
		lead(argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0);
		/* The ranks take one training after the other. */
		lead(argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0);
	}
	ranks_stop();
	return 0;
}
