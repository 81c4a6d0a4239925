/* libs: freeal-trainer-lib store base proto */
#include "trainer/candidates.h"
#include "trainer/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	struct dataset *dataset;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	assert_non_null(f);
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/freeal-dataset-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	struct err_msg msg;
	assert_int_equal(dataset_open(f->dir, &f->dataset, &msg), ERR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	dataset_close(f->dataset);
	static const char *const names[] = {"data.mdb", "lock.mdb", "owner.lock"};
	for (size_t i = 0; i < 3; i++) {
		char path[128];
		(void)snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
		(void)unlink(path);
	}
	int gone = rmdir(f->dir);
	free(f);
	return gone;
}

static void dataset_reopen(struct fixture *f)
{
	struct err_msg msg;
	dataset_close(f->dataset);
	assert_int_equal(dataset_open(f->dir, &f->dataset, &msg), ERR_OK);
}

static ProtobufCBinaryData bytes(const char *text)
{
	return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
}

/* Samples `first` .. first+count-1 with texts that tell their number; every second
 * one has an augmented text. */
static enum err samples_add(struct dataset *d, uint64_t first, size_t count)
{
	static char ids[16][32], texts[16][32];
	Freeal__SampleRow rows[16], *pointers[16];
	for (size_t i = 0; i < count; i++) {
		unsigned no = (unsigned)(first + i);
		(void)snprintf(ids[i], sizeof ids[i], "id-%u", no);
		(void)snprintf(texts[i], sizeof texts[i], "text of %u", no);
		freeal__sample_row__init(&rows[i]);
		rows[i].id = bytes(ids[i]);
		rows[i].text = bytes(texts[i]);
		if (no % 2 == 1)
			rows[i].augmented = bytes("augmented");
		pointers[i] = &rows[i];
	}
	Freeal__SampleChunk chunk = FREEAL__SAMPLE_CHUNK__INIT;
	chunk.rows = pointers;
	chunk.n_rows = count;
	return dataset_samples_add(d, first, &chunk);
}

static enum err changes_add(struct dataset *d, uint64_t first, uint64_t *sample_nos,
			    int32_t *class_ids, size_t count)
{
	Freeal__ChangeChunk chunk = FREEAL__CHANGE_CHUNK__INIT;
	chunk.sample_nos = sample_nos;
	chunk.class_ids = class_ids;
	chunk.n_sample_nos = chunk.n_class_ids = count;
	return dataset_changes_add(d, first, &chunk);
}

static void test_samples_are_appended_once(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(samples_add(f->dataset, 0, 5), ERR_OK);
	assert_int_equal(samples_add(f->dataset, 3, 4), ERR_OK);
	assert_int_equal(samples_add(f->dataset, 0, 2), ERR_OK);
	assert_int_equal(samples_add(f->dataset, 8, 1), ERR_PROTOCOL);
	assert_int_equal(dataset_sample_count(f->dataset), 7);
	dataset_reopen(f);
	assert_int_equal(dataset_sample_count(f->dataset), 7);

	struct dataset_view *v;
	assert_int_equal(dataset_view_open(f->dataset, 2, 5, &v), ERR_OK);
	assert_int_equal(v->count, 5);
	for (size_t i = 0; i < 5; i++) {
		char want[32];
		int size = snprintf(want, sizeof want, "text of %zu", i + 2);
		assert_int_equal(v->text_bytes[i], size);
		assert_memory_equal(v->texts[i], want, size);
		size = snprintf(want, sizeof want, "id-%zu", i + 2);
		assert_int_equal(v->id_bytes[i], size);
		assert_memory_equal(v->ids[i], want, size);
		assert_int_equal(v->augmented_bytes[i], i % 2 == 1 ? 9 : 0);
	}
	/* Rows may be added while a view is open. */
	assert_int_equal(samples_add(f->dataset, 7, 2), ERR_OK);
	assert_memory_equal(v->augmented[1], "augmented", 9);
	dataset_view_close(v);
	assert_int_equal(dataset_view_open(f->dataset, 5, 5, &v), ERR_NOT_FOUND);
}

static void test_another_projects_samples_go(void **state)
{
	struct fixture *f = *state;
	uint64_t nos[] = {0, 1};
	int32_t ids[] = {1, 2};
	bool wiped = true;
	assert_int_equal(dataset_project_set(f->dataset, "one", 3, &wiped), ERR_OK);
	assert_false(wiped);
	assert_int_equal(samples_add(f->dataset, 0, 5), ERR_OK);
	assert_int_equal(changes_add(f->dataset, 0, nos, ids, 2), ERR_OK);
	dataset_reopen(f);
	assert_int_equal(dataset_project_set(f->dataset, "one", 3, &wiped), ERR_OK);
	assert_false(wiped);
	assert_int_equal(dataset_sample_count(f->dataset), 5);
	assert_int_equal(dataset_project_set(f->dataset, "two", 3, &wiped), ERR_OK);
	assert_true(wiped);
	assert_int_equal(dataset_sample_count(f->dataset), 0);
	assert_int_equal(dataset_change_count(f->dataset), 0);
	assert_int_equal(samples_add(f->dataset, 0, 3), ERR_OK);
	dataset_reopen(f);
	assert_int_equal(dataset_sample_count(f->dataset), 3);
}

static void test_labels_are_those_of_the_moment(void **state)
{
	struct fixture *f = *state;
	uint64_t first_nos[] = {0, 1, 2}, second_nos[] = {1, 9, 0};
	int32_t first_ids[] = {2, 1, 0}, second_ids[] = {0, 3, -1};
	assert_int_equal(changes_add(f->dataset, 0, first_nos, first_ids, 3), ERR_OK);
	assert_int_equal(changes_add(f->dataset, 3, second_nos, second_ids, 3), ERR_OK);
	/* A repeat that overlaps: the part that is here already is skipped. */
	assert_int_equal(changes_add(f->dataset, 4, second_nos + 1, second_ids + 1, 2), ERR_OK);
	assert_int_equal(changes_add(f->dataset, 7, first_nos, first_ids, 3), ERR_PROTOCOL);
	dataset_reopen(f);
	assert_int_equal(dataset_change_count(f->dataset), 6);

	int32_t labels[4];
	assert_int_equal(dataset_labels(f->dataset, 3, labels, 4, NULL), ERR_OK);
	assert_memory_equal(labels, ((int32_t[]){2, 1, 0, -1}), sizeof labels);
	assert_int_equal(dataset_labels(f->dataset, 4, labels, 4, NULL), ERR_OK);
	assert_memory_equal(labels, ((int32_t[]){2, 0, 0, -1}), sizeof labels);
	assert_int_equal(dataset_labels(f->dataset, 6, labels, 4, NULL), ERR_OK);
	assert_memory_equal(labels, ((int32_t[]){-1, 0, 0, -1}), sizeof labels);
	assert_int_equal(dataset_labels(f->dataset, 0, labels, 4, NULL), ERR_OK);
	assert_int_equal(labels[0], -1);
	assert_int_equal(dataset_labels(f->dataset, 7, labels, 4, NULL), ERR_NOT_FOUND);
}

static void test_sets_are_those_of_the_moment(void **state)
{
	struct fixture *f = *state;
	uint64_t nos[] = {0, 1, 0, 2};
	int32_t ids[] = {-1, 1, 2, -1};
	uint32_t first[] = {3, 0}, last[] = {1, 2, 0};
	Freeal__Candidates sets[] = {FREEAL__CANDIDATES__INIT, FREEAL__CANDIDATES__INIT};
	Freeal__Candidates *list[] = {&sets[0], &sets[1]};
	sets[0].class_ids = first;
	sets[0].n_class_ids = 2;
	sets[1].row = 3;
	sets[1].class_ids = last;
	sets[1].n_class_ids = 3;
	Freeal__ChangeChunk chunk = FREEAL__CHANGE_CHUNK__INIT;
	chunk.sample_nos = nos;
	chunk.class_ids = ids;
	chunk.n_sample_nos = chunk.n_class_ids = 4;
	chunk.candidates = list;
	chunk.n_candidates = 2;
	sets[1].row = 2; /* has a class */
	assert_int_equal(dataset_changes_add(f->dataset, 0, &chunk), ERR_PROTOCOL);
	sets[1].row = 4;
	assert_int_equal(dataset_changes_add(f->dataset, 0, &chunk), ERR_PROTOCOL);
	sets[1].row = 3;
	assert_int_equal(dataset_changes_add(f->dataset, 0, &chunk), ERR_OK);
	assert_int_equal(dataset_changes_add(f->dataset, 0, &chunk), ERR_OK);
	dataset_reopen(f);
	assert_int_equal(dataset_change_count(f->dataset), 4);

	int32_t labels[3];
	const uint32_t *class_ids;
	struct candidates *c = NULL;
	assert_int_equal(dataset_labels(f->dataset, 2, labels, 3, &c), ERR_OK);
	assert_memory_equal(labels, ((int32_t[]){-1, 1, -1}), sizeof labels);
	assert_int_equal(candidates_count(c), 1);
	assert_int_equal(candidates_of(c, 0, &class_ids), 2);
	assert_memory_equal(class_ids, first, sizeof first);
	assert_int_equal(candidates_of(c, 1, &class_ids), 0);
	candidates_free(c);
	assert_int_equal(dataset_labels(f->dataset, 4, labels, 3, &c), ERR_OK);
	assert_memory_equal(labels, ((int32_t[]){2, 1, -1}), sizeof labels);
	assert_int_equal(candidates_of(c, 0, &class_ids), 0);
	assert_int_equal(candidates_of(c, 2, &class_ids), 3);
	assert_memory_equal(class_ids, last, sizeof last);
	assert_int_equal(candidates_class_end(c), 3);
	candidates_free(c);
	c = NULL;
	assert_int_equal(dataset_labels(f->dataset, 0, labels, 3, &c), ERR_OK);
	assert_null(c);
}

static void test_malformed_chunks_add_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t nos[] = {0, 1};
	int32_t ids[] = {0};
	Freeal__ChangeChunk changes = FREEAL__CHANGE_CHUNK__INIT;
	changes.sample_nos = nos;
	changes.n_sample_nos = 2;
	changes.class_ids = ids;
	changes.n_class_ids = 1;
	assert_int_equal(dataset_changes_add(f->dataset, 0, &changes), ERR_PROTOCOL);

	Freeal__SampleRow good = FREEAL__SAMPLE_ROW__INIT, bad = FREEAL__SAMPLE_ROW__INIT;
	char id[300];
	memset(id, 'x', sizeof id);
	bad.id = (ProtobufCBinaryData){.len = sizeof id, .data = (uint8_t *)id};
	Freeal__SampleRow *rows[] = {&good, &bad};
	Freeal__SampleChunk samples = FREEAL__SAMPLE_CHUNK__INIT;
	samples.rows = rows;
	samples.n_rows = 2;
	assert_int_equal(dataset_samples_add(f->dataset, 0, &samples), ERR_PROTOCOL);
	assert_int_equal(dataset_sample_count(f->dataset), 0);
	assert_int_equal(dataset_change_count(f->dataset), 0);
}

static void test_directory_has_one_owner(void **state)
{
	struct fixture *f = *state;
	struct dataset *other;
	struct err_msg msg;
	assert_int_equal(dataset_open(f->dir, &other, &msg), ERR_BUSY);
	assert_non_null(strstr(msg.text, f->dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_samples_are_appended_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_another_projects_samples_go, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_labels_are_those_of_the_moment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sets_are_those_of_the_moment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_malformed_chunks_add_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_directory_has_one_owner, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
