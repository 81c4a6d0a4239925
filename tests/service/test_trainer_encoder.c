/* libs: wire base proto freeal-trainer trainer_peers.c worker_peers.c */
/* The trainer as a process, under a model of type encoder: a small random checkpoint. */
#include "base/rng.h"
#include "trainer_peers.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HALVES 2
#define DIMENSIONS 16

static Freeal__Model model;
static char checkpoint[128];

/* The words of the texts, and digits, as the fixture's vocabulary of 60. */
static void vocabulary_write(const char *folder)
{
	static const char *const words[] = {
	    "[PAD]",   "[UNK]",	  "[CLS]",    "[SEP]",	"[MASK]", "engine", "wheel",  "brake",
	    "gearbox", "motor",	  "tyre",     "violin", "melody", "chorus", "opera",  "tenor",
	    "rhythm",  "glacier", "mountain", "valley", "river",  "forest", "meadow", "the",
	    "old",     "new",	  "is",	      "was",	"very",	  "with",   "some",   "a"};
	char path[200];
	(void)snprintf(path, sizeof path, "%s/vocab.txt", folder);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	size_t count = sizeof words / sizeof *words;
	for (size_t i = 0; i < count; i++)
		(void)fprintf(file, "%s\n", words[i]);
	for (int i = 0; i < 10; i++)
		(void)fprintf(file, "%d\n##%d\n", i, i);
	for (size_t i = count + 20; i < 60; i++)
		(void)fprintf(file, "[unused%zu]\n", i);
	assert_int_equal(fclose(file), 0);
}

static void checkpoint_make(void)
{
	static const char *const names[] = {"config.json", "model.safetensors"};
	assert_int_equal(mkdir(checkpoint, 0700), 0);
	for (size_t i = 0; i < 2; i++) {
		char from[300], to[200];
		(void)snprintf(from, sizeof from, FIXTURES "/encoder/bert/%s", names[i]);
		(void)snprintf(to, sizeof to, "%s/%s", checkpoint, names[i]);
		assert_int_equal(symlink(from, to), 0);
	}
	vocabulary_write(checkpoint);
}

static int setup(void **state)
{
	int failed = peers_setup(state);
	struct peers *p = *state;
	p->fold_count = HALVES;
	(void)snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", p->dir);
	model = (Freeal__Model)FREEAL__MODEL__INIT;
	model.type = (char *)"encoder";
	model.recipe = (char *)"default";
	model.precision = (char *)"fp32";
	model.path = checkpoint;
	model.folds = HALVES;
	model.tokens = 16;
	model.batch = 32;
	model.rate = 2e-3;
	model.epochs = 4;
	model.views = 7;
	welcome_model = &model;
	return failed;
}

static uint64_t slot_inode(const struct peers *p, const char *name)
{
	char path[200];
	struct stat info;
	(void)snprintf(path, sizeof path, "%s/0/%s", p->data, name);
	return stat(path, &info) == 0 ? info.st_ino : 0;
}

static size_t right_count(const struct peers *p)
{
	size_t right = 0;
	for (size_t i = 0; i < SAMPLE_COUNT; i++) {
		const float *row = p->probabilities[i];
		float sum = 0;
		int32_t best = 0;
		for (int32_t c = 0; c < CLASS_COUNT; c++) {
			sum += row[c];
			best = row[c] > row[best] ? c : best;
		}
		assert_int_equal(p->oof_count[i], 1);
		assert_true(fabsf(sum - 1) < 1e-4f);
		right += best == p->gold[i];
	}
	return right;
}

static void test_a_round_and_the_final_model(void **state)
{
	struct peers *p = *state;
	checkpoint_make();
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	embed_lease(p, 0);
	const Freeal__Result *result = wait_result(p);
	assert_int_equal(result->embed->dimensions, DIMENSIONS);
	assert_int_equal(p->vector_dimensions, DIMENSIONS);
	assert_int_equal(p->vector_count, SAMPLE_COUNT);
	embed_lease(p, 1);
	(void)wait_result(p);
	assert_int_equal(p->vector_count, 2);

	for (uint32_t half = 0; half < HALVES; half++) {
		train_lease(p, half, 1);
		result = wait_result(p);
		assert_true(result->train->row_count > SAMPLE_COUNT / 3);
		assert_true(result->train->row_count < SAMPLE_COUNT * 2 / 3);
		assert_true(result->train->loss > 0);
	}
	assert_true(right_count(p) > SAMPLE_COUNT * 9 / 10);
	assert_int_equal(slot_inode(p, "training"), 0);

	train_lease(p, FOLD_COUNT, 1);
	result = wait_result(p);
	assert_true(result->train->model_bytes > 0);
	assert_int_equal(slot_inode(p, "training"), 0);
	model_pull(p);
	predict_lease(p, 100, 300);
	result = wait_result(p);
	assert_int_equal(result->predict->n_class_ids, 200);
	float first = result->predict->probabilities[7];
	assert_int_equal(trainer_stop(p, SIGTERM), 0);

	/* Another trainer predicts the same with the pulled model. */
	(void)strcat(p->data, "2");
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 2);
	predict_lease(p, 100, 300);
	result = wait_result(p);
	assert_true(p->model_request_count > 0);
	assert_true(result->predict->probabilities[7] == first);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* The vectors survive a restart, and are asked for again when the samples have doubled. */
static void test_vectors_are_computed_once(void **state)
{
	struct peers *p = *state;
	checkpoint_make();
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	embed_lease(p, 0);
	(void)wait_result(p);
	uint64_t hash = p->vector_hash, inode = slot_inode(p, "vectors/0");
	assert_true(inode != 0);
	assert_int_equal(trainer_stop(p, SIGKILL), -1);

	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 2);
	p->vocabulary_count = SAMPLE_COUNT / 2;
	embed_lease(p, 0);
	(void)wait_result(p);
	assert_true(p->vector_hash == hash);
	assert_true(slot_inode(p, "vectors/0") == inode);

	/* Another project's are other ones. */
	const char *id = welcome_project_id;
	welcome_project_id = "the next project";
	trainer_welcome(p);
	embed_lease(p, 0);
	(void)wait_result(p);
	assert_true(slot_inode(p, "vectors/0") != 0);
	assert_true(p->vector_hash == hash);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
	welcome_project_id = id;
}

/* Who can't train the model says so and takes nothing, until it can. */
static void test_no_checkpoint_blocks(void **state)
{
	struct peers *p = *state;
	trainer_train(p);
	wait_for(p, &p->blocked_count, 1);
	assert_non_null(strstr(p->blocked_reason, checkpoint));
	assert_int_equal(p->credit, 0);
	checkpoint_make();
	wait_for(p, &p->free_count, 1);
	wait_for(p, &p->credit, 1);
	embed_lease(p, 0);
	(void)wait_result(p);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

/* Waits until the final training has kept an epoch. */
static void wait_epoch(struct peers *p)
{
	uint64_t end_ms = now() + 20000;
	while (slot_inode(p, "training") == 0) {
		uint32_t renewed = p->lease_renew_count;
		assert_true(now() < end_ms);
		wait_for(p, &p->lease_renew_count, renewed + 1);
	}
}

/* Killed between two epochs, its successor makes the model that there would have been. */
static void test_killed_training_goes_on(void **state)
{
	struct peers *p = *state;
	checkpoint_make();
	model.epochs = 30;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, FOLD_COUNT, 1);
	uint64_t checksum = wait_result(p)->train->model_checksum;
	train_lease(p, FOLD_COUNT, 2);
	wait_epoch(p);
	assert_int_equal(trainer_stop(p, SIGKILL), -1);
	assert_true(slot_inode(p, "training") != 0);
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 2);
	train_lease(p, FOLD_COUNT, 3);
	assert_true(wait_result(p)->train->model_checksum == checksum);
	assert_int_equal(slot_inode(p, "training"), 0);

	/* Told to stop, it does so at once. */
	train_lease(p, FOLD_COUNT, 4);
	wait_epoch(p);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

static void test_clean_set_is_fitted_again(void **state)
{
	struct peers *p = *state;
	checkpoint_make();
	p->recipe = model.recipe = (char *)"paper";
	model.epochs = 8;
	trainer_train(p);
	wait_for(p, &p->coordinator.hello_count, 1);
	train_lease(p, FOLD_COUNT, 1);
	(void)wait_result(p);
	assert_true(p->loss_stream_count > 1);
	assert_int_equal(p->stored_count, p->loss_stream_count);
	assert_int_equal(trainer_stop(p, SIGTERM), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, peers_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_round_and_the_final_model), TEST(test_vectors_are_computed_once),
	    TEST(test_no_checkpoint_blocks),	    TEST(test_killed_training_goes_on),
	    TEST(test_clean_set_is_fitted_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
