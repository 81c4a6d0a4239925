/* libs: freeal-annotator-lib */
/* A batch job's memory: which answer is whose, once; what another annotator can take over. */
#include "annotator/batch_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ask *ask_make(uint64_t item, uint32_t ask_no)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__AnnotateOrder order = FREEAL__ANNOTATE_ORDER__INIT;
	Freeal__Work work = FREEAL__WORK__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.round = 1;
	name.item = item;
	work.name = &name;
	work.attempt = 1;
	work.order_case = FREEAL__WORK__ORDER_ANNOTATE;
	work.annotate = &order;
	struct ask *ask = ask_new(&work);
	assert_non_null(ask);
	ask->ask_no = ask_no;
	ask->key = key_make("/q", (uint32_t)item, "", 0);
	return ask;
}

static struct batch_job *job_make(struct lane *lane, uint64_t count)
{
	struct batch_job *j = batch_job_new(lane);
	assert_non_null(j);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(batch_job_add(j, ask_make(10 + i, 2), true, "{}", 2), ERR_OK);
	assert_int_equal(batch_job_seal(j), ERR_OK);
	return j;
}

static void answers_are_matched_by_id_and_once(void **state)
{
	(void)state;
	struct lane lane = {0};
	struct batch_job *j = job_make(&lane, 3);
	static const char *const bad[] = {"",		"2-1-10-0",   "2-1-10-0-2x", "2-1-13-0-2",
					  "2-0-10-0-2", "1-1-10-0-2", "2-1-10-1-2",  "2-1-10-0-0"};
	uint32_t ask_no;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(batch_job_find(j, bad[i], &ask_no));
	assert_non_null(strstr(buf_str(&j->body), "\"custom_id\":\"2-1-12-0-2\""));
	struct batch_line *last = batch_job_find(j, "2-1-12-0-2", &ask_no);
	assert_ptr_equal(last, &j->lines[2]);
	assert_int_equal(ask_no, 2);
	last->answered = true;
	assert_null(batch_job_find(j, "2-1-12-0-2", &ask_no));
	assert_ptr_equal(batch_job_find(j, "2-1-10-0-2", &ask_no), &j->lines[0]);
	batch_job_free(j);
}

static void job_takes_so_many_lines(void **state)
{
	(void)state;
	struct lane lane = {0};
	struct batch_job *j = job_make(&lane, BATCH_LINES_MAX);
	struct ask *more = ask_make(5000, 1);
	assert_int_equal(batch_job_add(j, more, true, "{}", 2), ERR_LIMIT);
	ask_free(more);
	batch_job_free(j);
}

static void note_is_enough_to_adopt_a_job(void **state)
{
	(void)state;
	struct lane lane = {.position = 3};
	struct batch_job *j = job_make(&lane, 3), *other;
	Freeal__WorkName *names[3];
	ProtobufCBinaryData keys[3];
	Freeal__BatchNote note;
	batch_job_note(j, false, names, keys, &note);
	assert_int_equal(note.endpoint, 3);
	assert_int_equal(note.n_keys, 3);
	assert_int_equal(batch_job_adopt(&lane, &note, &other), ERR_OK);
	assert_int_equal(other->state, BATCH_FINDS); /* nobody knows its id */
	assert_string_equal(other->word, j->word);
	assert_memory_equal(&other->lines[1].key, &j->lines[1].key, sizeof(struct key));
	batch_job_free(other);
	strcpy(j->object.id, "batch_7");
	batch_job_note(j, true, names, keys, &note);
	assert_true(note.over);
	assert_int_equal(batch_job_adopt(&lane, &note, &other), ERR_OK);
	assert_int_equal(other->state, BATCH_POLLS);
	assert_string_equal(other->object.id, "batch_7");
	/* The leases come after it, in any order, and once. */
	struct ask *ask = ask_make(11, 1), *again = ask_make(11, 1), *none = ask_make(99, 1);
	assert_true(batch_job_claim(other, ask));
	assert_false(batch_job_claim(other, again));
	assert_false(batch_job_claim(other, none));
	assert_false(batch_job_claim(j, none)); /* its own come with it */
	ask_free(again);
	ask_free(none);
	batch_job_free(other);
	note.n_names = 0;
	assert_int_equal(batch_job_adopt(&lane, &note, &other), ERR_INVALID);
	batch_job_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_are_matched_by_id_and_once),
	    cmocka_unit_test(job_takes_so_many_lines),
	    cmocka_unit_test(note_is_enough_to_adopt_a_job),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
