/* libs: freeal-trainer-lib text base m */
/* A model folder gives back weights and labels; a damaged one is told from a whole one. */
#include "trainer/encoder/weights.h"

#include "base/folder.h"
#include "base/rng.h"
#include "text/json_file.h"
#include "trainer/description.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const NAMES[] = {"good", "b\"a\\d", "gr\303\274n"};

struct world {
	char root[32], source[64], folder[64];
	struct parameters p;
	float *weights;
	uint64_t checksum;
};

static char *path_of(const char *folder, const char *name)
{
	static char path[PATH_MAX];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void text_write(const char *path, const char *text)
{
	struct err_msg msg;
	const struct folder_part part = {text, strlen(text)};
	assert_int_equal(folder_file_write(path, &part, 1, &msg), ERR_OK);
}

static void save(struct world *w)
{
	struct err_msg msg = {""};
	if (weights_save(w->source, &w->p, w->weights, NAMES, 77, w->folder, &w->checksum, &msg))
		fail_msg("%s", msg.text);
}

/* A source with a family's config.json and a vocabulary. */
static void world_begin(struct world *w, const char *family)
{
	char from[PATH_MAX];
	struct encoder_config c;
	struct err_msg msg;
	struct rng rng = rng_make(3);
	(void)snprintf(from, sizeof from, FIXTURES "/weights/%s/config.json", family);
	assert_int_equal(folder_file_copy(from, path_of(w->source, "config.json"), &msg), ERR_OK);
	text_write(path_of(w->source, "vocab.txt"), "[PAD]\n[UNK]\n");
	text_write(path_of(w->source, "README.md"), "not copied\n");
	assert_int_equal(encoder_config_load(w->source, &c, &msg), ERR_OK);
	assert_int_equal(parameters_init(&w->p, &c, 3), ERR_OK);
	w->weights = calloc(w->p.size, sizeof *w->weights);
	for (size_t i = 0; i < w->p.count; i++) {
		const struct parameter *each = &w->p.list[i];
		for (size_t k = 0; k < each->rows * each->columns; k++)
			w->weights[each->offset + k] = (float)rng_normal(&rng);
	}
	save(w);
}

static void world_end(struct world *w)
{
	free(w->weights);
	w->weights = NULL;
	parameters_done(&w->p);
	folder_delete(w->source);
	folder_delete(w->folder);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	strcpy(w->root, "/tmp/weights-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	(void)snprintf(w->folder, sizeof w->folder, "%s/model", w->root);
	(void)snprintf(w->source, sizeof w->source, "%s/source", w->root);
	assert_int_equal(mkdir(w->source, 0777), 0);
	world_begin(w, "roberta");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	world_end(w);
	(void)rmdir(w->root);
	free(w);
	return 0;
}

static enum err labels_load(const struct world *w, struct err_msg *msg)
{
	struct weights_labels labels;
	uint64_t checksum;
	enum err e = weights_labels_load(w->folder, &labels, &checksum, msg);
	if (e)
		return e;
	assert_int_equal(labels.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(labels.names[i], NAMES[i]);
	assert_true(checksum == w->checksum);
	weights_labels_done(&labels);
	return ERR_OK;
}

static void test_round_trip(void **state)
{
	static const char *const families[] = {"bert", "distilbert"};
	struct world *w = *state;
	struct err_msg msg = {""};
	for (size_t i = 0;; i++) {
		struct weights_found found;
		float *back = malloc(w->p.size * sizeof *back);
		assert_int_equal(weights_load(w->folder, &w->p, 1, back, &found, &msg), ERR_OK);
		assert_true(found.head_dense && found.head_out);
		assert_memory_equal(back, w->weights, w->p.size * sizeof *back);
		free(back);
		assert_int_equal(labels_load(w, &msg), ERR_OK);
		assert_int_equal(weights_check(w->folder, &msg), ERR_OK);
		assert_int_equal(access(path_of(w->folder, "vocab.txt"), F_OK), 0);
		assert_int_not_equal(access(path_of(w->folder, "README.md"), F_OK), 0);
		if (i == 2)
			break;
		world_end(w);
		(void)mkdir(w->source, 0777);
		world_begin(w, families[i]);
	}
}

static void test_config(void **state)
{
	struct world *w = *state;
	json_t *config;
	struct err_msg msg;
	text_write(path_of(w->source, "config.json"),
		   "{\"model_type\": \"roberta\", \"hidden_size\": 4, \"num_hidden_layers\": 2,"
		   "\"num_attention_heads\": 2, \"intermediate_size\": 6, \"vocab_size\": 7,"
		   "\"max_position_embeddings\": 8, \"type_vocab_size\": 1, \"num_labels\": 9,"
		   "\"torch_dtype\": \"float16\", \"layer_norm_eps\": 1e-05, \"own\": [1, null],"
		   "\"architectures\": [\"RobertaForMaskedLM\"], \"id2label\": {\"0\": \"x\"}}");
	save(w);
	assert_int_equal(encoder_config_object(w->folder, &config, &msg), ERR_OK);
	static const struct {
		const char *key, *text;
	} cases[] = {
	    {"architectures", "[\"RobertaForSequenceClassification\"]"},
	    {"problem_type", "\"single_label_classification\""},
	    {"dtype", "\"float32\""},
	    {"torch_dtype", "\"float32\""},
	    {"own", "[1,null]"},
	    {"id2label", "{\"0\":\"good\",\"1\":\"b\\\"a\\\\d\",\"2\":\"gr\303\274n\"}"},
	    {"label2id", "{\"good\":0,\"b\\\"a\\\\d\":1,\"gr\303\274n\":2}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = json_dumps(json_object_get(config, cases[i].key),
					JSON_COMPACT | JSON_ENCODE_ANY);
		assert_string_equal(text, cases[i].text);
		free(text);
	}
	assert_true(json_real_value(json_object_get(config, "layer_norm_eps")) == 1e-05);
	assert_null(json_object_get(config, "num_labels"));
	json_decref(config);
	struct description d;
	assert_int_equal(description_read(w->folder, &d, &msg), ERR_OK);
	assert_int_equal(d.type, MODEL_ENCODER);
	assert_int_equal(d.tokens, 77);
	description_done(&d);
}

/* Each thing that makes a model has a part in its name, and nothing else has. */
static void test_checksum(void **state)
{
	struct world *w = *state;
	uint64_t first = w->checksum;
	save(w);
	assert_true(w->checksum == first);
	w->weights[0] += 1;
	save(w);
	assert_true(w->checksum != first);
	w->weights[0] -= 1;
	text_write(path_of(w->source, "vocab.txt"), "[PAD]\n[UNK]\nx\n");
	save(w);
	assert_true(w->checksum != first);
}

static void byte_flip(const char *path, long at)
{
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	fseek(file, at, at < 0 ? SEEK_END : SEEK_SET);
	int byte = fgetc(file);
	fseek(file, -1, SEEK_CUR);
	fputc(byte ^ 1, file);
	fclose(file);
}

static void test_damage(void **state)
{
	struct world *w = *state;
	struct err_msg msg = {""};
	byte_flip(path_of(w->folder, "model.safetensors"), -3);
	assert_int_equal(labels_load(w, &msg), ERR_OK);
	assert_int_equal(weights_check(w->folder, &msg), ERR_CORRUPT);
	assert_non_null(strstr(msg.text, "is damaged"));
	save(w);
	byte_flip(path_of(w->folder, "vocab.txt"), 0);
	assert_int_equal(weights_check(w->folder, &msg), ERR_CORRUPT);
	save(w);
	assert_int_equal(truncate(path_of(w->folder, "model.safetensors"), 5000), 0);
	assert_int_equal(labels_load(w, &msg), ERR_CORRUPT);
	assert_int_equal(unlink(path_of(w->folder, "model.safetensors")), 0);
	assert_int_equal(labels_load(w, &msg), ERR_CORRUPT);
	save(w);
	assert_int_equal(unlink(path_of(w->folder, "config.json")), 0);
	assert_int_equal(labels_load(w, &msg), ERR_CORRUPT);
	save(w);
	assert_int_equal(folder_file_copy(FIXTURES "/weights/roberta/config.json",
					  path_of(w->folder, "config.json"), &msg),
			 ERR_OK);
	assert_int_equal(labels_load(w, &msg), ERR_CORRUPT);
	folder_delete(w->folder);
	assert_int_equal(labels_load(w, &msg), ERR_NOT_FOUND);
}

static void test_failed_save_leaves_the_old(void **state)
{
	struct world *w = *state;
	struct err_msg msg = {""};
	uint64_t checksum = w->checksum;
	static const char *const bad[] = {"a", "b\xff", "c"};
	assert_int_equal(
	    weights_save(w->source, &w->p, w->weights, bad, 0, w->folder, &checksum, &msg),
	    ERR_INVALID);
	assert_true(checksum == w->checksum);
	assert_int_equal(weights_check(w->folder, &msg), ERR_OK);
	char made[PATH_MAX];
	(void)snprintf(made, sizeof made, "%s.new", w->folder);
	assert_int_not_equal(access(made, F_OK), 0);
}

/* A classifier as it is downloaded. */
static void test_foreign(void **state)
{
	struct world *w = *state;
	struct weights_labels labels;
	struct err_msg msg = {""};
	uint64_t first, checksum;
	const char *folder = FIXTURES "/weights/distilbert";
	assert_int_equal(weights_labels_load(folder, &labels, &first, &msg), ERR_OK);
	assert_int_equal(labels.count, 3);
	assert_string_equal(labels.names[0], "good");
	assert_string_equal(labels.names[2], "gr\303\274n");
	weights_labels_done(&labels);
	assert_int_equal(weights_check(folder, &msg), ERR_OK);
	assert_int_equal(weights_labels_load(FIXTURES "/weights/bert", &labels, &checksum, &msg),
			 ERR_INVALID);
	assert_non_null(strstr(msg.text, "no classifier"));

	static const struct {
		const char *key, *value, *word;
	} cases[] = {
	    {"id2label", "{\"0\":\"a\",\"1\":\"b\"}", "names 2 labels"},
	    {"id2label", "{\"0\":\"a\",\"1\":\"b\",\"3\":\"c\"}", "no name for label 2"},
	    {"id2label", "{\"0\":\"a\",\"1\":\"b\",\"2\":7}", "no name for label 2"},
	    {"id2label", "[1,2,3]", "names 0 labels"},
	    {"problem_type", "\"multi_label_classification\"", "multi_label"},
	};
	assert_int_equal(folder_file_copy(FIXTURES "/weights/distilbert/model.safetensors",
					  path_of(w->source, "model.safetensors"), &msg),
			 ERR_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *config;
		assert_int_equal(encoder_config_object(folder, &config, &msg), ERR_OK);
		json_object_set_new(config, cases[i].key,
				    json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		assert_int_equal(json_dump_file(config, path_of(w->source, "config.json"), 0), 0);
		assert_int_not_equal(weights_labels_load(w->source, &labels, &checksum, &msg),
				     ERR_OK);
		if (!strstr(msg.text, cases[i].word))
			fail_msg("%s; not: %s", msg.text, cases[i].word);
		/* Without names they are numbered, as transformers does. */
		json_object_del(config, "id2label");
		json_object_del(config, "problem_type");
		assert_int_equal(json_dump_file(config, path_of(w->source, "config.json"), 0), 0);
		json_decref(config);
	}
	assert_int_equal(weights_labels_load(w->source, &labels, &checksum, &msg), ERR_OK);
	assert_string_equal(labels.names[2], "LABEL_2");
	assert_true(checksum != first);
	weights_labels_done(&labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_config, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_checksum, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_failed_save_leaves_the_old, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
