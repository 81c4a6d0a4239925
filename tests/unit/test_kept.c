/* libs: freeal-coordinator-lib */
/* Kept replies: what is found again, which one stays, and that their bytes stay within the bound.
 */
#include "base/limits.h"
#include "base/rng.h"
#include "coordinator/kept.h"
#include "llm/key.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY_BYTES 100u
#define ROOM(n) ((n) * (uint64_t)(BODY_BYTES + KEPT_ENTRY_BYTES))

struct fixture {
	char dir[64];
	struct store *store;
	struct store_txn *txn;
	Freeal__KeptRecord totals;
};

static void fixture_load(struct fixture *f, uint64_t bytes_max)
{
	assert_int_equal(store_begin(f->store, true, &f->txn), ERR_OK);
	assert_int_equal(kept_load(f->txn, bytes_max, &f->totals), ERR_OK);
}

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct err_msg msg;
	snprintf(f->dir, sizeof f->dir, "/tmp/freeal-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(tables_open(f->dir, &f->store, &msg), ERR_OK);
	fixture_load(f, ROOM(4));
	*state = f;
	return 0;
}

static int fixture_free(void **state)
{
	struct fixture *f = *state;
	char command[128];
	store_abort(f->txn);
	store_close(f->store);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void put_sized(struct fixture *f, uint32_t question, char fill, size_t size, bool replace)
{
	struct key key = key_make("/q", question, "", 0);
	uint8_t *body = malloc(size + 1);
	memset(body, fill, size + 1);
	Freeal__KeptReply reply = FREEAL__KEPT_REPLY__INIT;
	reply.key = (ProtobufCBinaryData){sizeof key.bytes, key.bytes};
	reply.body = (ProtobufCBinaryData){size, body};
	assert_int_equal(kept_put(f->txn, &f->totals, &reply, replace), ERR_OK);
	free(body);
}

static void put(struct fixture *f, uint32_t question, char fill, bool replace)
{
	put_sized(f, question, fill, BODY_BYTES, replace);
}

/* The first byte of the reply; 0: none is kept. */
static char got(struct fixture *f, uint32_t question)
{
	struct key key = key_make("/q", question, "", 0);
	Freeal__ReplyRecord *reply = NULL;
	enum err e = kept_get(f->txn, key.bytes, sizeof key.bytes, &reply);
	if (e == ERR_NOT_FOUND)
		return 0;
	assert_int_equal(e, ERR_OK);
	char first = (char)reply->body.data[0];
	frame_message_free(reply);
	return first;
}

static void totals_check(struct fixture *f)
{
	uint64_t replies, ages;
	assert_int_equal(store_count(f->txn, TABLE_REPLIES, &replies), ERR_OK);
	assert_int_equal(store_count(f->txn, TABLE_AGES, &ages), ERR_OK);
	assert_int_equal(replies, f->totals.count);
	assert_int_equal(ages, f->totals.count);
	assert_true(f->totals.bytes <= f->totals.bytes_max);
}

static void kept_is_found_again(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(got(f, 1), 0);
	put(f, 1, 'a', true);
	put(f, 2, 'b', true);
	assert_int_equal(got(f, 1), 'a');
	assert_int_equal(got(f, 2), 'b');
	assert_int_equal(got(f, 3), 0);
	assert_int_equal(store_commit(f->txn), ERR_OK);
	fixture_load(f, ROOM(4));
	assert_int_equal(got(f, 1), 'a');
	assert_int_equal(f->totals.count, 2);
	assert_int_equal(f->totals.bytes, ROOM(2));
	totals_check(f);
}

static void kept_oldest_goes_first(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 5; i++)
		put(f, i, 'a', true);
	assert_int_equal(got(f, 0), 0);
	for (uint32_t i = 1; i < 5; i++)
		assert_int_equal(got(f, i), 'a');
	put_sized(f, 9, 'z', 3 * (BODY_BYTES + KEPT_ENTRY_BYTES), true); /* all others had to go */
	assert_int_equal(got(f, 9), 'z');
	assert_int_equal(f->totals.count, 1);
	totals_check(f);
}

static void kept_later_one_replaces_unless_it_is_late(void **state)
{
	struct fixture *f = *state;
	put(f, 1, 'a', true);
	put(f, 1, 'b', false);
	assert_int_equal(got(f, 1), 'a');
	put_sized(f, 1, 'c', BODY_BYTES / 2, true);
	assert_int_equal(got(f, 1), 'c');
	assert_int_equal(f->totals.count, 1);
	totals_check(f);
	uint64_t next = f->totals.next;
	put_sized(f, 1, 'c', BODY_BYTES / 2, true); /* only sent again */
	assert_int_equal(f->totals.next, next);
}

static void kept_leaves_out_what_is_too_large_or_malformed(void **state)
{
	struct fixture *f = *state;
	put(f, 1, 'a', true);
	put_sized(f, 2, 'b', (size_t)ROOM(4), true);
	put_sized(f, 3, 'c', 0, true);
	Freeal__KeptReply reply = FREEAL__KEPT_REPLY__INIT;
	uint8_t few[3] = {1, 2, 3};
	reply.key = (ProtobufCBinaryData){sizeof few, few};
	reply.body = (ProtobufCBinaryData){sizeof few, few};
	assert_int_equal(kept_put(f->txn, &f->totals, &reply, true), ERR_OK);
	Freeal__ReplyRecord *none = NULL;
	assert_int_equal(kept_get(f->txn, few, sizeof few, &none), ERR_NOT_FOUND);
	assert_int_equal(store_commit(f->txn), ERR_OK);
	fixture_load(f, 1u << 30);
	put_sized(f, 4, 'd', KEPT_REPLY_BYTES_MAX + 1, true);
	assert_int_equal(f->totals.count, 1);
	assert_int_equal(got(f, 1), 'a');
	totals_check(f);
}

static void kept_shrinks_to_a_smaller_bound(void **state)
{
	struct fixture *f = *state;
	for (uint32_t i = 0; i < 4; i++)
		put(f, i, 'a', true);
	assert_int_equal(store_commit(f->txn), ERR_OK);
	fixture_load(f, ROOM(1));
	assert_int_equal(f->totals.count, 1);
	assert_int_equal(got(f, 3), 'a');
	totals_check(f);
	assert_int_equal(store_commit(f->txn), ERR_OK);
	fixture_load(f, 0); /* the cache is off: nothing is lost */
	assert_int_equal(f->totals.count, 1);
	assert_int_equal(f->totals.bytes_max, ROOM(1));
}

static void kept_clear_leaves_nothing_and_goes_on(void **state)
{
	struct fixture *f = *state;
	put(f, 1, 'a', true);
	assert_int_equal(kept_clear(f->txn, &f->totals), ERR_OK);
	assert_int_equal(got(f, 1), 0);
	assert_int_equal(f->totals.count, 0);
	put(f, 1, 'b', true);
	assert_int_equal(got(f, 1), 'b');
	totals_check(f);
}

/* Any sequence of puts: the totals are right, the newest is there. */
static void kept_totals_hold_for_any_sequence(void **state)
{
	struct fixture *f = *state;
	struct rng rng = rng_make(7);
	for (int i = 0; i < 2000; i++) {
		uint32_t question = (uint32_t)rng_below(&rng, 12);
		size_t size = 1 + rng_below(&rng, (uint64_t)ROOM(2));
		char fill = (char)('a' + rng_below(&rng, 26));
		put_sized(f, question, fill, size, true);
		assert_int_equal(got(f, question), fill);
		totals_check(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(kept_is_found_again, fixture_make, fixture_free),
	    cmocka_unit_test_setup_teardown(kept_oldest_goes_first, fixture_make, fixture_free),
	    cmocka_unit_test_setup_teardown(kept_later_one_replaces_unless_it_is_late, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(kept_leaves_out_what_is_too_large_or_malformed,
					    fixture_make, fixture_free),
	    cmocka_unit_test_setup_teardown(kept_shrinks_to_a_smaller_bound, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(kept_clear_leaves_nothing_and_goes_on, fixture_make,
					    fixture_free),
	    cmocka_unit_test_setup_teardown(kept_totals_hold_for_any_sequence, fixture_make,
					    fixture_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
