/* libs: freeal-trainer-lib */
/* The encoder against PyTorch: small checkpoints of the three families (make_encoder.py). */
#include "trainer/encoder/network.h"
#include "trainer/encoder/optimizer.h"
#include "trainer/encoder/weights.h"
#include "trainer/robust.h"

#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../golden/encoder.inc"

#define FAMILIES (sizeof GOLDEN / sizeof *GOLDEN)

struct model {
	struct parameters p;
	struct team *team;
	struct network *n;
};

struct shape {
	size_t workers;
	bool inference;
	uint32_t frozen;
	enum precision precision;
};

static void folder_name(const char *family, const char *part, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/encoder/%s%s", FIXTURES, family, part);
}

static const struct network_limits LIMITS = {.tokens_max = TOKENS + 3,
					     .texts_max = TEXTS + 1,
					     .states_max = 2 * TEXTS,
					     .text_tokens_max = 16};

static void model_open(struct model *m, const char *family, struct shape shape)
{
	struct encoder_config config;
	struct weights_found found;
	struct err_msg msg = {""};
	char folder[512];
	folder_name(family, "", folder, sizeof folder);
	assert_int_equal(encoder_config_load(folder, &config, &msg), ERR_OK);
	assert_int_equal(parameters_init(&m->p, &config, CLASSES), ERR_OK);
	assert_int_equal(team_new(shape.workers, &m->team), ERR_OK);
	struct network_limits limits = LIMITS;
	limits.training = !shape.inference;
	limits.frozen = shape.frozen;
	assert_int_equal(network_new(&m->p, &limits, m->team, shape.precision, &m->n, &msg),
			 ERR_OK);
	assert_int_equal(weights_load(folder, &m->p, 1, network_weights(m->n), &found, &msg),
			 ERR_OK);
	assert_true(found.head_dense && found.head_out);
	network_weights_changed(m->n);
}

static void model_close(struct model *m)
{
	network_free(m->n);
	team_free(m->team);
	parameters_done(&m->p);
}

static struct batch batch_all(bool sentences_only)
{
	return (struct batch){.text_count = TEXTS,
			      .token_count = TOKENS,
			      .ids = IDS,
			      .offsets = OFFSETS,
			      .keys = KEYS,
			      .sentences_only = sentences_only};
}

static void logits_of(struct model *m, const struct batch *b, const struct dropout_step *d,
		      float *ret)
{
	float sentences[TEXTS * HIDDEN_MAX];
	network_sentences(m->n, b, sentences);
	network_head(m->n, sentences, b->text_count, b->keys, d, ret);
}

/* Gradients of the mean cross-entropy of all texts; `labels` of the batch's texts. Returns its
 * part of the loss. */
static double backward(struct model *m, const struct batch *b, const int32_t *labels,
		       const struct dropout_step *d)
{
	float logits[TEXTS * CLASSES], dlogits[TEXTS * CLASSES] = {0};
	float dsentences[TEXTS * HIDDEN_MAX];
	double loss = 0.0;
	logits_of(m, b, d, logits);
	for (size_t i = 0; i < b->text_count; i++) {
		float target[CLASSES] = {0};
		target[labels[i]] = 1.0f;
		loss += robust_cross_entropy(logits + i * CLASSES, target, CLASSES, 1.0 / TEXTS,
					     dlogits + i * CLASSES);
	}
	network_head_backward(m->n, dlogits, dsentences);
	network_backward(m->n, b, dsentences);
	return loss / TEXTS;
}

static double loss_and_gradients(struct model *m, bool sentences_only, const struct dropout_step *d)
{
	struct batch b = batch_all(sentences_only);
	network_forward(m->n, &b, d);
	return backward(m, &b, LABELS, d);
}

static void near(const float *a, const float *b, size_t count, double bound)
{
	for (size_t i = 0; i < count; i++)
		if (!(fabs((double)a[i] - b[i]) <= bound))
			fail_msg("%zu: %.9g, not %.9g", i, a[i], b[i]);
}

static double norm_of(const float *a, const float *b, size_t count)
{
	double sum = 0.0;
	for (size_t i = 0; i < count; i++) {
		double x = b ? (double)a[i] - b[i] : a[i];
		sum += x * x;
	}
	return sqrt(sum);
}

/* ||g - g'|| <= relative * ||g'|| + absolute * ||all g'||, for each parameter from the first that
 * is trained. */
static void gradients_near(struct model *m, const float *expected, double relative, double absolute)
{
	const float *got = network_gradients(m->n);
	double all = norm_of(expected, NULL, m->p.size);
	assert_true(all > 0.1);
	for (size_t i = 0; i < m->p.count; i++) {
		const struct parameter *each = &m->p.list[i];
		size_t count = each->rows * each->columns;
		if (each->offset < network_trained(m->n)) {
			assert_true(norm_of(got + each->offset, NULL, count) == 0.0);
			continue;
		}
		double norm = norm_of(expected + each->offset, NULL, count);
		double off = norm_of(got + each->offset, expected + each->offset, count);
		if (!(off <= relative * norm + absolute * all))
			fail_msg("parameter %zu: off by %.3g of %.3g", i, off, norm);
	}
}

static float *gradients_expected(const struct model *m, const char *family, bool dropout)
{
	struct weights_found found;
	struct err_msg msg;
	char folder[512];
	folder_name(family, dropout ? "/gradients_dropout" : "/gradients", folder, sizeof folder);
	float *ret = calloc(m->p.size, sizeof *ret);
	assert_non_null(ret);
	assert_int_equal(weights_load(folder, &m->p, 1, ret, &found, &msg), ERR_OK);
	return ret;
}

static bool precision_is_there(enum precision precision)
{
	struct team *team;
	struct gemm *g;
	struct err_msg msg;
	assert_int_equal(team_new(1, &team), ERR_OK);
	bool is_there = gemm_new(team, precision, &g, &msg) == ERR_OK;
	if (is_there)
		gemm_free(g);
	team_free(team);
	return is_there;
}

static void test_logits(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++)
		for (size_t workers = 1; workers <= 3; workers++)
			for (int kind = 0; kind < 8; kind++) {
				struct shape shape = {.workers = workers,
						      .inference = kind & 1,
						      .precision = kind & 4 ? PRECISION_BF16
									    : PRECISION_FP32};
				if (!precision_is_there(shape.precision))
					continue;
				struct model m;
				model_open(&m, GOLDEN[i].family, shape);
				struct batch b = batch_all(kind & 2);
				float logits[TEXTS * CLASSES];
				network_forward(m.n, &b, NULL);
				logits_of(&m, &b, NULL, logits);
				near(logits, GOLDEN[i].logits, TEXTS * CLASSES,
				     kind & 4 ? 0.03 : 1e-5);
				model_close(&m);
			}
}

static void test_mean_pool(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++) {
		struct model m;
		model_open(&m, GOLDEN[i].family, (struct shape){.workers = 2, .inference = true});
		struct batch b = batch_all(false);
		float pooled[TEXTS * HIDDEN_MAX];
		network_forward(m.n, &b, NULL);
		network_mean_pool(m.n, &b, pooled);
		near(pooled, GOLDEN[i].pooled, TEXTS * m.p.config.hidden, 1e-5);
		model_close(&m);
	}
}

static void test_gradients(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++)
		for (size_t workers = 1; workers <= 3; workers++)
			for (int kind = 0; kind < 8; kind++) {
				bool dropout = kind & 1, half = kind & 4;
				struct shape shape = {.workers = workers,
						      .precision =
							  half ? PRECISION_BF16 : PRECISION_FP32};
				if (!precision_is_there(shape.precision))
					continue;
				struct model m;
				model_open(&m, GOLDEN[i].family, shape);
				float *expected = gradients_expected(&m, GOLDEN[i].family, dropout);
				(void)loss_and_gradients(&m, kind & 2, dropout ? &DROPOUT : NULL);
				gradients_near(&m, expected, half ? 0.06 : 1e-4,
					       half ? 2e-3 : 1e-7);
				free(expected);
				model_close(&m);
			}
}

/* One text at a time, in another order, adds up to the same, whatever is dropped. */
static void test_packing(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++) {
		struct model m;
		model_open(&m, GOLDEN[i].family, (struct shape){.workers = 2});
		float *expected = gradients_expected(&m, GOLDEN[i].family, true);
		for (size_t text = TEXTS; text-- > 0;) {
			uint32_t offsets[] = {0, OFFSETS[text + 1] - OFFSETS[text]};
			struct batch b = {.text_count = 1,
					  .token_count = offsets[1],
					  .ids = IDS + OFFSETS[text],
					  .offsets = offsets,
					  .keys = KEYS + text,
					  .sentences_only = text % 2};
			float logits[CLASSES];
			network_forward(m.n, &b, &DROPOUT);
			logits_of(&m, &b, &DROPOUT, logits);
			near(logits, GOLDEN[i].logits_dropout + text * CLASSES, CLASSES, 1e-5);
			(void)backward(&m, &b, LABELS + text, &DROPOUT);
		}
		gradients_near(&m, expected, 1e-4, 1e-7);
		free(expected);
		model_close(&m);
	}
}

/* The same arguments give the same bits. */
static void test_repeat(void **state)
{
	(void)state;
	struct model m;
	model_open(&m, "roberta", (struct shape){.workers = 3});
	size_t bytes = m.p.size * sizeof(float);
	float *first = malloc(bytes);
	assert_non_null(first);
	for (int i = 0; i < 3; i++) {
		network_gradients_clear(m.n);
		(void)loss_and_gradients(&m, true, &DROPOUT);
		if (i == 0)
			memcpy(first, network_gradients(m.n), bytes);
		else
			assert_memory_equal(first, network_gradients(m.n), bytes);
	}
	free(first);
	model_close(&m);
}

static void test_touched(void **state)
{
	(void)state;
	struct model m;
	model_open(&m, "bert", (struct shape){.workers = 2});
	size_t hidden = m.p.config.hidden, count;
	const float *word =
	    network_gradients(m.n) + parameters_single(&m.p, PARAMETER_WORD)->offset;
	(void)network_touched(m.n, &count);
	assert_int_equal(count, 0);
	for (int i = 0; i < 2; i++)
		(void)loss_and_gradients(&m, true, NULL);
	const uint32_t *touched = network_touched(m.n, &count);
	assert_true(count > TEXTS && count <= TOKENS);
	size_t at = 0;
	for (uint32_t id = 0; id < m.p.config.vocabulary; id++) {
		bool is_zero = norm_of(word + id * hidden, NULL, hidden) == 0.0;
		bool is_touched = at < count && touched[at] == id;
		assert_true(is_zero != is_touched);
		at += is_touched;
	}
	assert_int_equal(at, count);
	network_gradients_clear(m.n);
	(void)network_touched(m.n, &count);
	assert_int_equal(count, 0);
	assert_true(norm_of(network_gradients(m.n), NULL, m.p.size) == 0.0);
	model_close(&m);
}

static void frozen_check(const char *family, struct shape shape, bool sentences_only)
{
	bool half = shape.precision == PRECISION_BF16;
	double relative = half ? 0.06 : 1e-4, absolute = half ? 2e-3 : 1e-7;
	struct model m;
	model_open(&m, family, shape);
	float *expected = gradients_expected(&m, family, false);
	size_t count = TOKENS * m.p.config.hidden;
	float *states = malloc(count * sizeof *states);
	assert_non_null(states);
	struct batch b = batch_all(sentences_only);
	network_forward(m.n, &b, NULL);
	(void)backward(&m, &b, LABELS, NULL);
	gradients_near(&m, expected, relative, absolute);
	memcpy(states, network_frozen_states(m.n), count * sizeof *states);
	network_gradients_clear(m.n);
	/* Frozen layers drop nothing, so their states are the same with dropout. */
	network_forward(m.n, &b, &DROPOUT);
	assert_memory_equal(states, network_frozen_states(m.n), count * sizeof *states);
	network_forward_frozen(m.n, &b);
	assert_memory_equal(states, network_frozen_states(m.n), count * sizeof *states);
	network_forward_from(m.n, &b, states, NULL);
	(void)backward(&m, &b, LABELS, NULL);
	gradients_near(&m, expected, relative, absolute);
	free(states);
	free(expected);
	model_close(&m);
}

static void test_frozen(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++)
		for (uint32_t frozen = 1; frozen <= 2; frozen++)
			for (int kind = 0; kind < 4; kind++) {
				struct shape shape = {.workers = 2,
						      .frozen = frozen,
						      .precision = kind & 2 ? PRECISION_BF16
									    : PRECISION_FP32};
				if (precision_is_there(shape.precision))
					frozen_check(GOLDEN[i].family, shape, kind & 1);
			}
}

/* Mixtures of sentences go through the head like sentences: its gradient is that of the
 * differences. */
static void test_head_mixtures(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++) {
		struct model m;
		model_open(&m, GOLDEN[i].family, (struct shape){.workers = 2});
		size_t hidden = m.p.config.hidden;
		float sentences[2 * TEXTS * HIDDEN_MAX], gradient[2 * TEXTS * HIDDEN_MAX];
		float logits[2 * TEXTS * CLASSES], dlogits[2 * TEXTS * CLASSES];
		uint64_t keys[2 * TEXTS];
		struct batch b = batch_all(true);
		network_forward(m.n, &b, NULL);
		network_sentences(m.n, &b, sentences);
		for (size_t row = TEXTS; row < 2 * TEXTS; row++)
			for (size_t j = 0; j < hidden; j++)
				sentences[row * hidden + j] =
				    0.7f * sentences[(row - TEXTS) * hidden + j] +
				    0.3f * sentences[(2 * TEXTS - 1 - row) * hidden + j];
		for (size_t row = 0; row < 2 * TEXTS; row++)
			keys[row] = row * 77;
		for (size_t j = 0; j < 2 * TEXTS * CLASSES; j++)
			dlogits[j] = (float)(j % 5) - 2.0f;
		network_head(m.n, sentences, 2 * TEXTS, keys, &DROPOUT, logits);
		network_head_backward(m.n, dlogits, gradient);
		for (size_t at = 0; at < 2 * TEXTS * hidden; at += 7) {
			double sum = 0.0;
			for (int sign = -1; sign <= 1; sign += 2) {
				float kept = sentences[at];
				sentences[at] += (float)sign * 0.01f;
				network_head(m.n, sentences, 2 * TEXTS, keys, &DROPOUT, logits);
				sentences[at] = kept;
				for (size_t j = 0; j < 2 * TEXTS * CLASSES; j++)
					sum += sign * (double)logits[j] * dlogits[j] / 0.02;
			}
			if (!(fabs(sum - gradient[at]) <= 0.01 * fabs(gradient[at]) + 2e-3))
				fail_msg("%zu: %.6g, not %.6g", at, gradient[at], sum);
		}
		model_close(&m);
	}
}

static void test_loss_trace(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAMILIES; i++) {
		struct model m;
		model_open(&m, GOLDEN[i].family, (struct shape){.workers = 2});
		struct optimizer_config config = optimizer_config_default();
		struct optimizer *o;
		assert_int_equal(optimizer_new(m.n, &config, &o), ERR_OK);
		for (uint64_t step = 0; step < STEPS; step++) {
			double loss = loss_and_gradients(&m, step % 2, NULL);
			if (!(fabs(loss - GOLDEN[i].losses[step]) <= 1e-5))
				fail_msg("step %d: %.7g, not %.7g", (int)step, loss,
					 GOLDEN[i].losses[step]);
			(void)optimizer_step(o, optimizer_rate(RATE, step, WARMUP, STEPS));
		}
		optimizer_free(o);
		model_close(&m);
	}
}

static size_t bytes_resident(void)
{
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
	(void)fclose(f);
	return resident * 4096;
}

static void test_bytes(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* its shadow memory is resident, too */
#endif
	struct encoder_config config = {.family = ENCODER_BERT,
					.hidden = 256,
					.layers = 3,
					.heads = 4,
					.intermediate = 1024,
					.vocabulary = 30000,
					.positions = 512,
					.types = 2,
					.epsilon = 1e-12f};
	for (int kind = 0; kind < 6; kind++) {
		struct network_limits limits = {.tokens_max = 1500,
						.texts_max = 64,
						.states_max = 96,
						.text_tokens_max = 128,
						.training = kind % 3 > 0,
						.frozen = kind % 3 > 1 ? 2 : 0};
		enum precision precision = kind < 3 ? PRECISION_FP32 : PRECISION_BF16;
		struct parameters p;
		struct team *team;
		struct network *n;
		struct err_msg msg;
		if (!precision_is_there(precision))
			continue;
		assert_int_equal(parameters_init(&p, &config, 2), ERR_OK);
		assert_int_equal(team_new(2, &team), ERR_OK);
		double said = (double)network_bytes(&p, &limits, 2, precision);
		(void)malloc_trim(0);
		size_t before = bytes_resident();
		assert_int_equal(network_new(&p, &limits, team, precision, &n, &msg), ERR_OK);
		double taken = (double)(bytes_resident() - before);
		if (!(taken <= said * 1.05 + 4e6 && taken >= said * 0.93))
			fail_msg("kind %d: %.1f MB, not %.1f", kind, taken / 1e6, said / 1e6);
		network_free(n);
		team_free(team);
		parameters_done(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_logits),     cmocka_unit_test(test_mean_pool),
	    cmocka_unit_test(test_gradients),  cmocka_unit_test(test_packing),
	    cmocka_unit_test(test_repeat),     cmocka_unit_test(test_touched),
	    cmocka_unit_test(test_frozen),     cmocka_unit_test(test_head_mixtures),
	    cmocka_unit_test(test_loss_trace), cmocka_unit_test(test_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
