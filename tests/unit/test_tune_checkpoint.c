/* libs: freeal-trainer-lib m */
/* A training that was stopped ends with the same weights, and nothing else's checkpoint counts. */
#include "tune_world.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char PATH[] = "tune-checkpoint";

/* The weights of a training without a stop. */
static float *expected_of(const struct world *w, uint32_t frozen, struct tune_result *ret_result)
{
	float *weights;
	size_t size;
	*ret_result = world_train(w, 2, frozen, NULL, &weights, &size);
	return weights;
}

/* A training with that checkpoint ends as the other one. */
static void check_end(const struct world *w, uint32_t frozen, const float *expected,
		      const struct tune_result *result)
{
	float *weights;
	size_t size;
	struct tune_result again = world_train(w, 2, frozen, PATH, &weights, &size);
	assert_memory_equal(weights, expected, size * sizeof *weights);
	assert_true(again.loss == result->loss && again.steps == result->steps);
	free(weights);
}

#ifdef CRASH_POINTS
/* Points are read once a process: this has to come first. */
static void test_after_a_kill_within_an_epoch(void **state)
{
	(void)state;
	struct world w;
	struct tune_result result;
	float *weights;
	size_t size;
	world_init(&w);
	(void)remove(PATH);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setenv("CRASH_AT", "train_step:100", 1);
		(void)world_train(&w, 2, 0, PATH, &weights, &size);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(access(PATH, R_OK), 0);
	float *expected = expected_of(&w, 0, &result);
	check_end(&w, 0, expected, &result);
	free(expected);
}
#endif

struct stopper {
	uint32_t epoch;
	atomic_bool cancel;
};

static enum err stop_at(void *context, uint32_t epoch, const float *losses, size_t count)
{
	struct stopper *s = context;
	(void)losses;
	(void)count;
	atomic_store(&s->cancel, epoch == s->epoch);
	return ERR_OK;
}

/* Leaves a checkpoint behind `epoch`. */
static void train_stopped(struct world *w, uint32_t frozen, uint32_t epoch)
{
	struct stopper stopper = {.epoch = epoch};
	struct progress progress = {.cancel = &stopper.cancel};
	struct learner l;
	struct tune_result result;
	struct err_msg msg;
	w->data.epoch_done = stop_at;
	w->data.epoch_context = &stopper;
	learner_init(&l, w, 2, frozen);
	assert_int_equal(tune_run(l.n, &w->data, &w->config, &progress, PATH, &result, &msg),
			 ERR_CANCELLED);
	learner_done(&l);
	w->data.epoch_done = NULL;
}

static enum err refit(void *context, uint32_t epoch, const float *losses, size_t count, bool *clean)
{
	(void)context;
	(void)epoch;
	for (size_t r = 0; r < count; r++)
		clean[r] = losses[r] < 0.7f;
	return ERR_OK;
}

static void test_after_a_stop(void **state)
{
	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		struct world w;
		struct tune_result result;
		world_init(&w);
		uint32_t frozen = variant == 1;
		if (variant == 2)
			w.data.refit = refit;
		if (variant == 3) {
			w.config.epochs = 0;
			w.config.class_steps = 50;
		}
		float *expected = expected_of(&w, frozen, &result);
		(void)remove(PATH);
		train_stopped(&w, frozen, 0);
		train_stopped(&w, frozen, 2);
		check_end(&w, frozen, expected, &result);
		/* It stays, and there is nothing left to do. */
		check_end(&w, frozen, expected, &result);
		free(expected);
	}
}

static void other_label(struct world *w)
{
	w->labels[1] = 0;
}

static void other_text(struct world *w)
{
	w->ids[0][3] = 9;
}

static void other_second(struct world *w)
{
	w->ids[1][2] = 9;
}

static void other_clean(struct world *w)
{
	w->clean[1] = false;
}

static void other_rate(struct world *w)
{
	w->config.rate *= 1.5;
}

static void other_seed(struct world *w)
{
	w->config.robust.seed++;
}

static void test_another_trainings_does_not_count(void **state)
{
	(void)state;
	void (*const changes[])(struct world *) = {other_label, other_text, other_second,
						   other_clean, other_rate, other_seed};
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct world w;
		struct tune_result result;
		world_init(&w);
		w.config.epochs = 2;
		(void)remove(PATH);
		train_stopped(&w, 0, 0);
		changes[i](&w);
		float *expected = expected_of(&w, 0, &result);
		check_end(&w, 0, expected, &result);
		free(expected);
	}
}

static void test_other_start_weights_do_not_count(void **state)
{
	(void)state;
	struct world w;
	struct learner l[2];
	struct tune_result result;
	struct err_msg msg;
	world_init(&w);
	w.config.epochs = 2;
	(void)remove(PATH);
	train_stopped(&w, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		learner_init(&l[i], &w, 2, 0);
		network_weights(l[i].n)[100] += 0.5f;
		assert_int_equal(
		    tune_run(l[i].n, &w.data, &w.config, NULL, i ? PATH : NULL, &result, &msg),
		    ERR_OK);
	}
	assert_memory_equal(network_weights(l[0].n), network_weights(l[1].n),
			    l[0].p.size * sizeof(float));
	learner_done(&l[0]);
	learner_done(&l[1]);
}

static void byte_flip(long at)
{
	FILE *file = fopen(PATH, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	int byte = fgetc(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_int_equal(fputc(byte ^ 0x40, file), byte ^ 0x40);
	assert_int_equal(fclose(file), 0);
}

static void test_a_damaged_one_does_not_count(void **state)
{
	(void)state;
	struct world w;
	struct tune_result result;
	struct stat stat_now;
	world_init(&w);
	w.config.epochs = 2;
	float *expected = expected_of(&w, 0, &result);
	(void)remove(PATH);
	train_stopped(&w, 0, 0);
	assert_int_equal(stat(PATH, &stat_now), 0);
	const long size = (long)stat_now.st_size;
	/* Negative: cut there. */
	const long damages[] = {0, 12, 20, 50, 64, size / 2, size - 1, -1, -64, -(size - 1)};
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		if (damages[i] < 0)
			assert_int_equal(truncate(PATH, -damages[i]), 0);
		else
			byte_flip(damages[i]);
		check_end(&w, 0, expected, &result);
		(void)remove(PATH);
		train_stopped(&w, 0, 0);
	}
	free(expected);
	(void)remove(PATH);
}

static void test_a_file_that_cannot_be_written(void **state)
{
	(void)state;
	struct world w;
	struct learner l;
	struct tune_result result;
	struct err_msg msg;
	world_init(&w);
	learner_init(&l, &w, 1, 0);
	assert_int_equal(tune_run(l.n, &w.data, &w.config, NULL, "/nowhere/at/all", &result, &msg),
			 ERR_NOT_FOUND);
	assert_non_null(strstr(msg.text, "/nowhere/at/all"));
	learner_done(&l);
}

static int folder_make(void **state)
{
	(void)state;
	char folder[] = "/tmp/freeal-test-XXXXXX";
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef CRASH_POINTS
	    cmocka_unit_test(test_after_a_kill_within_an_epoch),
#endif
	    cmocka_unit_test(test_after_a_stop),
	    cmocka_unit_test(test_another_trainings_does_not_count),
	    cmocka_unit_test(test_other_start_weights_do_not_count),
	    cmocka_unit_test(test_a_damaged_one_does_not_count),
	    cmocka_unit_test(test_a_file_that_cannot_be_written),
	};
	return cmocka_run_group_tests(tests, folder_make, NULL);
}
