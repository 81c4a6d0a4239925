/*
 * Runs the small model on a plain file, without services, to compare settings.
 *
 *   slm_eval oof IN SEED OUT          out-of-fold probabilities, f32 (rows, classes)
 *   slm_eval final IN SEED OUT TEST   final model's probabilities of TEST's rows
 *   slm_eval embed IN SEED OUT        sentence vectors, f32 (rows, 256)
 *
 * Lines of IN and TEST: label (-1: none), clean (0 or 1), text, second view (may be
 * empty), separated by tabs. Times go to standard error.
 */
#include "table.h"

#include "trainer/ngram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 5 };

static void run_oof(const struct table *t, const struct features *f, uint64_t seed,
		    struct ngram_config *config, const char *out)
{
	struct err_msg msg;
	size_t k = t->class_count;
	float *probs = grow(NULL, (t->count * k + 1) * sizeof *probs);
	float *part = grow(NULL, (t->count * k + 1) * sizeof *part);
	uint32_t *folds = grow(NULL, (t->count + 1) * sizeof *folds);
	for (size_t i = 0; i < t->count; i++) {
		uint64_t id = i;
		folds[i] = fold_of(seed, &id, sizeof id, FOLDS);
	}
	for (uint32_t fold = 0; fold < FOLDS; fold++) {
		if (ngram_fold_train(f, t->labels, folds, fold, k, config, NULL, part, &msg))
			die(msg.text);
		for (size_t i = 0, n = 0; i < t->count; i++)
			if (folds[i] == fold)
				memcpy(probs + i * k, part + k * n++, k * sizeof *probs);
	}
	write_floats(out, probs, t->count * k);
	free(probs);
	free(part);
	free(folds);
}

static void run_final(const struct table *t, const struct features *f, uint64_t seed,
		      struct ngram_config *config, const char *out, const char *test_path)
{
	struct err_msg msg;
	struct features *second = NULL;
	struct ngram *model;
	if (t->any_second && features_like(f, (const char *const *)t->seconds, t->second_sizes,
					   t->count, &second, &msg))
		die(msg.text);
	config->robust.seed = seed;
	struct ngram_training training = {.features = f,
					  .augmented = second,
					  .labels = t->labels,
					  .clean = t->clean,
					  .class_count = t->class_count};
	if (ngram_train(&training, config, NULL, &model, &msg))
		die(msg.text);
	struct table test = table_read(test_path);
	float *probs = grow(NULL, (test.count * t->class_count + 1) * sizeof *probs);
	if (ngram_predict(model, (const char *const *)test.texts, test.sizes, test.count, probs,
			  &msg))
		die(msg.text);
	write_floats(out, probs, test.count * t->class_count);
	free(probs);
	ngram_free(model);
	features_free(second);
}

/* Development: `NAME=VALUE` pairs in the environment try other settings. */
static void config_read(struct ngram_config *c)
{
	const struct {
		const char *name;
		double *value;
	} reals[] = {{"C", &c->inverse_penalty},
		     {"SMOOTHING", &c->smoothing},
		     {"UNLABELLED", &c->unlabelled_weight},
		     {"TOLERANCE", &c->tolerance},
		     {"RATE", &c->robust.rate},
		     {"DROPOUT", &c->robust.dropout}};
	for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
		if (getenv(reals[i].name))
			*reals[i].value = strtod(getenv(reals[i].name), NULL);
	if (getenv("EPOCHS"))
		c->robust.epochs = (uint32_t)strtoul(getenv("EPOCHS"), NULL, 10);
	if (getenv("ROUNDS"))
		c->self_rounds = (uint32_t)strtoul(getenv("ROUNDS"), NULL, 10);
	c->thread_count = getenv("THREADS") ? (uint32_t)strtoul(getenv("THREADS"), NULL, 10) : 2;
}

int main(int argc, char **argv)
{
	if (argc < 5 || (!strcmp(argv[1], "final") && argc < 6))
		die("usage: slm_eval oof|final|embed IN SEED OUT [TEST]");
	struct ngram_config config = ngram_config_default();
	struct table t = table_read(argv[2]);
	uint64_t seed = strtoull(argv[3], NULL, 10);
	struct features *f;
	struct err_msg msg;
	config_read(&config);

	double start = seconds_now();
	if (features_new((const char *const *)t.texts, t.sizes, t.count, NULL, &f, &msg))
		die(msg.text);
	double made = seconds_now();
	if (!strcmp(argv[1], "oof")) {
		run_oof(&t, f, seed, &config, argv[4]);
	} else if (!strcmp(argv[1], "final")) {
		run_final(&t, f, seed, &config, argv[4], argv[5]);
	} else {
		float *vectors = grow(NULL, t.count * EMBED_DIMENSIONS * sizeof *vectors);
		features_embed(f, 0, t.count, vectors);
		write_floats(argv[4], vectors, t.count * EMBED_DIMENSIONS);
		free(vectors);
	}
	struct csr rows = features_rows(f);
	fprintf(stderr, "features %.2f s, %s %.2f s, %zu columns, %.0f terms a row\n", made - start,
		argv[1], seconds_now() - made, rows.column_count,
		(double)rows.starts[t.count] / (double)(t.count ? t.count : 1));
	features_free(f);
	return 0;
}
