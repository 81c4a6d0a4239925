#include "encoder_times.h"

#include "clean_set.h"
#include "encoder_options.h"
#include "table.h"

#include "trainer/encoder/tune_step.h"
#include "trainer/encoder/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	TOKENS_MAX = 128,
	CALLS_MAX = 1 << 14,
	STEPS_MAX = 4096,
};

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

void run_step(void)
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

void run_infer(void)
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

void run_epoch(void)
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
