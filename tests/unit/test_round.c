/* libs: freeal-coordinator-lib */
/* The state machine: the path of phases for several projects, and the names of work. */
#include "coordinator/round.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	Freeal__Project project;
	Freeal__Model model;
	Freeal__RoundConfig configs[4];
	Freeal__RoundConfig *rounds[4];
	Freeal__Label labels[2];
	Freeal__Label *label_list[2];
};

static void fixture_make(struct fixture *f, unsigned rounds, unsigned shots_first, bool stop_early)
{
	freeal__project__init(&f->project);
	freeal__model__init(&f->model);
	f->model.folds = 5;
	f->project.model = &f->model;
	for (unsigned i = 0; i < rounds; i++) {
		freeal__round_config__init(&f->configs[i]);
		f->configs[i].shots = i == 0 ? shots_first : 10;
		f->rounds[i] = &f->configs[i];
	}
	for (unsigned i = 0; i < 2; i++) {
		freeal__label__init(&f->labels[i]);
		f->label_list[i] = &f->labels[i];
	}
	f->project.rounds = f->rounds;
	f->project.n_rounds = rounds;
	f->project.labels = f->label_list;
	f->project.n_labels = 2;
	f->project.stop_early = stop_early;
}

/* Walks from INGEST to DONE and writes the phases as one text. */
static void walk(const struct fixture *f, char *ret_path, size_t size, uint64_t generated)
{
	Freeal__StateRecord s = FREEAL__STATE_RECORD__INIT;
	s.phase = FREEAL__PHASE__INGEST_PHASE;
	s.started = true;
	Freeal__SelectResult select = FREEAL__SELECT_RESULT__INIT;
	select.ask_again = 100;
	select.mended_expected = 10;
	ret_path[0] = '\0';
	for (int i = 0; i < 100 && s.phase != FREEAL__PHASE__DONE_PHASE; i++) {
		struct round_outcome outcome = {.sample_count = 10, .select = &select};
		outcome.pool_count = s.phase == FREEAL__PHASE__GENERATE_PHASE ? generated : 100;
		s = round_next(&f->project, &s, &outcome);
		strncat(ret_path, round_phase_name(s.phase), size - strlen(ret_path) - 1);
		strncat(ret_path, " ", size - strlen(ret_path) - 1);
	}
}

static void two_rounds_with_shots(void **state)
{
	(void)state;
	struct fixture f;
	char path[1000];
	fixture_make(&f, 2, 10, false);
	walk(&f, path, sizeof path, 20);
	assert_string_equal(path,
			    "generate embed retrieve annotate train select decide "
			    "retrieve annotate train select decide final_train predict done ");
}

static void zero_shot_needs_no_demonstrations(void **state)
{
	(void)state;
	struct fixture f;
	char path[1000];
	fixture_make(&f, 1, 0, false);
	walk(&f, path, sizeof path, 0);
	assert_string_equal(path, "embed annotate train select decide final_train predict done ");
}

static void an_llm_that_writes_nothing_is_asked_without_demonstrations(void **state)
{
	(void)state;
	struct fixture f;
	char path[1000];
	fixture_make(&f, 1, 10, false);
	walk(&f, path, sizeof path, 0);
	assert_string_equal(
	    path, "generate embed annotate train select decide final_train predict done ");
}

static void second_views_are_asked_for_before_anyone_sees_the_samples(void **state)
{
	(void)state;
	struct fixture f;
	Freeal__Augment augment = FREEAL__AUGMENT__INIT;
	char path[1000];
	fixture_make(&f, 1, 10, false);
	f.project.augment = &augment;
	walk(&f, path, sizeof path, 20);
	assert_string_equal(path, "generate augment embed retrieve annotate train select decide "
				  "final_train predict done ");
	fixture_make(&f, 1, 0, false);
	f.project.augment = &augment;
	Freeal__StateRecord s = FREEAL__STATE_RECORD__INIT;
	s.phase = FREEAL__PHASE__AUGMENT_PHASE;
	s.sample_count = 10;
	assert_int_equal(round_work_count(&f.project, &s), 10);
	struct round_outcome outcome = {.sample_count = 12};
	s = round_next(&f.project, &s, &outcome);
	assert_int_equal(s.augmented_count, 10);
	/* Arrivals get theirs, too. */
	s.phase = FREEAL__PHASE__ANNOTATE_PHASE;
	s.embedded_count = s.vocabulary_count = 10;
	s = round_next(&f.project, &s, &outcome);
	assert_int_equal(s.phase, FREEAL__PHASE__AUGMENT_PHASE);
	s = round_next(&f.project, &s, &outcome);
	assert_int_equal(s.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_int_equal(s.augmented_count, 12);
}

static void waits_for_the_start_and_for_samples(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 1, 0, false);
	Freeal__StateRecord s = FREEAL__STATE_RECORD__INIT;
	s.phase = FREEAL__PHASE__INGEST_PHASE;
	struct round_outcome outcome = {.sample_count = 5};
	assert_int_equal(round_next(&f.project, &s, &outcome).phase, FREEAL__PHASE__INGEST_PHASE);
	s.started = true;
	outcome.sample_count = 0;
	assert_int_equal(round_next(&f.project, &s, &outcome).phase, FREEAL__PHASE__INGEST_PHASE);
	outcome.sample_count = 5;
	Freeal__StateRecord next = round_next(&f.project, &s, &outcome);
	assert_int_equal(next.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_int_equal(next.sample_count, 5);
}

static void samples_that_come_after_the_end_get_a_round_of_their_own(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 2, 10, false);
	Freeal__StateRecord s = FREEAL__STATE_RECORD__INIT;
	s.phase = FREEAL__PHASE__DONE_PHASE;
	s.round = 0; /* stopped early */
	s.sample_count = s.vocabulary_count = s.embedded_count = 10;
	s.pool_version = 2;
	struct round_outcome outcome = {.sample_count = 10};
	assert_int_equal(round_next(&f.project, &s, &outcome).phase, FREEAL__PHASE__DONE_PHASE);
	outcome.sample_count = 12;
	s = round_next(&f.project, &s, &outcome);
	assert_int_equal(s.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_int_equal(s.round, 2);
	assert_int_equal(s.sample_count, 12);
	assert_int_equal(s.newcomers_from, 10);
	assert_true(round_is_catch_up(&f.project, s.round));
	assert_int_equal(round_work_count(&f.project, &s), 1); /* its pool is of samples */
	s.phase = FREEAL__PHASE__DECIDE_PHASE;
	assert_int_equal(round_next(&f.project, &s, &outcome).phase,
			 FREEAL__PHASE__FINAL_TRAIN_PHASE);
}

/* One step with so many samples in the store. */
static void step(const struct fixture *f, Freeal__StateRecord *s, uint64_t sample_count)
{
	Freeal__SelectResult select = FREEAL__SELECT_RESULT__INIT;
	select.ask_again = 100;
	select.mended_expected = 10;
	struct round_outcome outcome = {
	    .sample_count = sample_count, .select = &select, .pool_count = 100};
	*s = round_next(&f->project, s, &outcome);
}

/* Steps until the phase is reached. */
static void go(const struct fixture *f, Freeal__StateRecord *s, Freeal__Phase phase,
	       uint64_t sample_count)
{
	for (int i = 0; i == 0 || s->phase != phase; i++) {
		assert_true(i < 20);
		step(f, s, sample_count);
	}
}

static void assert_same(const Freeal__StateRecord *a, const Freeal__StateRecord *b)
{
	uint8_t packed[2][1024];
	size_t size = freeal__state_record__pack(a, packed[0]);
	assert_int_equal(freeal__state_record__pack(b, packed[1]), size);
	assert_memory_equal(packed[0], packed[1], size);
}

static Freeal__StateRecord started(void)
{
	Freeal__StateRecord s = FREEAL__STATE_RECORD__INIT;
	s.phase = FREEAL__PHASE__INGEST_PHASE;
	s.started = true;
	return s;
}

static void annotate_takes_what_came_meanwhile_once(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 2, 10, false);
	Freeal__StateRecord s = started();
	go(&f, &s, FREEAL__PHASE__ANNOTATE_PHASE, 10);
	assert_int_equal(s.sample_count, 10);
	assert_false(s.frozen);
	step(&f, &s, 15); /* five came */
	assert_int_equal(s.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_true(s.frozen);
	assert_int_equal(s.newcomers_from, 10);
	assert_int_equal(s.sample_count, 15);
	assert_int_equal(s.vocabulary_count, 10);
	assert_int_equal(round_embed_from(&s), 0); /* 10, aligned */
	assert_int_equal(round_work_name(&f.project, &s, 0).slot, ROUND_SLOT_ARRIVALS);
	step(&f, &s, 17); /* two more: too late */
	assert_int_equal(s.phase, FREEAL__PHASE__RETRIEVE_PHASE);
	assert_int_equal(round_work_name(&f.project, &s, 0).slot, 1);
	step(&f, &s, 17);
	assert_int_equal(s.phase, FREEAL__PHASE__ANNOTATE_PHASE);
	assert_int_equal(s.sample_count, 15);
	step(&f, &s, 18);
	assert_int_equal(s.phase, FREEAL__PHASE__TRAIN_PHASE);
	assert_int_equal(s.sample_count, 15);
	go(&f, &s, FREEAL__PHASE__DECIDE_PHASE, 18);
	assert_int_equal(s.selected_count, 15);
	step(&f, &s, 18); /* the next round begins with them */
	assert_int_equal(s.round, 1);
	assert_int_equal(s.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_false(s.frozen);
	assert_int_equal(s.newcomers_from, 15);
	assert_int_equal(s.sample_count, 18);
	assert_true(round_asks_again(&f.project, &s));
}

static void nobody_who_came_means_no_second_part(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 2, 10, false);
	Freeal__StateRecord s = started();
	go(&f, &s, FREEAL__PHASE__ANNOTATE_PHASE, 10);
	step(&f, &s, 10);
	assert_int_equal(s.phase, FREEAL__PHASE__TRAIN_PHASE);
	assert_true(s.frozen);
	assert_int_equal(s.newcomers_from, 10);
}

static void zero_shot_arrivals_are_embedded_and_asked(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 1, 0, false);
	Freeal__StateRecord s = started();
	go(&f, &s, FREEAL__PHASE__ANNOTATE_PHASE, 10);
	step(&f, &s, 11);
	assert_int_equal(s.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_int_equal(round_work_count(&f.project, &s), 1);
	step(&f, &s, 11);
	assert_int_equal(s.phase, FREEAL__PHASE__ANNOTATE_PHASE);
	step(&f, &s, 11);
	assert_int_equal(s.phase, FREEAL__PHASE__TRAIN_PHASE);
	/* After the last round the rest has one of its own. */
	go(&f, &s, FREEAL__PHASE__DONE_PHASE, 12);
	assert_int_equal(s.sample_count, 11);
	step(&f, &s, 12);
	assert_int_equal(s.round, 1);
	assert_int_equal(s.newcomers_from, 11);
	assert_false(round_asks_again(&f.project, &s));
}

static void the_vocabulary_grows_with_the_samples(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 3, 10, false);
	Freeal__StateRecord s = started();
	go(&f, &s, FREEAL__PHASE__ANNOTATE_PHASE, 1000);
	assert_int_equal(s.embedded_count, 1000);
	step(&f, &s, 2000);
	assert_int_equal(s.vocabulary_count, 1000);
	assert_int_equal(round_embed_from(&s), 960);
	assert_int_equal(round_work_count(&f.project, &s), 1);
	go(&f, &s, FREEAL__PHASE__DECIDE_PHASE, 2000);
	step(&f, &s, 2001);
	assert_int_equal(s.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_int_equal(s.vocabulary_count, 2001);
	assert_int_equal(round_embed_from(&s), 0);
	assert_int_equal(round_work_count(&f.project, &s), 2); /* the generated pool too */
}

static void lost_embeddings_are_made_again_in_the_same_round(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 2, 10, false);
	Freeal__StateRecord s = started(), back;
	go(&f, &s, FREEAL__PHASE__RETRIEVE_PHASE, 10);
	assert_false(round_mend(&f.project, &s, NULL, FREEAL__MISSING__JUDGEMENTS, &back));
	assert_false(round_mend(&f.project, &s, NULL, FREEAL__MISSING__MODEL, &back));
	assert_true(round_mend(&f.project, &s, NULL, FREEAL__MISSING__EMBEDDINGS, &back));
	assert_int_equal(back.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_int_equal(round_work_count(&f.project, &back), 2);
	assert_int_equal(back.vocabulary_count, 10);
	go(&f, &s, FREEAL__PHASE__ANNOTATE_PHASE, 10);
	step(&f, &s, 15);
	go(&f, &s, FREEAL__PHASE__TRAIN_PHASE, 15);
	Freeal__StateRecord train = s;
	go(&f, &s, FREEAL__PHASE__SELECT_PHASE, 15);
	assert_true(round_mend(&f.project, &s, &train, FREEAL__MISSING__EMBEDDINGS, &back));
	assert_int_equal(back.phase, FREEAL__PHASE__EMBED_PHASE);
	assert_int_equal(round_embed_from(&back), 0);
	/* From there on it is the same way again, whatever comes. */
	go(&f, &back, FREEAL__PHASE__TRAIN_PHASE, 20);
	assert_same(&back, &train);
}

static void lost_judgements_are_made_again_by_the_round_that_made_them(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 2, 10, false);
	Freeal__StateRecord s = started(), back;
	go(&f, &s, FREEAL__PHASE__TRAIN_PHASE, 10);
	Freeal__StateRecord train = s;
	go(&f, &s, FREEAL__PHASE__SELECT_PHASE, 10);
	assert_true(round_mend(&f.project, &s, &train, FREEAL__MISSING__JUDGEMENTS, &back));
	assert_same(&back, &train);
	/* The next round's RETRIEVE reads them too; newcomers have joined meanwhile. */
	go(&f, &s, FREEAL__PHASE__RETRIEVE_PHASE, 30);
	assert_int_equal(s.round, 1);
	assert_int_equal(s.vocabulary_count, 30);
	assert_true(round_mend(&f.project, &s, &train, FREEAL__MISSING__JUDGEMENTS, &back));
	assert_same(&back, &train);
	go(&f, &s, FREEAL__PHASE__FINAL_TRAIN_PHASE, 30);
	assert_true(round_mend(&f.project, &s, &train, FREEAL__MISSING__JUDGEMENTS, &back));
	go(&f, &s, FREEAL__PHASE__PREDICT_PHASE, 30);
	assert_false(round_mend(&f.project, &s, &train, FREEAL__MISSING__JUDGEMENTS, &back));
	assert_true(round_mend(&f.project, &s, &train, FREEAL__MISSING__MODEL, &back));
	assert_int_equal(back.phase, FREEAL__PHASE__FINAL_TRAIN_PHASE);
	assert_int_equal(back.round, 1);
}

static void stops_early_only_where_rounds_are_a_number(void **state)
{
	(void)state;
	struct fixture f;
	Freeal__SelectResult now = FREEAL__SELECT_RESULT__INIT;
	Freeal__SelectResult before = FREEAL__SELECT_RESULT__INIT;
	now.ask_again = 1000;
	now.mended_expected = 4.9;
	struct round_outcome outcome = {.select = &now};
	fixture_make(&f, 4, 10, true);
	assert_non_null(round_stop_reason(&f.project, 0, &outcome)); /* mends too little */
	now.mended_expected = 5.1;
	assert_null(round_stop_reason(&f.project, 0, &outcome));
	outcome.select_before = &before;
	before.log_likelihood = -0.50;
	now.log_likelihood = -0.49;
	now.log_likelihood_error = 0.02;
	assert_non_null(round_stop_reason(&f.project, 1, &outcome)); /* within its error */
	now.log_likelihood_error = 0.005;
	assert_null(round_stop_reason(&f.project, 1, &outcome));
	assert_non_null(round_stop_reason(&f.project, 3, &outcome)); /* the last one */
	f.project.stop_early = false;
	now.mended_expected = 0;
	assert_null(round_stop_reason(&f.project, 1, &outcome));
}

static void names_and_numbers_of_work_agree(void **state)
{
	(void)state;
	struct fixture f;
	fixture_make(&f, 2, 10, false);
	Freeal__StateRecord s = FREEAL__STATE_RECORD__INIT;
	s.round = 1;
	s.sample_count = s.vocabulary_count = 3 * ROUND_BLOCK + 1;
	s.pool_version = 1;
	s.generated = true;
	for (int phase = FREEAL__PHASE__GENERATE_PHASE; phase < FREEAL__PHASE__DONE_PHASE;
	     phase++) {
		s.phase = (Freeal__Phase)phase;
		uint64_t count = round_work_count(&f.project, &s);
		for (uint64_t i = 0; i < count && i < 10; i++) {
			Freeal__WorkName name = round_work_name(&f.project, &s, i);
			uint64_t index;
			assert_true(round_work_index(&f.project, &s, &name, &index));
			assert_int_equal(index, i);
			name.round = 0;
			assert_false(round_work_index(&f.project, &s, &name, &index));
		}
	}
	s.phase = FREEAL__PHASE__AUGMENT_PHASE;
	Freeal__WorkName view = round_work_name(&f.project, &s, 7);
	uint64_t at;
	assert_true(round_work_index(&f.project, &s, &view, &at));
	assert_int_equal(view.kind, FREEAL__WORK_KIND__AUGMENT);
	s.phase = FREEAL__PHASE__EMBED_PHASE;
	assert_int_equal(round_work_count(&f.project, &s), 5); /* blocks and the first pool */
	s.embedded_count = ROUND_BLOCK + 5;
	assert_int_equal(round_work_count(&f.project, &s), 3); /* the blocks that are left */
	s.phase = FREEAL__PHASE__TRAIN_PHASE;
	Freeal__WorkName final = round_work_name(&f.project, &s, 0);
	final.item = 5;
	uint64_t index;
	assert_false(round_work_index(&f.project, &s, &final, &index));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_rounds_with_shots),
	    cmocka_unit_test(zero_shot_needs_no_demonstrations),
	    cmocka_unit_test(an_llm_that_writes_nothing_is_asked_without_demonstrations),
	    cmocka_unit_test(second_views_are_asked_for_before_anyone_sees_the_samples),
	    cmocka_unit_test(waits_for_the_start_and_for_samples),
	    cmocka_unit_test(samples_that_come_after_the_end_get_a_round_of_their_own),
	    cmocka_unit_test(annotate_takes_what_came_meanwhile_once),
	    cmocka_unit_test(nobody_who_came_means_no_second_part),
	    cmocka_unit_test(zero_shot_arrivals_are_embedded_and_asked),
	    cmocka_unit_test(the_vocabulary_grows_with_the_samples),
	    cmocka_unit_test(lost_embeddings_are_made_again_in_the_same_round),
	    cmocka_unit_test(lost_judgements_are_made_again_by_the_round_that_made_them),
	    cmocka_unit_test(stops_early_only_where_rounds_are_a_number),
	    cmocka_unit_test(names_and_numbers_of_work_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
