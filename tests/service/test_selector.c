/* libs: wire base proto m freeal-selector selector_peers.c worker_peers.c */
#include "selector_peers.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void ready(struct peers *p)
{
	wait_for(p, &p->welcome_count, p->welcome_count + 1);
	offer(p, "embed/3000/0");
	assert_string_equal(p->refusal, "");
}

static uint32_t selected_right(const struct peers *p, const Freeal__SelectResult *s)
{
	uint32_t right = 0;
	for (size_t i = 0; i < s->n_pool; i++) {
		assert_int_equal(s->pool[i]->from_pool, 0);
		assert_int_equal(p->labels[s->pool[i]->sample_no], s->pool[i]->class_id);
		right += p->gold[s->pool[i]->sample_no] == (int32_t)s->pool[i]->class_id;
	}
	return right;
}

static void select_checks(struct peers *p)
{
	uint32_t clean = 0, clean_right = 0, ask = 0, ask_wrong = 0, labelled = 0;
	assert_int_equal(p->selection_count, SAMPLE_COUNT);
	for (int i = 0; i < SAMPLE_COUNT; i++) {
		const Freeal__SelectionRow *row = &p->selection[i];
		assert_int_equal(row->class_id, p->labels[i]);
		labelled += p->labels[i] >= 0;
		clean += row->clean;
		clean_right += row->clean && p->labels[i] == p->gold[i];
		ask += row->ask_again;
		ask_wrong += row->ask_again && p->labels[i] != p->gold[i];
		if (p->labels[i] >= 0)
			assert_float_equal(row->label_probability,
					   p->probabilities[i][p->labels[i]], 1e-6);
	}
	assert_int_equal(p->result->select->row_count, SAMPLE_COUNT);
	assert_int_equal(p->result->select->labelled, labelled);
	assert_int_equal(p->result->select->clean, clean);
	assert_int_equal(p->result->select->ask_again, ask);
	assert_int_equal(ask, SAMPLE_COUNT / 5);
	assert_true(clean_right > clean * 0.97);
	assert_true(ask_wrong > ask * 0.4); /* a tenth of all is wrong */
}

/* Generated pool, round 0's retrieval, SELECT, round 1's retrieval over the new pool. */
static void a_round(void **state)
{
	struct peers *p = *state;
	ready(p);
	offer(p, "pool/3000/1");
	pool_generated_send(p);
	retrieve_lease(p, 0, 1, true);
	const Freeal__RetrieveResult *r = wait_result(p)->retrieve;
	assert_string_equal(p->result->error, "");
	assert_int_equal(r->row_count, SAMPLE_COUNT);
	pull_rows(p, "nearest/0/0", false);
	assert_int_equal(p->nearest_count, SAMPLE_COUNT);
	for (int i = 0; i < SAMPLE_COUNT; i++)
		assert_int_equal(p->nearest_counts[i], 6);

	offer_round(p, 0);
	select_lease(p, 0, 30, 0.2);
	const Freeal__SelectResult *s = wait_result(p)->select;
	assert_string_equal(p->result->error, "");
	assert_int_equal(s->n_pool, 30);
	assert_true(selected_right(p, s) >= 29);
	assert_true(s->log_likelihood < 0 && s->log_likelihood_error > 0);
	assert_true(s->mended_expected > 0);
	pull_rows(p, "selection/0", false);
	select_checks(p);

	Freeal__Demonstration items[30], *list[30];
	for (size_t i = 0; i < 30; i++) {
		freeal__demonstration__init(&items[i]);
		items[i].class_id = s->pool[i]->class_id;
		items[i].sample_no = s->pool[i]->sample_no;
		list[i] = &items[i];
	}
	Freeal__Pool pool = FREEAL__POOL__INIT;
	pool.version = 2;
	pool.demonstrations = list;
	pool.n_demonstrations = 30;
	pool_send(p, &pool);
	retrieve_lease(p, 1, 2, false);
	r = wait_result(p)->retrieve;
	assert_string_equal(p->result->error, "");
	assert_int_equal(r->row_count, SAMPLE_COUNT / 5);
	assert_true(r->hub_share <= 0.5 && r->cosine_mean >= 0.95 * r->cosine_mean_uncapped);
	pull_rows(p, "nearest/1/0", false);
	assert_int_equal(p->nearest_count, SAMPLE_COUNT / 5);
	for (int i = 0; i < SAMPLE_COUNT; i++) {
		if (!p->selection[i].ask_again)
			continue;
		assert_int_equal(p->nearest_counts[i], 6);
		for (int k = 0; k < 6; k++)
			assert_int_not_equal(items[p->nearest[i][k]].sample_no, i);
	}
	assert_int_equal(selector_stop(p, SIGTERM), 0);
}

/* Killed after the rows came: they are there, and SELECT gives the same. */
static void survives_a_kill(void **state)
{
	struct peers *p = *state;
	ready(p);
	pool_generated_send(p);
	offer_round(p, 0);
	select_lease(p, 0, 30, 0.2);
	(void)wait_result(p);
	pull_rows(p, "selection/0", false);
	static Freeal__SelectionRow before[SAMPLE_COUNT];
	memcpy(before, p->selection, sizeof before);
	assert_int_equal(selector_stop(p, SIGKILL), -1);

	selector_start(p);
	wait_for(p, &p->welcome_count, p->welcome_count + 1);
	pull_rows(p, "selection/0", false); /* made by the process that is gone */
	assert_int_equal(p->selection_count, SAMPLE_COUNT);
	select_lease(p, 0, 30, 0.2);
	assert_string_equal(wait_result(p)->error, "");
	pull_rows(p, "selection/0", false);
	for (int i = 0; i < SAMPLE_COUNT; i++) {
		assert_true(before[i].clean_probability == p->selection[i].clean_probability);
		assert_true(before[i].confidence == p->selection[i].confidence);
		assert_int_equal(before[i].ask_again, p->selection[i].ask_again);
	}
}

/* The coordinator's volume was removed, the selector's kept: its rows are another project's. */
static void another_project_is_forgotten(void **state)
{
	struct peers *p = *state;
	ready(p);
	pool_generated_send(p);
	offer_round(p, 0);
	select_lease(p, 0, 30, 0.2);
	(void)wait_result(p);
	pull_rows(p, "selection/0", false);
	assert_int_equal(selector_stop(p, SIGTERM), 0);

	const char *id = welcome_project_id;
	welcome_project_id = "the next project";
	selector_start(p);
	wait_for(p, &p->welcome_count, p->welcome_count + 1);
	stream_pull_begin(&p->pull, p->coordinator, &p->selector, "selection/0", 0, 0);
	wait_for(p, &p->missing_count, 1);
	select_lease(p, 0, 30, 0.2);
	assert_non_null(strstr(wait_result(p)->error, "pool 1"));
	pool_generated_send(p);
	select_lease(p, 0, 30, 0.2);
	assert_non_null(strstr(wait_result(p)->error, "embeddings"));
	assert_int_equal(p->result->missing, FREEAL__MISSING__EMBEDDINGS);
	offer(p, "embed/3000/0");
	offer_round(p, 0);
	select_lease(p, 0, 30, 0.2);
	assert_string_equal(wait_result(p)->error, "");
	assert_int_equal(selector_stop(p, SIGTERM), 0);
	welcome_project_id = id;
}

/* Recipe "paper": losses come between epochs, a clean set goes back before Stored. */
static void refit(void **state)
{
	struct peers *p = *state;
	ready(p);
	pool_generated_send(p);
	offer(p, "loss/0/3");
	assert_string_not_equal(p->refusal, ""); /* no selection yet */
	offer_round(p, 0);
	select_lease(p, 0, 30, 0.2);
	(void)wait_result(p);
	for (int epoch = 3; epoch < 5; epoch++) {
		char name[STREAM_NAME_BYTES_MAX];
		(void)snprintf(name, sizeof name, "loss/0/%d", epoch);
		offer(p, name);
		assert_string_equal(p->refusal, "");
		(void)snprintf(name, sizeof name, "clean/0/%d", epoch);
		pull_rows(p, name, true);
		uint32_t clean = 0, right = 0;
		assert_int_equal(p->selection_count, SAMPLE_COUNT);
		for (int i = 0; i < SAMPLE_COUNT; i++) {
			clean += p->selection[i].clean;
			right += p->selection[i].clean && p->labels[i] == p->gold[i];
			assert_false(p->selection[i].clean && p->labels[i] < 0);
		}
		assert_true(clean > SAMPLE_COUNT / 2 && right > clean * 0.97);
	}
}

static void what_is_missing_is_said(void **state)
{
	struct peers *p = *state;
	ready(p);
	pool_generated_send(p);
	offer(p, "oof/0/0");
	select_lease(p, 0, 30, 0.2);
	assert_non_null(strstr(wait_result(p)->error, "fold 1"));
	assert_int_equal(p->result->missing, FREEAL__MISSING__JUDGEMENTS);
	retrieve_lease(p, 0, 1, true); /* its demonstrations have no vectors */
	assert_non_null(strstr(wait_result(p)->error, "demonstration"));
	assert_int_equal(p->result->missing, FREEAL__MISSING__EMBEDDINGS);
	retrieve_lease(p, 0, 7, true);
	assert_non_null(strstr(wait_result(p)->error, "pool 7"));
	assert_int_equal(p->result->missing, FREEAL__MISSING__MISSING_NONE);
	stream_pull_begin(&p->pull, p->coordinator, &p->selector, "selection/0", 0, 0);
	wait_for(p, &p->missing_count, 1);
}

static void bad_rows_are_refused(void **state)
{
	struct peers *p = *state;
	ready(p);
	p->broken_probability = NAN;
	offer(p, "oof/0/0");
	assert_string_not_equal(p->refusal, "");
	offer(p, "oof/0/zero");
	assert_string_not_equal(p->refusal, "");
	p->broken_probability = 0;
	offer(p, "oof/0/0");
	assert_string_equal(p->refusal, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_round, peers_setup, peers_teardown),
	    cmocka_unit_test_setup_teardown(survives_a_kill, peers_setup, peers_teardown),
	    cmocka_unit_test_setup_teardown(another_project_is_forgotten, peers_setup,
					    peers_teardown),
	    cmocka_unit_test_setup_teardown(refit, peers_setup, peers_teardown),
	    cmocka_unit_test_setup_teardown(what_is_missing_is_said, peers_setup, peers_teardown),
	    cmocka_unit_test_setup_teardown(bad_rows_are_refused, peers_setup, peers_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
