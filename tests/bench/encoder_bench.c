/*
 * Runs the encoder on plain files, without services: to measure it and to compare settings.
 *
 *   encoder_bench COMMAND NAME=VALUE ...
 *
 *   step    model= ids= [count=]       FreeAL's step on the lines as they come: prints its times,
 *                                      those of its matrix products alone, and the peak memory
 *   infer   model= ids= [passes=]      whole passes over the texts
 *   epoch   model= in= [epochs=]       epochs of recipe "paper" with their loss passes
 *   embed   model= in= out=            vectors, f32 (rows, dimensions)
 *   frozen  model= in= out= seed=      out-of-fold probabilities of a linear head on vectors
 *   oof     model= in= out= seed=      those of fine-tuning on each half
 *   final   model= in= out= seed= test= [folder=]   the final training; test's probabilities
 *   predict model= in= out=            probabilities of a trained model
 *
 * Files are table.h's; `ids` has numbers for texts (torch_encoder.py writes it). All take
 * precision=fp32|bf16 and threads=; what trains also the settings in config_read. Prints one line
 * of JSON.
 */
#include "table.h"

#include "selector/mixture.h"
#include "trainer/encoder/encoder.h"
#include "trainer/encoder/linear.h"
#include "trainer/encoder/tune_step.h"
#include "trainer/ngram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	FOLDS_LINEAR = 5,
	FOLDS_TUNED = 2,
	TOKENS_MAX = 128,
	CALLS_MAX = 1 << 14,
	STEPS_MAX = 4096,
};

static char **arguments;
static struct err_msg msg;

static const char *option(const char *name)
{
	size_t size = strlen(name);
	for (char **a = arguments; *a; a++)
		if (strncmp(*a, name, size) == 0 && (*a)[size] == '=')
			return *a + size + 1;
	return NULL;
}

static const char *needed(const char *name)
{
	const char *value = option(name);
	if (!value)
		fprintf(stderr, "encoder_bench: %s= is missing\n", name);
	if (!value)
		exit(2);
	return value;
}

static double number(const char *name, double otherwise)
{
	const char *value = option(name);
	return value ? strtod(value, NULL) : otherwise;
}

static void check(enum err e)
{
	if (e)
		die(msg.text[0] ? msg.text : err_str(e));
}

static enum precision precision_read(void)
{
	const char *name = option("precision");
	if (!name)
		return gemm_precision_best();
	return strcmp(name, "bf16") == 0 ? PRECISION_BF16 : PRECISION_FP32;
}

static void config_read(struct tune_config *c)
{
	const char *views = option("views");
	c->epochs = (uint32_t)number("epochs", c->epochs);
	c->batch_rows = (uint32_t)number("batch", c->batch_rows);
	c->rate = number("rate", c->rate);
	c->rate_warmup = number("rate_warmup", c->rate_warmup);
	c->mixup = number("mixup", c->mixup) > 0;
	c->consistency = number("consistency", c->consistency) > 0;
	if (views)
		c->views = views[0] == 'a'		 ? TUNE_VIEWS_ALL
			   : strcmp(views, "noisy") == 0 ? TUNE_VIEWS_NOISY
							 : TUNE_VIEWS_NONE;
	c->robust.noisy_weight = number("noisy_weight", c->robust.noisy_weight);
	c->robust.warmup_share = number("warmup", c->robust.warmup_share);
	c->robust.ramp_share = number("ramp", c->robust.ramp_share);
	c->robust.flatten = number("flatten", c->robust.flatten) > 0;
	c->robust.seed = (uint64_t)number("seed", 1);
}

static size_t peak_bytes(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (size_t)usage.ru_maxrss * 1024;
}

/* Numbers for texts. */
static struct rows rows_of_ids(char *const *texts, size_t count)
{
	struct rows r = {.count = count, .offsets = grow(NULL, (count + 1) * sizeof *r.offsets)};
	size_t n = 0, capacity = 1024;
	r.ids = grow(NULL, capacity * sizeof *r.ids);
	for (size_t i = 0; i < count; i++) {
		r.offsets[i] = n;
		for (char *end, *at = texts[i];; at = end) {
			unsigned long id = strtoul(at, &end, 10);
			if (end == at)
				break;
			if (n == capacity)
				r.ids = grow(r.ids, (capacity *= 2) * sizeof *r.ids);
			r.ids[n++] = (uint32_t)id;
		}
	}
	r.offsets[count] = n;
	return r;
}

/* A network with weights, outside of encoder.h, so that its parts can be timed. */
struct machine {
	struct team *team;
	struct parameters parameters;
	struct network *network;
};

/* `config` NULL: to predict alone. */
static void machine_init(struct machine *m, size_t class_count, const struct tune_config *config,
			 const struct tune_data *data)
{
	const char *folder = needed("model");
	struct encoder_config shape;
	struct weights_found found;
	struct network_limits limits =
	    config ? tune_limits(config, data, TOKENS_MAX, 0) : tune_predict_limits(TOKENS_MAX);
	check(encoder_config_load(folder, &shape, &msg));
	check(parameters_init(&m->parameters, &shape, class_count));
	check(team_new((size_t)number("threads", 2), &m->team));
	check(network_new(&m->parameters, &limits, m->team, precision_read(), &m->network, &msg));
	check(weights_load(folder, &m->parameters, 1, network_weights(m->network), &found, &msg));
	network_weights_changed(m->network);
}

static void machine_done(struct machine *m)
{
	network_free(m->network);
	parameters_done(&m->parameters);
	team_free(m->team);
}

static void print_list(const char *name, const double *values, size_t count)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < count; i++)
		printf("%s%.6f", i ? ", " : "", values[i]);
	printf("]");
}

/* Runs the products of a step once more, one behind the other. */
static double products_seconds(struct gemm *g, const struct gemm_call *calls, size_t count)
{
	double start = seconds_now();
	for (size_t i = 0; i < count; i++) {
		struct gemm_call call = calls[i];
		call.epilogue = NULL;
		gemm_run(g, &call);
	}
	return seconds_now() - start;
}

/* Batches of the lines as they come. */
static void steps_time(struct machine *m, struct tuner *tuner, const struct tune_config *config,
		       size_t count)
{
	static double times[STEPS_MAX], products[STEPS_MAX];
	struct gemm *gemm = network_gemm(m->network);
	struct gemm_call *calls = grow(NULL, CALLS_MAX * sizeof *calls);
	uint32_t *rows = grow(NULL, config->batch_rows * sizeof *rows);
	double loss = 0;
	for (size_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < config->batch_rows; j++)
			rows[j] = (uint32_t)i * config->batch_rows + j;
		gemm_trace(gemm, calls, CALLS_MAX);
		double start = seconds_now();
		check(tuner_step(tuner, rows, config->batch_rows, 0, i, config->rate, &loss, &msg));
		times[i] = seconds_now() - start;
		size_t traced = gemm_traced(gemm);
		gemm_trace(gemm, NULL, 0);
		products[i] = products_seconds(gemm, calls, traced);
		network_gradients_clear(m->network);
	}
	printf("{\"engine\": \"%s\", \"loss\": %.4f, ", gemm_engine_name(gemm_precision(gemm)),
	       loss);
	print_list("seconds", times, count);
	printf(", ");
	print_list("products", products, count);
	printf(", \"peak_bytes\": %zu}\n", peak_bytes());
	free(rows);
	free(calls);
}

static void run_step(void)
{
	struct table t = table_read(needed("ids"));
	struct rows texts = rows_of_ids(t.texts, t.count);
	struct rows seconds = rows_of_ids(t.seconds, t.count);
	struct tune_config config = tune_config_paper();
	struct tune_data data = {.texts = texts,
				 .second = &seconds,
				 .labels = t.labels,
				 .clean = t.clean,
				 .class_count = t.class_count};
	struct machine m;
	struct tuner *tuner;
	config_read(&config);
	config.robust.warmup_share = 0;
	config.robust.ramp_share = 0;
	size_t count = t.count / config.batch_rows;
	if (number("count", (double)count) < (double)count)
		count = (size_t)number("count", 0);
	machine_init(&m, t.class_count, &config, &data);
	check(tuner_new(m.network, &data, &config, NULL, &tuner, &msg));
	steps_time(&m, tuner, &config, count < STEPS_MAX ? count : STEPS_MAX);
	tuner_free(tuner);
	machine_done(&m);
	rows_done(&texts);
	rows_done(&seconds);
	table_free(&t);
}

static void run_infer(void)
{
	struct table t = table_read(needed("ids"));
	struct rows texts = rows_of_ids(t.texts, t.count);
	struct machine m;
	machine_init(&m, t.class_count, NULL, NULL);
	float *probs = grow(NULL, (t.count * t.class_count + 1) * sizeof *probs);
	static double times[STEPS_MAX];
	size_t passes = (size_t)number("passes", 3);
	for (size_t i = 0; i < passes && i < STEPS_MAX; i++) {
		double start = seconds_now();
		check(tune_predict(m.network, &texts, NULL, probs, &msg));
		times[i] = seconds_now() - start;
	}
	printf("{\"engine\": \"%s\", \"texts\": %zu, ",
	       gemm_engine_name(gemm_precision(network_gemm(m.network))), t.count);
	print_list("seconds", times, passes);
	printf("}\n");
	free(probs);
	machine_done(&m);
	rows_done(&texts);
	table_free(&t);
}

/* The clean set of recipe "paper", as the selector makes it: losses that lie with the low part
 * of the mixture at more than 0.7. */
struct refit {
	const int32_t *labels;
	double times[STEPS_MAX]; /* when each epoch began, its loss pass done */
	size_t count, epochs;
};

static int losses_order(const void *a, const void *b)
{
	const float *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static enum err clean_refit(void *context, uint32_t epoch, const float *losses, size_t row_count,
			    bool *clean)
{
	struct refit *r = context;
	struct mixture mixture;
	(void)epoch;
	float *sorted = grow(NULL, (row_count + 1) * sizeof *sorted);
	size_t n = 0;
	for (size_t i = 0; i < row_count; i++)
		if (r->labels[i] >= 0)
			sorted[n++] = losses[i];
	qsort(sorted, n, sizeof *sorted, losses_order);
	check(mixture_fit(sorted, n, NULL, 0, 0, &mixture));
	for (size_t i = 0; i < row_count; i++)
		clean[i] = r->labels[i] >= 0 && mixture_posterior(&mixture, losses[i]) > 0.7;
	free(sorted);
	if (r->count < STEPS_MAX)
		r->times[r->count++] = seconds_now();
	return r->epochs && r->count > r->epochs ? ERR_CANCELLED : ERR_OK;
}

/* Epochs behind the warm-up, from one clean set to the next. */
static void run_epoch(void)
{
	struct table t = table_read(needed("ids"));
	struct rows texts = rows_of_ids(t.texts, t.count);
	struct rows seconds = rows_of_ids(t.seconds, t.count);
	struct tune_config config = tune_config_paper();
	struct refit refit = {.labels = t.labels, .epochs = (size_t)number("epochs", 1)};
	struct tune_result result;
	struct machine m;
	config_read(&config);
	config.epochs = 10;
	config.robust.warmup_share = 0;
	config.robust.ramp_share = 0;
	struct tune_data data = {.texts = texts,
				 .second = &seconds,
				 .labels = t.labels,
				 .class_count = t.class_count,
				 .refit = clean_refit,
				 .refit_context = &refit};
	machine_init(&m, t.class_count, &config, &data);
	enum err e = tune_run(m.network, &data, &config, NULL, NULL, &result, &msg);
	if (e != ERR_CANCELLED)
		check(e);
	for (size_t i = 0; i + 1 < refit.count; i++)
		refit.times[i] = refit.times[i + 1] - refit.times[i];
	printf("{\"engine\": \"%s\", \"rows\": %zu, ",
	       gemm_engine_name(gemm_precision(network_gemm(m.network))), t.count);
	print_list("seconds", refit.times, refit.count - 1);
	printf("}\n");
	machine_done(&m);
	rows_done(&texts);
	rows_done(&seconds);
	table_free(&t);
}

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
	arguments = argv + (argc > 1 ? 2 : 1);
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
