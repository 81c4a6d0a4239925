/* libs: freeal-trainer-lib m */
/* A start checkpoint to vectors, folds and a model that labels text; what is refused. */
#include "tune_world.h"

#include "trainer/encoder/encoder_state.h"

#include "base/folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HIDDEN = 16 };

static const char CONFIG[] =
    "{\"model_type\": \"bert\", \"hidden_size\": 16, \"num_hidden_layers\": 2,"
    " \"num_attention_heads\": 2, \"intermediate_size\": 32, \"vocab_size\": %d,"
    " \"max_position_embeddings\": 24, \"type_vocab_size\": 2, \"hidden_act\": \"gelu\"}\n";
static const char WORDS[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\nfilm\nplot\nthe\na\nold\nnew\n";
static const char *const LABELS[] = {"no", "yes"};

struct texts {
	char text[ROWS][40];
	const char *at[ROWS];
	size_t sizes[ROWS];
	int32_t labels[ROWS];
	bool held_out[ROWS];
};

static void texts_init(struct texts *t)
{
	static const char *const words[] = {"film", "plot", "the", "a", "old", "new"};
	struct rng rng = rng_make(2);
	for (size_t i = 0; i < ROWS; i++) {
		const char *w[3];
		for (size_t j = 0; j < 3; j++)
			w[j] = words[rng_below(&rng, 6)];
		t->labels[i] = (int32_t)(i % 2);
		t->held_out[i] = i % 3 == 0;
		(void)snprintf(t->text[i], sizeof t->text[i], "%s %s %s %s", w[0], w[1],
			       i % 2 ? "good" : "bad", w[2]);
		t->at[i] = t->text[i];
		t->sizes[i] = strlen(t->text[i]);
	}
}

static void file_write(const char *path, const char *text)
{
	struct err_msg msg;
	const struct folder_part part = {text, strlen(text)};
	assert_int_equal(folder_file_write(path, &part, 1, &msg), ERR_OK);
}

/* A folder `name` of random weights. */
static void checkpoint_make(const char *name, int vocabulary)
{
	char config[512];
	struct encoder_config c;
	struct parameters p;
	struct err_msg msg = {""};
	uint64_t checksum;
	(void)mkdir("source", 0777);
	(void)snprintf(config, sizeof config, CONFIG, vocabulary);
	file_write("source/config.json", config);
	file_write("source/vocab.txt", WORDS);
	assert_int_equal(encoder_config_load("source", &c, &msg), ERR_OK);
	assert_int_equal(parameters_init(&p, &c, 2), ERR_OK);
	float *weights = calloc(p.size, sizeof *weights);
	struct rng rng = rng_make(5);
	for (size_t i = 0; i < p.count; i++)
		for (size_t j = 0; j < p.list[i].rows * p.list[i].columns; j++)
			weights[p.list[i].offset + j] =
			    (float)(0.15 * rng_normal(&rng)) + (p.list[i].rows == 1 ? 0.5f : 0.0f);
	assert_int_equal(weights_save("source", &p, weights, LABELS, 0, name, &checksum, &msg),
			 ERR_OK);
	free(weights);
	parameters_done(&p);
}

static struct encoder_options options(void)
{
	return (struct encoder_options){.thread_count = 2, .precision = PRECISION_FP32};
}

static struct encoder *start_open(void)
{
	struct encoder *e;
	struct err_msg msg = {""};
	const struct encoder_options o = options();
	if (encoder_open("start", &o, &e, &msg))
		fail_msg("%s", msg.text);
	return e;
}

static struct tune_config quick_config(void)
{
	struct tune_config config = tune_config_default();
	config.epochs = 10;
	config.batch_rows = 8;
	config.rate = 5e-3;
	return config;
}

static void test_vectors(void **state)
{
	(void)state;
	struct texts t;
	struct err_msg msg;
	float vectors[ROWS][HIDDEN], some[2][HIDDEN];
	texts_init(&t);
	struct encoder *e = start_open();
	assert_int_equal(encoder_dimensions(e), HIDDEN);
	assert_int_equal(encoder_tokens_max(e), 24);
	assert_int_equal(encoder_embed(e, t.at, t.sizes, ROWS, NULL, vectors[0], &msg), ERR_OK);
	assert_int_equal(encoder_embed(e, t.at + 7, t.sizes + 7, 2, NULL, some[0], &msg), ERR_OK);
	for (size_t j = 0; j < HIDDEN; j++)
		assert_true(fabsf(some[1][j] - vectors[8][j]) < 1e-5f);
	double product = 0;
	for (size_t j = 0; j < HIDDEN; j++)
		product += (double)vectors[3][j] * (double)vectors[3][j];
	assert_true(fabs(product - 1) < 1e-5);
	encoder_free(e);
}

static void test_a_fold(void **state)
{
	(void)state;
	struct texts t;
	struct err_msg msg = {""};
	struct encoder_data *data;
	float probs[ROWS / 3][2];
	const struct tune_config config = quick_config();
	texts_init(&t);
	struct encoder *e = start_open();
	assert_int_equal(encoder_data_new(e, t.at, t.sizes, NULL, NULL, ROWS, &data, &msg), ERR_OK);
	assert_int_equal(encoder_data_cut(data), 0);
	/* Labels of the fold's own rows don't count. */
	for (size_t i = 0; i < ROWS; i += 3)
		t.labels[i] = 1;
	assert_int_equal(encoder_fold_train(e, data, t.labels, t.held_out, 2, &config, NULL, NULL,
					    probs[0], &msg),
			 ERR_OK);
	for (size_t i = 0; i < ROWS / 3; i++)
		assert_int_equal(probs[i][1] > probs[i][0], 3 * i % 2);
	for (size_t i = 0; i < ROWS; i++)
		t.labels[i] = -1;
	assert_int_equal(encoder_fold_train(e, data, t.labels, t.held_out, 2, &config, NULL, NULL,
					    probs[0], &msg),
			 ERR_OK);
	assert_true(probs[0][0] == 0.5f && probs[ROWS / 3 - 1][1] == 0.5f);
	encoder_data_free(data);
	encoder_free(e);
}

static void test_a_model_labels_text(void **state)
{
	(void)state;
	struct texts t;
	struct err_msg msg = {""};
	struct encoder_data *data;
	uint64_t checksum, checksum_read;
	double loss;
	texts_init(&t);
	const struct tune_config config = quick_config();
	struct encoder_options o = options();
	o.tokens_max = 5;
	struct encoder *e;
	assert_int_equal(encoder_open("start", &o, &e, &msg), ERR_OK);
	assert_int_equal(encoder_data_new(e, t.at, t.sizes, t.at, t.sizes, ROWS, &data, &msg),
			 ERR_OK);
	assert_int_equal(encoder_data_cut(data), 2 * ROWS);
	encoder_data_free(data);
	encoder_free(e);
	e = start_open();
	assert_int_equal(encoder_data_new(e, t.at, t.sizes, t.at, t.sizes, ROWS, &data, &msg),
			 ERR_OK);
	const struct encoder_training training = {.data = data,
						  .labels = t.labels,
						  .class_count = 2,
						  .label_names = LABELS,
						  .folder = "model"};
	if (encoder_train(e, &training, &config, NULL, NULL, &checksum, &loss, &msg))
		fail_msg("%s", msg.text);
	assert_true(loss > 0 && loss < 0.7);
	encoder_data_free(data);
	encoder_free(e);

	struct weights_labels labels;
	const char *texts[] = {"a new good plot", "the bad film"};
	const size_t sizes[] = {15, 12};
	float probs[2][2];
	o = options();
	assert_int_equal(encoder_model_open("model", &o, &e, &labels, &checksum_read, &msg),
			 ERR_OK);
	assert_true(checksum == checksum_read);
	assert_int_equal(labels.count, 2);
	assert_string_equal(labels.names[1], "yes");
	assert_int_equal(encoder_predict(e, texts, sizes, 2, NULL, probs[0], &msg), ERR_OK);
	assert_true(probs[0][1] > 0.8f && probs[1][0] > 0.8f);
	weights_labels_done(&labels);
	encoder_free(e);
}

static void check_refused(const char *folder, const struct encoder_options *o, enum err expected,
			  const char *words)
{
	struct encoder *e = NULL;
	struct err_msg msg = {""};
	assert_int_equal(encoder_open(folder, o, &e, &msg), expected);
	if (!strstr(msg.text, words))
		fail_msg("%s", msg.text);
}

static void test_options_that_do_not_fit(void **state)
{
	(void)state;
	struct encoder_options o = options();
	o.tokens_max = 25;
	check_refused("start", &o, ERR_INVALID, "tokens: 25");
	o.tokens_max = 2;
	check_refused("start", &o, ERR_INVALID, "tokens: 2");
	o = options();
	o.frozen = 3;
	check_refused("start", &o, ERR_INVALID, "freeze: 3");
	o = options();
	check_refused("nowhere", &o, ERR_NOT_FOUND, "nowhere");
	/* Ids that the word table doesn't have. */
	checkpoint_make("small", 9);
	check_refused("small", &o, ERR_INVALID, "vocab_size of 9");
	assert_int_equal(unlink("small/model.safetensors"), 0);
}

static void test_needs_and_what_is_too_large(void **state)
{
	(void)state;
	struct encoder_needs needs, frozen;
	struct err_msg msg = {""};
	struct tune_config config = quick_config();
	struct encoder *e = start_open();
	assert_int_equal(encoder_needs(e, 2, &config, &needs, &msg), ERR_OK);
	/* Tables of words, positions and types; two layers; the head; LayerNorms. */
	assert_int_equal(
	    needs.parameter_count,
	    (13 + 24 + 2 + 2) * HIDDEN +
		2 * (4 * HIDDEN * (HIDDEN + 1) + 2 * HIDDEN * 32 + 32 + HIDDEN + 4 * HIDDEN) +
		HIDDEN * (HIDDEN + 1) + 2 * (HIDDEN + 1));
	assert_true(needs.train_bytes > needs.predict_bytes / 2);
	assert_true(needs.memory_bytes > needs.train_bytes);
	e->frozen = 2;
	assert_int_equal(encoder_needs(e, 2, &config, &frozen, &msg), ERR_OK);
	assert_true(frozen.train_bytes < needs.train_bytes);
	const struct network_limits limits = tune_limits(&config, NULL, 24, 0);
	assert_int_equal(encoder_bytes_check(e, needs.train_bytes, &limits, &msg), ERR_OK);
	assert_int_equal(encoder_bytes_check(e, (size_t)1 << 60, &limits, &msg), ERR_LIMIT);
	assert_non_null(strstr(msg.text, "GiB"));
	assert_non_null(strstr(msg.text, "`batch`"));
	assert_non_null(strstr(msg.text, "`tokens`"));
	assert_non_null(strstr(msg.text, "`freeze`"));
	encoder_free(e);
}

static int folder_make(void **state)
{
	(void)state;
	char folder[] = "/tmp/freeal-test-XXXXXX";
	if (!mkdtemp(folder) || chdir(folder) != 0)
		return -1;
	checkpoint_make("start", 13);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_a_fold),
	    cmocka_unit_test(test_a_model_labels_text),
	    cmocka_unit_test(test_options_that_do_not_fit),
	    cmocka_unit_test(test_needs_and_what_is_too_large),
	};
	return cmocka_run_group_tests(tests, folder_make, NULL);
}
