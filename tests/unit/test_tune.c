/* libs: freeal-trainer-lib m */
/* Training of a tiny encoder: it learns, each part does what it should, predictions. */
#include "tune_world.h"

#include "trainer/encoder/tune_step.h"

static size_t predicted_right(struct network *n, const struct world *w)
{
	float probs[ROWS][2];
	struct err_msg msg;
	size_t right = 0;
	assert_int_equal(tune_predict(n, &w->data.texts, NULL, probs[0], &msg), ERR_OK);
	for (size_t r = 0; r < ROWS; r++) {
		assert_true(fabs(probs[r][0] + probs[r][1] - 1.0f) < 1e-5);
		right += (probs[r][1] > probs[r][0]) == w->gold[r];
	}
	return right;
}

struct history {
	double means[16]; /* losses of the clean rows */
	uint32_t epochs, refits;
	bool refit_dropout;
	const struct world *world;
};

static enum err epoch_done(void *context, uint32_t epoch, const float *losses, size_t count)
{
	struct history *h = context;
	size_t known = 0, trusted = 0;
	assert_int_equal(epoch, h->epochs++);
	for (size_t i = 0; i < count; i++) {
		known += !isnan(losses[i]);
		if (!isnan(losses[i]) && h->world->clean[i]) {
			h->means[epoch] += (double)losses[i];
			trusted++;
		}
	}
	h->means[epoch] /= (double)trusted;
	assert_int_equal(known, ROWS - ROWS / 10);
	return ERR_OK;
}

static void test_learns_in_spite_of_wrong_labels(void **state)
{
	(void)state;
	struct world w;
	struct learner l;
	struct history history = {.world = &w};
	struct tune_result result;
	struct err_msg msg;
	world_init(&w);
	w.config.epochs = 10;
	w.data.epoch_done = epoch_done;
	w.data.epoch_context = &history;
	learner_init(&l, &w, 2, 0);
	assert_int_equal(tune_run(l.n, &w.data, &w.config, NULL, NULL, &result, &msg), ERR_OK);
	assert_int_equal(history.epochs, 10);
	assert_true(history.means[9] < 0.5 * history.means[0]);
	assert_true(isfinite(result.loss));
	/* No second view counts before w is more than 0. */
	assert_int_equal(result.steps, 14 + 9 * 15);
	assert_true(predicted_right(l.n, &w) >= ROWS * 95 / 100);
	learner_done(&l);
}

static void test_epochs_by_rows_and_classes(void **state)
{
	(void)state;
	struct tune_config c = tune_config_default();
	c.epochs_min = 3;
	c.class_steps = 50;
	c.batch_rows = 32;
	/* 100 steps: of 34 batches and more. */
	assert_int_equal(tune_epochs(&c, 34 * 32, 3), 3);
	assert_int_equal(tune_epochs(&c, 1000000, 3), 3);
	assert_int_equal(tune_epochs(&c, 33 * 32 + 1, 3), 3);
	/* 33 of them are 99 steps. */
	assert_int_equal(tune_epochs(&c, 33 * 32, 3), 4);
	assert_int_equal(tune_epochs(&c, 20 * 32, 3), 5);
	assert_int_equal(tune_epochs(&c, 32, 3), TUNE_EPOCHS_MAX);
	assert_int_equal(tune_epochs(&c, 1, 3), TUNE_EPOCHS_MAX);
	assert_int_equal(tune_epochs(&c, 0, 3), TUNE_EPOCHS_MAX);
	assert_int_equal(tune_epochs(&c, 20 * 32, 2), 3);
	assert_int_equal(tune_epochs(&c, 20 * 32, 4), 8);
	assert_int_equal(tune_epochs(&c, 1, 1), 3);
	c.batch_rows = 16;
	assert_int_equal(tune_epochs(&c, 33 * 32, 3), 3);
	c.class_steps = 0;
	assert_int_equal(tune_epochs(&c, 1, 3), 3);
	c.epochs_min = TUNE_EPOCHS_MAX + 7;
	c.class_steps = 50;
	assert_int_equal(tune_epochs(&c, 1, 3), TUNE_EPOCHS_MAX + 7);
	c.epochs = 2;
	assert_int_equal(tune_epochs(&c, 1, 3), 2);
}

/* Of 120 rows 108 have labels. */
static void test_runs_as_many_epochs_as_the_rows_need(void **state)
{
	(void)state;
	for (int consistency = 0; consistency < 2; consistency++) {
		struct world w;
		struct learner l;
		struct history history = {.world = &w};
		struct tune_result result;
		struct err_msg msg;
		world_init(&w);
		w.config.epochs = 0;
		w.config.epochs_min = 1;
		w.config.class_steps = 42;
		w.config.consistency = consistency;
		w.data.epoch_done = epoch_done;
		w.data.epoch_context = &history;
		learner_init(&l, &w, 1, 0);
		assert_int_equal(tune_run(l.n, &w.data, &w.config, NULL, NULL, &result, &msg),
				 ERR_OK);
		assert_int_equal(history.epochs, 3);
		assert_int_equal(result.steps, consistency ? 14 + 2 * 15 : 3 * 14);
		learner_done(&l);
	}
}

static void test_a_seed_gives_one_result(void **state)
{
	(void)state;
	struct world w;
	float *weights[4];
	size_t size;
	world_init(&w);
	w.config.epochs = 2;
	for (size_t i = 0; i < 2; i++)
		(void)world_train(&w, 2, 0, NULL, &weights[i], &size);
	(void)world_train(&w, 1, 0, NULL, &weights[2], &size);
	w.config.robust.seed++;
	(void)world_train(&w, 2, 0, NULL, &weights[3], &size);
	assert_memory_equal(weights[0], weights[1], size * sizeof **weights);
	/* Another team's sums differ in their last bits, which Adam's first steps make more of. */
	assert_true(weights_difference(weights[0], weights[2], size) < 2e-3);
	assert_true(weights_difference(weights[0], weights[3], size) > 1e-2);
	for (size_t i = 0; i < 4; i++)
		free(weights[i]);
}

/* How far the weights end from those of the world as it was made. */
static double change_of(void (*change)(struct world *w), void (*before)(struct world *w))
{
	struct world w;
	float *weights[2];
	size_t size;
	world_init(&w);
	w.config.epochs = 3;
	if (before)
		before(&w);
	(void)world_train(&w, 1, 0, NULL, &weights[0], &size);
	change(&w);
	(void)world_train(&w, 1, 0, NULL, &weights[1], &size);
	double difference = weights_difference(weights[0], weights[1], size);
	free(weights[0]);
	free(weights[1]);
	return difference;
}

static void no_mixup(struct world *w)
{
	w->config.mixup = false;
}

static void no_consistency(struct world *w)
{
	w->config.consistency = false;
}

static void all_views(struct world *w)
{
	w->config.views = TUNE_VIEWS_ALL;
}

static void no_views(struct world *w)
{
	w->config.views = TUNE_VIEWS_NONE;
}

static void noisy_labels_off(struct world *w)
{
	w->config.robust.noisy_weight = 0.0;
}

static void plain(struct world *w)
{
	w->config.mixup = w->config.consistency = false;
	w->config.views = TUNE_VIEWS_NONE;
}

/* Other tokens in the second views of the rows where that holds. */
static void second_changed(struct world *w, bool clean)
{
	for (size_t r = 0; r < ROWS; r++)
		for (size_t i = w->offsets[1][r]; i < w->offsets[1][r + 1]; i++)
			if ((w->clean[r] && w->labels[r] >= 0) == clean)
				w->ids[1][i] = 2;
}

static void second_of_clean(struct world *w)
{
	second_changed(w, true);
}

static void second_of_noisy(struct world *w)
{
	second_changed(w, false);
}

static void unlabelled_texts(struct world *w)
{
	for (size_t r = 3; r < ROWS; r += 10)
		for (size_t i = w->offsets[0][r]; i < w->offsets[0][r + 1]; i++)
			w->ids[0][i] = 2;
}

static void test_each_part_counts(void **state)
{
	(void)state;
	const double some = 1e-3;
	assert_true(change_of(no_mixup, NULL) > some);
	assert_true(change_of(no_consistency, NULL) > some);
	assert_true(change_of(all_views, NULL) > some);
	assert_true(change_of(no_views, NULL) > some);
	assert_true(change_of(noisy_labels_off, NULL) > some);
	assert_true(change_of(second_of_noisy, NULL) > some);
	assert_true(change_of(second_of_clean, all_views) > some);
}

static void test_what_is_off_counts_for_nothing(void **state)
{
	(void)state;
	assert_true(change_of(second_of_clean, NULL) == 0.0);
	assert_true(change_of(second_of_noisy, plain) == 0.0);
	assert_true(change_of(unlabelled_texts, plain) == 0.0);
	assert_true(change_of(no_consistency, no_views) == 0.0);
}

/* The loss of one step's rows; its gradients stay in the network. */
static double rows_loss(struct tuner *t, struct network *n)
{
	static const uint32_t rows[] = {1, 2, 4, 6, 7, 8, 9, 12};
	struct err_msg msg;
	double loss;
	network_gradients_clear(n);
	assert_int_equal(tuner_gradients(t, rows, 8, 1, 3, &loss, &msg), ERR_OK);
	return loss;
}

/* By the largest gradients of each matrix: mixtures, second views, shared weights. The targets
 * of the consistency are constant, so it stays out. */
static void test_gradients_of_a_whole_step(void **state)
{
	(void)state;
	struct world w;
	struct learner l;
	struct tuner *t;
	struct err_msg msg;
	world_init(&w);
	world_no_dropout(&w);
	all_views(&w);
	no_consistency(&w);
	learner_init(&l, &w, 1, 0);
	assert_int_equal(tuner_new(l.n, &w.data, &w.config, NULL, &t, &msg), ERR_OK);
	(void)rows_loss(t, l.n);
	float *gradients = malloc(l.p.size * sizeof *gradients);
	assert_non_null(gradients);
	memcpy(gradients, network_gradients(l.n), l.p.size * sizeof *gradients);
	for (size_t i = 0; i < l.p.count; i++) {
		const struct parameter *p = &l.p.list[i];
		size_t at = p->offset;
		for (size_t j = 0; j < p->rows * p->columns; j++)
			if (fabsf(gradients[p->offset + j]) > fabsf(gradients[at]))
				at = p->offset + j;
		const float step = 2e-3f;
		float *weight = network_weights(l.n) + at, kept = *weight;
		*weight = kept + step;
		double above = rows_loss(t, l.n);
		*weight = kept - step;
		double below = rows_loss(t, l.n);
		*weight = kept;
		double expected = (above - below) / (2.0 * (double)step);
		assert_true(fabs(expected - (double)gradients[at]) < 0.01 * fabs(expected) + 2e-4);
	}
	free(gradients);
	tuner_free(t);
	learner_done(&l);
}

static void test_frozen_layers_and_their_cache(void **state)
{
	(void)state;
	struct world w;
	struct learner l;
	float *kept, *computed;
	size_t size;
	world_init(&w);
	all_views(&w);
	(void)world_train(&w, 2, 1, NULL, &kept, &size);
	w.config.cache_bytes_max = 0;
	(void)world_train(&w, 2, 1, NULL, &computed, &size);
	/* The kept states are of other batches, whose products may differ in their last bits. */
	assert_true(weights_difference(kept, computed, size) < 5e-3);
	learner_init(&l, &w, 1, 1);
	size_t first = network_trained(l.n);
	assert_memory_equal(kept, network_weights(l.n), first * sizeof *kept);
	assert_true(weights_difference(kept + first, network_weights(l.n) + first, size - first) >
		    1e-2);
	learner_done(&l);
	free(kept);
	free(computed);
}

static enum err refit(void *context, uint32_t epoch, const float *losses, size_t count, bool *clean)
{
	struct history *h = context;
	h->refits++;
	assert_true(epoch > 0);
	for (size_t r = 0; r < count; r++) {
		assert_int_equal(!isnan(losses[r]), h->world->labels[r] >= 0);
		clean[r] = losses[r] < 0.7f;
	}
	return epoch == 3 ? ERR_PROTOCOL : ERR_OK;
}

static void check_refit(bool paper)
{
	struct world w;
	struct learner l;
	struct tune_result result;
	struct err_msg msg;
	struct history history = {.world = &w};
	world_init(&w);
	w.config.paper = paper;
	w.data.refit = refit;
	w.data.refit_context = &history;
	w.config.epochs = 3;
	learner_init(&l, &w, 1, 0);
	assert_int_equal(tune_run(l.n, &w.data, &w.config, NULL, NULL, &result, &msg), ERR_OK);
	assert_int_equal(history.refits, 2);
	w.config.epochs = 5;
	assert_int_equal(tune_run(l.n, &w.data, &w.config, NULL, NULL, &result, &msg),
			 ERR_PROTOCOL);
	learner_done(&l);
}

static void test_refit_after_the_warm_up(void **state)
{
	(void)state;
	check_refit(true);
	check_refit(false);
}

static void test_a_loss_that_is_not_finite(void **state)
{
	(void)state;
	struct world w;
	struct learner l;
	struct tune_result result = {.steps = 77};
	struct err_msg msg;
	float probs[ROWS][2];
	world_init(&w);
	w.config.rate = 1e38;
	learner_init(&l, &w, 1, 0);
	assert_int_equal(tune_run(l.n, &w.data, &w.config, NULL, NULL, &result, &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "is not finite at step"));
	assert_non_null(strstr(msg.text, "lower the rate"));
	assert_int_equal(result.steps, 77);
	network_weights(l.n)[parameters_single(&l.p, PARAMETER_HEAD_OUT_BIAS)->offset] = NAN;
	assert_int_equal(tune_predict(l.n, &w.data.texts, NULL, probs[0], &msg), ERR_INVALID);
	assert_non_null(strstr(msg.text, "not finite"));
	learner_done(&l);
}

static void test_without_any_label(void **state)
{
	(void)state;
	struct world w;
	struct learner l;
	struct tune_result result;
	struct err_msg msg;
	world_init(&w);
	for (size_t r = 0; r < ROWS; r++)
		w.labels[r] = -1;
	learner_init(&l, &w, 1, 0);
	assert_int_equal(tune_run(l.n, &w.data, &w.config, NULL, NULL, &result, &msg), ERR_OK);
	assert_true(result.loss == 0.0);
	(void)predicted_right(l.n, &w);
	learner_done(&l);
}

static void test_predictions_of_some_rows(void **state)
{
	(void)state;
	struct world w;
	struct learner l;
	struct err_msg msg;
	static const uint32_t which[] = {30, 2, 77};
	float all[ROWS][2], some[3][2], vectors[ROWS][16];
	world_init(&w);
	/* A row without ids. */
	w.offsets[0][ROWS] = w.offsets[0][ROWS - 1];
	learner_init(&l, &w, 1, 0);
	assert_int_equal(tune_predict(l.n, &w.data.texts, NULL, all[0], &msg), ERR_OK);
	assert_int_equal(tune_predict_some(l.n, &w.data.texts, which, 3, NULL, some[0], &msg),
			 ERR_OK);
	for (size_t i = 0; i < 3; i++)
		assert_true(fabsf(some[i][0] - all[which[i]][0]) < 1e-5f);
	assert_true(all[ROWS - 1][0] == 0.5f);
	assert_int_equal(tune_embed(l.n, &w.data.texts, NULL, vectors[0], &msg), ERR_OK);
	for (size_t r = 0; r < ROWS; r++) {
		double square = 0.0;
		for (size_t j = 0; j < 16; j++)
			square += (double)vectors[r][j] * (double)vectors[r][j];
		assert_true(r == ROWS - 1 ? square == 0.0 : fabs(square - 1.0) < 1e-5);
	}
	atomic_bool cancel = true;
	struct progress progress = {.cancel = &cancel};
	assert_int_equal(tune_predict(l.n, &w.data.texts, &progress, all[0], &msg), ERR_CANCELLED);
	learner_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_learns_in_spite_of_wrong_labels),
	    cmocka_unit_test(test_epochs_by_rows_and_classes),
	    cmocka_unit_test(test_runs_as_many_epochs_as_the_rows_need),
	    cmocka_unit_test(test_a_seed_gives_one_result),
	    cmocka_unit_test(test_each_part_counts),
	    cmocka_unit_test(test_what_is_off_counts_for_nothing),
	    cmocka_unit_test(test_gradients_of_a_whole_step),
	    cmocka_unit_test(test_frozen_layers_and_their_cache),
	    cmocka_unit_test(test_refit_after_the_warm_up),
	    cmocka_unit_test(test_a_loss_that_is_not_finite),
	    cmocka_unit_test(test_without_any_label),
	    cmocka_unit_test(test_predictions_of_some_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
