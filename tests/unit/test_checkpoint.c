/* libs: freeal-trainer-lib m */
/* A checkpoint gives back the model; a damaged one gives an error, never a model. */
#include "trainer/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const TEXTS[] = {
    "a goal in the last minute", "the striker and the goal", "butter in a warm oven",
    "the recipe needs butter",	 "a league match",	     "bake it in the oven"};
static const int32_t LABELS[] = {0, 0, 1, 1, 0, 1};
static const char *const NAMES[] = {"sport", "k\303\274che"};
enum { COUNT = 6 };

struct world {
	char root[64];
	char folder[96];
	struct ngram *model;
	float probs[COUNT * 2];
	size_t sizes[COUNT];
};

static void world_save(struct world *w)
{
	struct err_msg msg;
	uint64_t checksum;
	struct description found;
	assert_int_equal(ngram_save(w->model, NAMES, w->folder, &checksum, &msg), ERR_OK);
	assert_int_equal(description_read(w->folder, &found, &msg), ERR_OK);
	assert_true(found.checksum == checksum);
	description_done(&found);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct features *f;
	struct err_msg msg;
	struct ngram_config config = ngram_config_default();
	strcpy(w->root, "/tmp/checkpoint-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(w->folder, sizeof w->folder, "%s/model", w->root);
	for (size_t i = 0; i < COUNT; i++)
		w->sizes[i] = strlen(TEXTS[i]);
	assert_int_equal(features_new(TEXTS, w->sizes, COUNT, NULL, &f, &msg), ERR_OK);
	struct ngram_training training = {.features = f, .labels = LABELS, .class_count = 2};
	assert_int_equal(ngram_train(&training, &config, NULL, &w->model, &msg), ERR_OK);
	ngram_predict_rows(w->model, f, 1, w->probs);
	features_free(f);
	world_save(w);
	*state = w;
	return 0;
}

static char *path_of(const struct world *w, const char *name)
{
	static char path[160];
	snprintf(path, sizeof path, "%s/%s", w->folder, name);
	return path;
}

static int teardown(void **state)
{
	struct world *w = *state;
	(void)unlink(path_of(w, "weights.bin"));
	(void)unlink(path_of(w, "model.json"));
	(void)rmdir(w->folder);
	(void)rmdir(w->root);
	ngram_free(w->model);
	free(w);
	return 0;
}

static enum err load(const struct world *w)
{
	struct ngram *m = NULL;
	struct description labels;
	struct err_msg msg = {""};
	enum err err = ngram_load(w->folder, &m, &labels, &msg);
	if (err) {
		assert_true(strstr(msg.text, w->folder) != NULL);
		assert_null(m);
		return err;
	}
	ngram_free(m);
	description_done(&labels);
	return ERR_OK;
}

static void test_round_trip(void **state)
{
	struct world *w = *state;
	struct ngram *m;
	struct description labels;
	struct err_msg msg;
	float probs[COUNT * 2];
	/* Saving over an older one replaces it. */
	world_save(w);
	assert_int_equal(ngram_load(w->folder, &m, &labels, &msg), ERR_OK);
	assert_int_equal(labels.label_count, 2);
	assert_string_equal(labels.labels[1], NAMES[1]);
	assert_int_equal(ngram_predict(m, TEXTS, w->sizes, COUNT, probs, &msg), ERR_OK);
	assert_memory_equal(probs, w->probs, sizeof probs);
	ngram_free(m);
	description_done(&labels);
	char made[128];
	snprintf(made, sizeof made, "%s.new", w->folder);
	assert_int_not_equal(access(made, F_OK), 0);
}

static void test_missing(void **state)
{
	struct world *w = *state;
	assert_int_equal(unlink(path_of(w, "weights.bin")), 0);
	assert_int_equal(load(w), ERR_NOT_FOUND);
	assert_int_equal(unlink(path_of(w, "model.json")), 0);
	assert_int_equal(load(w), ERR_NOT_FOUND);
	world_save(w);
	assert_int_equal(load(w), ERR_OK);
}

/* Every length but the whole one, and every byte of the start and some of the rest. */
static void test_damaged_weights(void **state)
{
	struct world *w = *state;
	struct stat stat_now;
	assert_int_equal(stat(path_of(w, "weights.bin"), &stat_now), 0);
	size_t size = (size_t)stat_now.st_size;
	for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : size / 7) {
		assert_int_equal(truncate(path_of(w, "weights.bin"), (off_t)cut), 0);
		assert_int_equal(load(w), ERR_CORRUPT);
		world_save(w);
	}
	for (size_t at = 0; at < size; at += at < 64 ? 1 : size / 11) {
		FILE *file = fopen(path_of(w, "weights.bin"), "r+b");
		assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
		int byte = fgetc(file);
		assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
		fputc(byte ^ 0x41, file);
		fclose(file);
		enum err err = load(w);
		assert_true(err == ERR_CORRUPT || (err == ERR_VERSION && at >= 8 && at < 12));
		world_save(w);
	}
}

static void write_model(const struct world *w, const char *text)
{
	FILE *file = fopen(path_of(w, "model.json"), "w");
	fputs(text, file);
	fclose(file);
}

static void test_damaged_description(void **state)
{
	struct world *w = *state;
	write_model(w, "{");
	assert_int_equal(load(w), ERR_CORRUPT);
	write_model(w, "{\"format\": \"freeal-model\", \"version\": 99, \"type\": \"ngram\","
		       " \"labels\": [\"a\", \"b\"], \"checksum\": \"0123456789abcdef\"}");
	assert_int_equal(load(w), ERR_VERSION);
	write_model(w, "{\"format\": \"freeal-model\", \"version\": 1, \"type\": \"ngram\","
		       " \"labels\": [\"a\", \"b\"], \"checksum\": \"0123456789abcdef\"}");
	assert_int_equal(load(w), ERR_CORRUPT);
	write_model(w, "{\"format\": \"freeal-model\", \"version\": 1, \"type\": \"ngram\","
		       " \"labels\": [\"a\", 2], \"checksum\": \"0123456789abcdef\"}");
	assert_int_equal(load(w), ERR_CORRUPT);
	world_save(w);
	assert_int_equal(load(w), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_missing),
	    cmocka_unit_test(test_damaged_weights),
	    cmocka_unit_test(test_damaged_description),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
