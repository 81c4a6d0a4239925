#include "trainer/describe.h"

#include "base/clock.h"
#include "base/rng.h"
#include "trainer/description.h"
#include "trainer/encoder/encoder.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_WORDS 24
#define TEXT_BYTES 256
#define STEP_ROWS 16u
#define STEPS_FEW 1u
#define STEPS_MANY 5u
#define EMBED_ROWS 64u
#define CLASSES 2u
#define CLASSES_MANY 10u

/* Texts to measure with, as long as reviews of a sentence or two. */
struct probe {
	char *data;
	const char **texts;
	size_t *sizes;
	int32_t *labels;
	bool *held_out;
	size_t count;
};

static void fact(FILE *out, const char *verdict, const char *what, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void fact(FILE *out, const char *verdict, const char *what, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	(void)fprintf(out, "%-4s  %-20s  ", verdict, what);
	(void)vfprintf(out, fmt, args);
	(void)fputc('\n', out);
	va_end(args);
}

static void probe_done(struct probe *p)
{
	free(p->data);
	free(p->texts);
	free(p->sizes);
	free(p->labels);
	free(p->held_out);
}

static enum err probe_init(struct probe *p, size_t count, struct err_msg *msg)
{
	static const char *const words[] = {"the",   "story",  "of",   "a",	"film",	  "with",
					    "great", "music",  "but",  "slow",	"and",	  "rather",
					    "dull",  "scenes", "that", "never", "really", "end"};
	*p = (struct probe){.data = calloc(count, TEXT_BYTES),
			    .texts = calloc(count, sizeof *p->texts),
			    .sizes = calloc(count, sizeof *p->sizes),
			    .labels = calloc(count, sizeof *p->labels),
			    .held_out = calloc(count, sizeof *p->held_out),
			    .count = count};
	if (!p->data || !p->texts || !p->sizes || !p->labels || !p->held_out) {
		probe_done(p);
		return err_set(msg, ERR_NO_MEMORY, "no memory for the measurement");
	}
	struct rng rng = rng_make(1);
	for (size_t i = 0; i < count; i++) {
		char *text = p->data + i * TEXT_BYTES;
		for (size_t w = 0; w < TEXT_WORDS; w++)
			p->sizes[i] += (size_t)snprintf(
			    text + p->sizes[i], TEXT_BYTES - p->sizes[i], "%s%s", w ? " " : "",
			    words[rng_below(&rng, sizeof words / sizeof *words)]);
		p->texts[i] = text;
		p->labels[i] = (int32_t)(i % CLASSES);
	}
	return ERR_OK;
}

/* Seconds that `steps` steps of a plain training take, with all that is around them. */
static enum err steps_time(struct encoder *e, const struct probe *p, size_t steps,
			   double *ret_seconds, struct err_msg *msg)
{
	struct tune_config config = tune_config_fold();
	size_t rows = steps * STEP_ROWS + 1;
	float probs[CLASSES];
	struct encoder_data *data;
	config.epochs = 1;
	config.batch_rows = STEP_ROWS;
	for (size_t i = 0; i < rows; i++)
		p->held_out[i] = i == rows - 1;
	enum err err = encoder_data_new(e, p->texts, p->sizes, NULL, NULL, rows, &data, msg);
	if (err)
		return err;
	double start = clock_seconds();
	err = encoder_fold_train(e, data, p->labels, p->held_out, CLASSES, &config, NULL, NULL,
				 probs, msg);
	*ret_seconds = clock_seconds() - start;
	encoder_data_free(data);
	return err;
}

/* The least of two times: others may use the processors, too. */
static enum err steps_time_least(struct encoder *e, const struct probe *p, size_t steps,
				 double *ret_seconds, struct err_msg *msg)
{
	double again = 0;
	enum err err = steps_time(e, p, steps, ret_seconds, msg);
	if (!err)
		err = steps_time(e, p, steps, &again, msg);
	if (!err && again < *ret_seconds)
		*ret_seconds = again;
	return err;
}

/* The difference of a long and a short training is free of what both do once. */
static enum err train_rate(struct encoder *e, const struct probe *p, double *ret_rate,
			   struct err_msg *msg)
{
	double few = 0, many = 0;
	enum err err = steps_time_least(e, p, STEPS_FEW, &few, msg);
	if (!err)
		err = steps_time_least(e, p, STEPS_MANY, &many, msg);
	/* As it must be; else the times were disturbed, and the longer one is of use. */
	double seconds = many - few, steps = STEPS_MANY - STEPS_FEW;
	if (seconds < many / 4) {
		seconds = many;
		steps = STEPS_MANY;
	}
	*ret_rate = steps * STEP_ROWS / (seconds > 1e-3 ? seconds : 1e-3);
	return err;
}

static enum err embed_rate(struct encoder *e, const struct probe *p, double *ret_rate,
			   struct err_msg *msg)
{
	float *vectors = malloc(EMBED_ROWS * (size_t)encoder_dimensions(e) * sizeof *vectors);
	if (!vectors)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the measurement");
	double start = 0;
	enum err err = ERR_OK;
	/* The first time includes what is done once. */
	for (int i = 0; !err && i < 2; i++) {
		start = clock_seconds();
		err = encoder_embed(e, p->texts, p->sizes, EMBED_ROWS, NULL, vectors, msg);
	}
	double seconds = clock_seconds() - start;
	*ret_rate = EMBED_ROWS / (seconds > 1e-3 ? seconds : 1e-3);
	free(vectors);
	return err;
}

/* What the default recipe trains: a final model of all, and two models of a half each. */
static void trainings_describe(uint64_t sample_count, size_t class_count, double epoch_minutes,
			       FILE *out)
{
	const struct tune_config final = tune_config_default(), fold = tune_config_fold();
	uint32_t epochs = tune_epochs(&final, sample_count, class_count);
	uint32_t fold_epochs = tune_epochs(&fold, sample_count / 2, class_count);
	char what[24];
	(void)snprintf(what, sizeof what, "with %zu labels", class_count);
	fact(out, "ok", what,
	     "by default %u epochs of the final training, %.1f minutes, and %u of the halves "
	     "in a round, %.1f",
	     epochs, epochs * epoch_minutes, fold_epochs, fold_epochs * epoch_minutes);
}

static enum err speed_describe(struct encoder *e, uint64_t sample_count, FILE *out,
			       struct err_msg *msg)
{
	struct probe p;
	double train = 0, embed = 0;
	size_t most = STEPS_MANY * STEP_ROWS + 1;
	enum err err = probe_init(&p, most > EMBED_ROWS ? most : EMBED_ROWS, msg);
	if (err)
		return err;
	err = embed_rate(e, &p, &embed, msg);
	if (!err)
		err = train_rate(e, &p, &train, msg);
	probe_done(&p);
	if (err)
		return err;
	fact(out, "ok", "prediction", "%.0f texts a second; %.1f minutes for %llu", embed,
	     (double)sample_count / embed / 60, (unsigned long long)sample_count);
	fact(out, "ok", "training",
	     "%.0f texts a second; an epoch of %llu takes %.1f minutes (measured on a few steps "
	     "with texts of %d words)",
	     train, (unsigned long long)sample_count, (double)sample_count / train / 60,
	     TEXT_WORDS);
	trainings_describe(sample_count, CLASSES, (double)sample_count / train / 60, out);
	trainings_describe(sample_count, CLASSES_MANY, (double)sample_count / train / 60, out);
	return ERR_OK;
}

static bool memory_describe(const struct encoder_needs *n, FILE *out)
{
	const double gib = 1u << 30;
	bool trains = n->train_bytes <= n->memory_bytes, runs = n->predict_bytes <= n->memory_bytes;
	fact(out, "ok", "parameters", "%.1f million", (double)n->parameter_count / 1e6);
	fact(out, runs ? "ok" : "BAD", "memory to predict", "%.2f GiB of %.1f",
	     (double)n->predict_bytes / gib, (double)n->memory_bytes / gib);
	fact(out, trains ? "ok" : "BAD", "memory to train", "%.2f GiB of %.1f",
	     (double)n->train_bytes / gib, (double)n->memory_bytes / gib);
	return trains;
}

static enum err encoder_describe(const char *folder, uint64_t sample_count, uint32_t thread_count,
				 FILE *out, bool *ret_good, struct err_msg *msg)
{
	static const char *const families[] = {[ENCODER_BERT] = "BERT",
					       [ENCODER_ROBERTA] = "RoBERTa",
					       [ENCODER_DISTILBERT] = "DistilBERT"};
	const struct encoder_options options = {.thread_count = thread_count, .precision = -1};
	const struct tune_config config = tune_config_default();
	struct encoder_config c;
	struct encoder_needs needs;
	struct encoder *e = NULL;
	enum err err = encoder_config_load(folder, &c, msg);
	if (!err)
		err = encoder_open(folder, &options, &e, msg);
	if (!err)
		err = encoder_needs(e, CLASSES, &config, &needs, msg);
	if (!err) {
		fact(out, "ok", "checkpoint", "%s: %s of %u layers, hidden size %u", folder,
		     families[c.family], c.layers, c.hidden);
		fact(out, "ok", "computes with", "%s, %u threads",
		     gemm_engine_name(gemm_precision_best()), thread_count);
		*ret_good = memory_describe(&needs, out);
		(void)fflush(out);
	}
	if (!err && *ret_good)
		err = speed_describe(e, sample_count, out, msg);
	encoder_free(e);
	return err;
}

enum err describe_folder(const char *folder, uint64_t sample_count, uint32_t thread_count,
			 FILE *out, bool *ret_good, struct err_msg *msg)
{
	struct description d;
	struct err_msg ignored;
	if (description_read(folder, &d, &ignored) == ERR_OK) {
		bool ngram = d.type == MODEL_NGRAM;
		fact(out, "ok", "model", "%s with %zu labels", ngram ? "ngram" : "encoder",
		     d.label_count);
		description_done(&d);
		*ret_good = true;
		if (ngram)
			return ERR_OK;
	}
	return encoder_describe(folder, sample_count, thread_count, out, ret_good, msg);
}
