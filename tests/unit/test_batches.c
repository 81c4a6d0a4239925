/* libs: freeal-coordinator-lib */
/* Notes of batch jobs: whose works they cover, and who gets them when the holder is gone. */
#include "coordinator/batches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t ann[PEER_EPOCH_BYTES] = "ann", bob[PEER_EPOCH_BYTES] = "bob";

struct fixture {
	char dir[64];
	struct store *store;
	struct store_txn *txn;
	struct batches *batches;
};

static void load(struct fixture *f, uint64_t until_ms)
{
	assert_int_equal(store_begin(f->store, true, &f->txn), ERR_OK);
	f->batches = batches_new();
	assert_int_equal(batches_load(f->batches, f->txn, until_ms), ERR_OK);
}

static void restart(struct fixture *f, uint64_t until_ms)
{
	assert_int_equal(store_commit(f->txn), ERR_OK);
	batches_free(f->batches);
	load(f, until_ms);
}

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct err_msg msg;
	snprintf(f->dir, sizeof f->dir, "/tmp/freeal-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(tables_open(f->dir, &f->store, &msg), ERR_OK);
	load(f, 0);
	*state = f;
	return 0;
}

static int fixture_free(void **state)
{
	struct fixture *f = *state;
	char command[128];
	batches_free(f->batches);
	store_abort(f->txn);
	store_close(f->store);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

static Freeal__WorkName name_of(uint64_t item)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = item;
	return name;
}

/* Items from .. from+count-1. */
static enum err put(struct fixture *f, uint8_t token, const char *job, uint64_t from, size_t count,
		    const uint8_t *holder)
{
	Freeal__WorkName names[BATCH_WORKS_MAX + 1], *list[BATCH_WORKS_MAX + 1];
	Freeal__BatchNote note = FREEAL__BATCH_NOTE__INIT;
	uint8_t bytes[BATCH_TOKEN_BYTES] = {token};
	for (size_t i = 0; i < count; i++) {
		names[i] = name_of(from + i);
		list[i] = &names[i];
	}
	note.token = (ProtobufCBinaryData){sizeof bytes, bytes};
	note.job = (char *)job;
	note.names = list;
	note.n_names = count;
	return batches_put(f->batches, f->txn, &note, holder);
}

static const Freeal__BatchNote *found(struct fixture *f, uint8_t token)
{
	uint8_t bytes[BATCH_TOKEN_BYTES] = {token};
	return batches_find(f->batches, bytes, sizeof bytes);
}

static bool covers(struct fixture *f, uint64_t item)
{
	Freeal__WorkName name = name_of(item);
	return batches_cover(f->batches, &name);
}

static size_t works_take(struct fixture *f, const uint8_t *holder, uint32_t attempt)
{
	Freeal__WorkName name;
	uint32_t given;
	size_t count = 0;
	for (; batches_work_next(f->batches, holder, &name, &given); count++)
		assert_int_equal(given, attempt);
	return count;
}

static void batches_cover_their_works_until_they_are_removed(void **state)
{
	struct fixture *f = *state;
	uint8_t token[BATCH_TOKEN_BYTES] = {1};
	assert_int_equal(put(f, 1, "", 10, 3, ann), ERR_OK);
	assert_int_equal(put(f, 2, "", 20, 2, ann), ERR_OK);
	assert_true(covers(f, 10) && covers(f, 12) && covers(f, 21));
	assert_false(covers(f, 9) || covers(f, 13));
	assert_int_equal(put(f, 1, "job-1", 10, 3, ann), ERR_OK);
	assert_string_equal(found(f, 1)->job, "job-1");
	restart(f, 0);
	assert_string_equal(found(f, 1)->job, "job-1");
	assert_true(covers(f, 12));
	assert_int_equal(batches_remove(f->batches, f->txn, token, sizeof token), ERR_OK);
	assert_int_equal(batches_remove(f->batches, f->txn, token, sizeof token), ERR_OK);
	assert_null(found(f, 1));
	assert_false(covers(f, 12));
	assert_true(covers(f, 20));
	restart(f, 0);
	assert_null(found(f, 1));
	assert_int_equal(batches_count(f->batches), 1);
}

static void batches_take_no_note_that_is_malformed_or_another_s(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(put(f, 1, "", 0, 0, ann), ERR_INVALID);
	assert_int_equal(put(f, 1, "", 0, BATCH_WORKS_MAX + 1, ann), ERR_INVALID);
	assert_int_equal(put(f, 1, "", 0, 2, ann), ERR_OK);
	assert_int_equal(put(f, 1, "job", 0, 2, bob), ERR_INVALID);
	assert_int_equal(put(f, 1, "job", 0, 3, ann), ERR_INVALID);
	for (uint8_t i = 2; i <= BATCH_NOTES_MAX; i++)
		assert_int_equal(put(f, i, "", i * 10u, 1, ann), ERR_OK);
	assert_int_equal(put(f, 200, "", 9999, 1, ann), ERR_LIMIT);
	restart(f, 0);
	assert_null(found(f, 200));
}

static void batches_give_works_to_their_holder_alone(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(put(f, 1, "", 0, 3, ann), ERR_OK);
	assert_int_equal(works_take(f, ann, 1), 0); /* it has them */
	for (uint64_t i = 0; i < 4; i++) {
		Freeal__WorkName name = name_of(i);
		assert_int_equal(batches_work_return(f->batches, &name, 3), i < 3);
	}
	assert_int_equal(works_take(f, bob, 4), 0);
	assert_int_equal(works_take(f, ann, 4), 3);
	assert_int_equal(works_take(f, ann, 4), 0);
	Freeal__WorkName first = name_of(0);
	assert_true(batches_work_return(f->batches, &first, 4));
	assert_int_equal(works_take(f, ann, 5), 1);
	restart(f, 0); /* nobody has said yet what it has */
	Freeal__WorkName last = name_of(2);
	batches_work_take(f->batches, &last);
	assert_int_equal(works_take(f, ann, 1), 2);
}

static void batches_pass_to_another_when_the_holder_is_gone(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(put(f, 1, "job", 0, 3, ann), ERR_OK);
	assert_int_equal(batches_orphan(f->batches, UINT64_MAX - 1), -1);
	batches_hold(f->batches, ann, 1000);
	assert_int_equal(batches_orphan(f->batches, 999), -1);
	assert_int_equal(batches_orphan(f->batches, 1000), 0);
	assert_int_equal(batches_give(f->batches, f->txn, 0, bob, 2000), ERR_OK);
	assert_int_equal(batches_orphan(f->batches, 1999), -1);
	batches_hold(f->batches, ann, 9000); /* too late */
	assert_int_equal(batches_orphan(f->batches, 2000), 0);
	restart(f, 5000);
	assert_int_equal(batches_orphan(f->batches, 4999), -1);
	assert_int_equal(works_take(f, bob, 1), 3);
	assert_int_equal(batches_leave(f->batches, f->txn, bob), ERR_OK);
	assert_int_equal(batches_orphan(f->batches, 1), 0);
	restart(f, 5000);
	assert_int_equal(batches_orphan(f->batches, 1), 0);
	assert_string_equal(found(f, 1)->job, "job");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(batches_cover_their_works_until_they_are_removed,
					    fixture_make, fixture_free),
	    cmocka_unit_test_setup_teardown(batches_take_no_note_that_is_malformed_or_another_s,
					    fixture_make, fixture_free),
	    cmocka_unit_test_setup_teardown(batches_give_works_to_their_holder_alone, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(batches_pass_to_another_when_the_holder_is_gone,
					    fixture_make, fixture_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
