/*
 * Runs the encoder on plain files, without services: to measure it and to compare settings.
 *
 *   encoder_bench COMMAND NAME=VALUE ...
 *
 *   step    model= ids= [count=]       FreeAL's step on the lines as they come: prints its times,
 *                                      those of its matrix products alone, and the peak memory
 *   infer   model= ids= [passes=]      whole passes over the texts
 *   epoch   model= ids= [epochs=]      epochs of recipe "paper" with their loss passes
 *   embed   model= in= out=            vectors, f32 (rows, dimensions)
 *   frozen  model= in= out= seed=      out-of-fold probabilities of a linear head on vectors
 *   oof     model= in= out= seed=      those of fine-tuning on each half
 *   final   model= in= out= seed= test= [folder=]   the final training; test's probabilities
 *   predict model= in= out=            probabilities of a trained model
 *
 * Files are table.h's; `ids` has numbers for texts (torch_encoder.py writes it). All take
 * precision=fp32|bf16 and threads=; what trains also the settings of encoder_options.c. Prints one
 * line of JSON.
 */
#include "clean_set.h"
#include "encoder_options.h"
#include "encoder_times.h"
#include "table.h"

#include "trainer/encoder/encoder.h"
#include "trainer/encoder/linear.h"
#include "trainer/ngram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FOLDS_LINEAR = 5,
	FOLDS_TUNED = 2,
};

static struct encoder *encoder_start(void)
{
	struct encoder_options options = {.thread_count = (size_t)number("threads", 2),
					  .precision = (int)precision_read(),
					  .frozen = (uint32_t)number("frozen", 0)};
	struct encoder *e;
	check(encoder_open(needed("model"), &options, &e, &msg));
	return e;
}

static float *vectors_make(struct encoder *e, const struct table *t)
{
	float *vectors = grow(NULL, (t->count * encoder_dimensions(e) + 1) * sizeof *vectors);
	check(encoder_embed(e, (const char *const *)t->texts, t->sizes, t->count, NULL, vectors,
			    &msg));
	return vectors;
}

static uint32_t *folds_make(const struct table *t, uint32_t fold_count)
{
	uint32_t *folds = grow(NULL, (t->count + 1) * sizeof *folds);
	for (size_t i = 0; i < t->count; i++) {
		uint64_t id = i;
		folds[i] = fold_of((uint64_t)number("seed", 1), &id, sizeof id, fold_count);
	}
	return folds;
}

/* Writes a fold's rows, which lie one behind the other, to their places. */
static void fold_place(const float *part, const uint32_t *folds, uint32_t fold, size_t count,
		       size_t k, float *ret)
{
	for (size_t i = 0, n = 0; i < count; i++)
		if (folds[i] == fold)
			memcpy(ret + i * k, part + k * n++, k * sizeof *ret);
}

static void run_embed(const struct table *t)
{
	struct encoder *e = encoder_start();
	float *vectors = vectors_make(e, t);
	write_floats(needed("out"), vectors, t->count * encoder_dimensions(e));
	free(vectors);
	encoder_free(e);
}

static void run_frozen(const struct table *t)
{
	struct encoder *e = encoder_start();
	struct linear_config config = linear_config_default();
	size_t k = t->class_count;
	float *vectors = vectors_make(e, t);
	float *probs = grow(NULL, (t->count * k + 1) * sizeof *probs);
	float *part = grow(NULL, (t->count * k + 1) * sizeof *part);
	uint32_t *folds = folds_make(t, FOLDS_LINEAR);
	config.thread_count = (size_t)number("threads", 2);
	config.inverse_penalty = number("C", config.inverse_penalty);
	for (uint32_t fold = 0; fold < FOLDS_LINEAR; fold++) {
		check(linear_fold_train(vectors, encoder_dimensions(e), t->labels, folds, t->count,
					fold, k, &config, NULL, part, &msg));
		fold_place(part, folds, fold, t->count, k, probs);
	}
	write_floats(needed("out"), probs, t->count * k);
	free(folds);
	free(part);
	free(probs);
	free(vectors);
	encoder_free(e);
}

static struct encoder_data *data_make(struct encoder *e, const struct table *t)
{
	struct encoder_data *data;
	check(encoder_data_new(e, (const char *const *)t->texts, t->sizes,
			       t->any_second ? (const char *const *)t->seconds : NULL,
			       t->second_sizes, t->count, &data, &msg));
	return data;
}

static void run_oof(const struct table *t)
{
	struct encoder *e = encoder_start();
	struct encoder_data *data = data_make(e, t);
	struct tune_config config = tune_config_fold();
	size_t k = t->class_count;
	float *probs = grow(NULL, (t->count * k + 1) * sizeof *probs);
	float *part = grow(NULL, (t->count * k + 1) * sizeof *part);
	bool *held_out = grow(NULL, t->count + 1);
	uint32_t *folds = folds_make(t, FOLDS_TUNED);
	config_read(&config);
	for (uint32_t fold = 0; fold < FOLDS_TUNED; fold++) {
		for (size_t i = 0; i < t->count; i++)
			held_out[i] = folds[i] == fold;
		check(encoder_fold_train(e, data, t->labels, held_out, k, &config, NULL, NULL, part,
					 &msg));
		fold_place(part, folds, fold, t->count, k, probs);
	}
	write_floats(needed("out"), probs, t->count * k);
	free(folds);
	free(held_out);
	free(part);
	free(probs);
	encoder_data_free(data);
	encoder_free(e);
}

static void predict_write(struct encoder *e, const char *path, size_t class_count, const char *out)
{
	struct table t = table_read(path);
	float *probs = grow(NULL, (t.count * class_count + 1) * sizeof *probs);
	check(
	    encoder_predict(e, (const char *const *)t.texts, t.sizes, t.count, NULL, probs, &msg));
	write_floats(out, probs, t.count * class_count);
	free(probs);
	table_free(&t);
}

static void run_predict(const char *folder, const char *path)
{
	struct encoder_options options = {.thread_count = (size_t)number("threads", 2),
					  .precision = (int)precision_read()};
	struct weights_labels labels;
	struct encoder *e;
	uint64_t checksum;
	check(encoder_model_open(folder, &options, &e, &labels, &checksum, &msg));
	predict_write(e, path, labels.count, needed("out"));
	weights_labels_done(&labels);
	encoder_free(e);
}

static void run_final(const struct table *t)
{
	static const char *const NAMES[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
	struct encoder *e = encoder_start();
	struct encoder_data *data = data_make(e, t);
	bool paper = number("paper", 0) > 0;
	struct tune_config config = paper ? tune_config_paper() : tune_config_default();
	struct refit refit = {.labels = t->labels};
	struct encoder_training training = {.data = data,
					    .labels = t->labels,
					    .clean = t->clean,
					    .class_count = t->class_count,
					    .refit = paper ? clean_refit : NULL,
					    .refit_context = &refit,
					    .label_names = NAMES,
					    .folder = needed("folder")};
	uint64_t checksum;
	double loss;
	config_read(&config);
	if (t->class_count > sizeof NAMES / sizeof NAMES[0])
		die("too many classes");
	check(encoder_train(e, &training, &config, NULL, NULL, &checksum, &loss, &msg));
	encoder_data_free(data);
	encoder_free(e);
	run_predict(training.folder, needed("test"));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const struct table *t);
	} ON_TABLE[] = {
	    {"embed", run_embed}, {"frozen", run_frozen}, {"oof", run_oof}, {"final", run_final}};
	const char *command = argc > 1 ? argv[1] : "";
	options_set(argv + (argc > 1 ? 2 : 1));
	if (strcmp(command, "step") == 0 || strcmp(command, "infer") == 0 ||
	    strcmp(command, "epoch") == 0) {
		command[0] == 's' ? run_step() : command[0] == 'i' ? run_infer() : run_epoch();
		return 0;
	}
	if (strcmp(command, "predict") == 0) {
		run_predict(needed("model"), needed("in"));
		printf("{}\n");
		return 0;
	}
	for (size_t i = 0; i < sizeof ON_TABLE / sizeof ON_TABLE[0]; i++) {
		if (strcmp(command, ON_TABLE[i].name) != 0)
			continue;
		struct table t = table_read(needed("in"));
		double start = seconds_now();
		ON_TABLE[i].run(&t);
		printf("{\"seconds\": %.3f}\n", seconds_now() - start);
		table_free(&t);
		return 0;
	}
	fprintf(stderr, "encoder_bench: unknown command '%s'\n", command);
	return 2;
}
