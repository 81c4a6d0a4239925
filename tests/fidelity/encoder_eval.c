/*
 * Runs the encoder on texts that are given as ids, without services.
 *
 *   encoder_eval precisions                            those that this machine can do
 *   encoder_eval logits FOLDER TEXTS PRECISION         a line of logits per text
 *   encoder_eval gradients FOLDER TEXTS PRECISION [OTHER]
 *       per parameter: rows, ||g||, ||g - g'||, cosine, ||all g'||; g' is OTHER/model.safetensors,
 *       or what PRECISION fp32 makes
 *   encoder_eval train FOLDER TEXTS PRECISION STEPS    a loss per step, then one per text
 *
 * TEXTS: on each line a label and ids. A step takes BATCH of them, in their order.
 */
#include "base/processors.h"
#include "trainer/encoder/network.h"
#include "trainer/encoder/optimizer.h"
#include "trainer/encoder/weights.h"
#include "trainer/robust.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, TOKENS_MAX = 128, CLASSES_MAX = 8, WARMUP = 10 };

static const double RATE = 5e-5;

struct texts {
	size_t count, class_count;
	int32_t *labels;
	uint32_t *offsets; /* (count + 1) */
	uint32_t *ids;
};

struct model {
	struct parameters p;
	struct network *n;
};

static void die(const char *what)
{
	fprintf(stderr, "encoder_eval: %s\n", what);
	exit(1);
}

static void *get(size_t count, size_t size)
{
	void *p = calloc(count + 1, size);
	if (!p)
		die("no memory");
	return p;
}

static struct texts texts_read(const char *path)
{
	enum { TEXTS_MAX = 20000 };
	static char line[TOKENS_MAX * 12];
	struct texts t = {.labels = get(TEXTS_MAX, sizeof(int32_t)),
			  .offsets = get(TEXTS_MAX, sizeof(uint32_t)),
			  .ids = get((size_t)TEXTS_MAX * TOKENS_MAX, sizeof(uint32_t))};
	FILE *f = fopen(path, "r");
	if (!f)
		die(path);
	while (t.count < TEXTS_MAX && fgets(line, sizeof line, f)) {
		char *at = line, *end;
		uint32_t id_count = t.offsets[t.count];
		t.labels[t.count] = (int32_t)strtol(at, &at, 10);
		if (t.labels[t.count] >= (int32_t)t.class_count)
			t.class_count = (size_t)t.labels[t.count] + 1;
		for (;; at = end) {
			unsigned long id = strtoul(at, &end, 10);
			if (end == at)
				break;
			t.ids[id_count++] = (uint32_t)id;
		}
		t.offsets[++t.count] = id_count;
	}
	(void)fclose(f);
	if (t.count == 0 || t.class_count > CLASSES_MAX)
		die("no texts, or too many classes");
	return t;
}

static struct model model_open(const char *folder, const struct texts *texts,
			       enum precision precision)
{
	/* Both live as long as the program. */
	struct model m = {.n = NULL};
	struct parameters *p = get(1, sizeof *p);
	struct encoder_config config;
	struct team *team;
	struct weights_found found;
	struct err_msg msg = {""};
	struct network_limits limits = {.tokens_max = BATCH * TOKENS_MAX,
					.texts_max = BATCH,
					.states_max = BATCH,
					.text_tokens_max = TOKENS_MAX,
					.training = true};
	if (encoder_config_load(folder, &config, &msg) ||
	    parameters_init(p, &config, texts->class_count) ||
	    team_new(processors_available(), &team) ||
	    network_new(p, &limits, team, precision, &m.n, &msg) ||
	    weights_load(folder, p, 1, network_weights(m.n), &found, &msg))
		die(msg.text);
	network_weights_changed(m.n);
	m.p = *p;
	return m;
}

static struct batch batch_of(const struct texts *t, size_t first, uint32_t *offsets, uint64_t *keys)
{
	size_t count = t->count - first < BATCH ? t->count - first : BATCH;
	for (size_t i = 0; i <= count; i++)
		offsets[i] = t->offsets[first + i] - t->offsets[first];
	for (size_t i = 0; i < count; i++)
		keys[i] = first + i;
	return (struct batch){.text_count = count,
			      .token_count = offsets[count],
			      .ids = t->ids + t->offsets[first],
			      .offsets = offsets,
			      .keys = keys,
			      .sentences_only = true};
}

/* Losses of the batch that begins at text `first`; returns the mean. */
static double batch_run(struct model *m, const struct texts *t, size_t first,
			const struct dropout_step *d, bool backward, float *ret_logits,
			double *ret_losses)
{
	static float gradients[BATCH * CLASSES_MAX];
	uint32_t offsets[BATCH + 1];
	uint64_t keys[BATCH];
	struct batch b = batch_of(t, first, offsets, keys);
	size_t classes = m->p.class_count;
	float *sentences = get((size_t)BATCH * m->p.config.hidden, sizeof(float));
	double loss = 0.0;
	network_forward(m->n, &b, d);
	network_sentences(m->n, &b, sentences);
	network_head(m->n, sentences, b.text_count, keys, d, ret_logits);
	memset(gradients, 0, sizeof gradients);
	for (size_t i = 0; i < b.text_count; i++) {
		float target[CLASSES_MAX] = {0};
		target[t->labels[first + i]] = 1.0f;
		ret_losses[i] =
		    robust_cross_entropy(ret_logits + i * classes, target, classes,
					 1.0 / (double)b.text_count, gradients + i * classes);
		loss += ret_losses[i] / (double)b.text_count;
	}
	if (backward) {
		network_head_backward(m->n, gradients, sentences);
		network_backward(m->n, &b, sentences);
	}
	free(sentences);
	return loss;
}

static void logits_print(struct model *m, const struct texts *t)
{
	float logits[BATCH * CLASSES_MAX];
	double losses[BATCH];
	for (size_t first = 0; first < t->count; first += BATCH) {
		(void)batch_run(m, t, first, NULL, false, logits, losses);
		for (size_t i = 0; i < BATCH && first + i < t->count; i++)
			for (size_t j = 0; j < m->p.class_count; j++)
				printf("%.9g%c", logits[i * m->p.class_count + j],
				       j + 1 < m->p.class_count ? ' ' : '\n');
	}
}

static void gradients_print(struct model *m, const struct texts *t, const char *folder,
			    const char *other)
{
	float logits[BATCH * CLASSES_MAX];
	double losses[BATCH];
	double all = 0.0;
	float *expected = get(m->p.size, sizeof(float));
	(void)batch_run(m, t, 0, NULL, true, logits, losses);
	if (other) {
		struct weights_found found;
		struct err_msg msg;
		if (weights_load(other, &m->p, 1, expected, &found, &msg))
			die(msg.text);
	} else {
		struct model full = model_open(folder, t, PRECISION_FP32);
		(void)batch_run(&full, t, 0, NULL, true, logits, losses);
		memcpy(expected, network_gradients(full.n), m->p.size * sizeof(float));
	}
	for (size_t i = 0; i < m->p.size; i++)
		all += (double)expected[i] * expected[i];
	for (size_t i = 0; i < m->p.count; i++) {
		const struct parameter *each = &m->p.list[i];
		const float *g = network_gradients(m->n) + each->offset;
		const float *e = expected + each->offset;
		double gg = 0.0, ee = 0.0, ge = 0.0, off = 0.0;
		for (size_t j = 0; j < each->rows * each->columns; j++) {
			gg += (double)g[j] * g[j];
			ee += (double)e[j] * e[j];
			ge += (double)g[j] * e[j];
			off += ((double)g[j] - e[j]) * ((double)g[j] - e[j]);
		}
		printf("%zu %.9g %.9g %.9g %.9g\n", each->rows, sqrt(ee), sqrt(off),
		       gg * ee > 0.0 ? ge / sqrt(gg * ee) : 1.0, sqrt(all));
	}
}

static void train_print(struct model *m, const struct texts *t, uint64_t steps)
{
	float logits[BATCH * CLASSES_MAX];
	double losses[BATCH];
	struct optimizer_config config = optimizer_config_default();
	struct optimizer *o;
	if (optimizer_new(m->n, &config, &o))
		die("no memory");
	for (uint64_t step = 0; step < steps; step++) {
		struct dropout_step d = {7, step};
		size_t first = step * BATCH % (t->count / BATCH * BATCH);
		printf("%.9g\n", batch_run(m, t, first, &d, true, logits, losses));
		(void)optimizer_step(o, optimizer_rate(RATE, step, WARMUP, steps));
	}
	for (size_t first = 0; first < t->count; first += BATCH) {
		(void)batch_run(m, t, first, NULL, false, logits, losses);
		for (size_t i = 0; i < BATCH && first + i < t->count; i++)
			printf("%.9g\n", losses[i]);
	}
	optimizer_free(o);
}

static void precisions_print(void)
{
	for (int i = PRECISION_FP32; i <= PRECISION_BF16; i++) {
		struct team *team;
		struct gemm *g;
		if (team_new(1, &team))
			die("no memory");
		if (!gemm_new(team, (enum precision)i, &g, NULL)) {
			printf("%s\n", i == PRECISION_BF16 ? "bf16" : "fp32");
			gemm_free(g);
		}
		team_free(team);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "precisions")) {
		precisions_print();
		return 0;
	}
	if (argc < 5)
		die("see its source");
	struct texts t = texts_read(argv[3]);
	bool half = strcmp(argv[4], "bf16") == 0;
	struct model m = model_open(argv[2], &t, half ? PRECISION_BF16 : PRECISION_FP32);
	if (!strcmp(argv[1], "logits"))
		logits_print(&m, &t);
	else if (!strcmp(argv[1], "gradients"))
		gradients_print(&m, &t, argv[2], argc > 5 ? argv[5] : NULL);
	else if (!strcmp(argv[1], "train") && argc > 5)
		train_print(&m, &t, strtoull(argv[5], NULL, 10));
	else
		die("see its source");
	return 0;
}
