/* libs: freeal-coordinator-lib */
#include "coordinator/holders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t a[PEER_EPOCH_BYTES] = {1}, b[PEER_EPOCH_BYTES] = {2};

/* The list as the next start finds it, with `until_ms` for those in it. */
static struct holders *reloaded(struct holders *h, uint64_t until_ms)
{
	static ProtobufCBinaryData epochs[PEER_COUNT_MAX];
	Freeal__HoldersRecord record;
	holders_record(h, epochs, &record);
	struct holders *next = holders_new();
	assert_non_null(next);
	holders_load(next, &record, until_ms);
	holders_free(h);
	return next;
}

static void test_told_after_a_restart(void **state)
{
	(void)state;
	struct holders *h = holders_new();
	assert_int_equal(holders_add(h, a), ERR_OK);
	assert_int_equal(holders_add(h, b), ERR_OK);
	assert_int_equal(holders_add(h, b), ERR_OK);
	assert_int_equal(holders_count(h), 2);
	assert_false(holders_awaited(h));
	assert_int_equal(holders_next_ms(h), UINT64_MAX);
	h = reloaded(h, 100);
	assert_true(holders_awaited(h));
	assert_int_equal(holders_next_ms(h), 100);
	holders_tell(h, a);
	assert_true(holders_awaited(h));
	holders_tell(h, a);
	holders_tell(h, b);
	assert_false(holders_awaited(h));
	holders_expire(h, 100);
	assert_int_equal(holders_count(h), 2);
	holders_free(h);
}

static void test_not_told_in_time(void **state)
{
	(void)state;
	struct holders *h = holders_new();
	assert_int_equal(holders_add(h, a), ERR_OK);
	assert_int_equal(holders_add(h, b), ERR_OK);
	h = reloaded(h, 100);
	assert_false(holders_changed(h));
	holders_tell(h, a);
	holders_expire(h, 99);
	assert_true(holders_awaited(h));
	assert_false(holders_changed(h));
	holders_extend(h, 10);
	holders_expire(h, 109);
	assert_true(holders_awaited(h));
	holders_expire(h, 110);
	assert_false(holders_awaited(h));
	assert_true(holders_changed(h));
	assert_false(holders_changed(h));
	assert_int_equal(holders_count(h), 1);
	holders_free(h);
}

static void test_left_and_lost(void **state)
{
	(void)state;
	struct holders *h = holders_new();
	assert_int_equal(holders_add(h, a), ERR_OK);
	assert_true(holders_changed(h));
	holders_remove(h, b);
	assert_false(holders_changed(h));
	holders_remove(h, a);
	assert_true(holders_changed(h));
	assert_int_equal(holders_count(h), 0);
	/* Lost, and back before its leases are over. */
	assert_int_equal(holders_add(h, a), ERR_OK);
	holders_lose(h, a, 50);
	holders_lose(h, a, 70);
	assert_int_equal(holders_next_ms(h), 50);
	assert_int_equal(holders_add(h, a), ERR_OK);
	holders_expire(h, 60);
	assert_int_equal(holders_count(h), 1);
	holders_lose(h, a, 80);
	holders_expire(h, 80);
	assert_int_equal(holders_count(h), 0);
	/* Lost before it told: it is awaited no longer than from the start. */
	assert_int_equal(holders_add(h, a), ERR_OK);
	h = reloaded(h, 100);
	holders_lose(h, a, 170);
	holders_expire(h, 100);
	assert_false(holders_awaited(h));
	/* Leaving is telling. */
	assert_int_equal(holders_add(h, a), ERR_OK);
	h = reloaded(h, 100);
	holders_remove(h, a);
	assert_false(holders_awaited(h));
	holders_free(h);
}

static void test_full(void **state)
{
	(void)state;
	struct holders *h = holders_new();
	for (uint32_t i = 0; i < PEER_COUNT_MAX; i++) {
		uint8_t epoch[PEER_EPOCH_BYTES] = {9, (uint8_t)i, (uint8_t)(i >> 8)};
		assert_int_equal(holders_add(h, epoch), ERR_OK);
	}
	assert_int_equal(holders_add(h, a), ERR_LIMIT);
	h = reloaded(h, 5);
	holders_expire(h, 5);
	assert_int_equal(holders_count(h), 0);
	assert_int_equal(holders_add(h, a), ERR_OK);
	holders_free(h);
}

/* A record with what is no epoch, or one twice. */
static void test_record_is_checked(void **state)
{
	(void)state;
	uint8_t bytes[PEER_EPOCH_BYTES] = {1};
	ProtobufCBinaryData epochs[3] = {{3, bytes}, {sizeof bytes, bytes}, {sizeof bytes, bytes}};
	Freeal__HoldersRecord record = FREEAL__HOLDERS_RECORD__INIT;
	record.epochs = epochs;
	record.n_epochs = 3;
	struct holders *h = holders_new();
	holders_load(h, &record, 10);
	assert_int_equal(holders_count(h), 1);
	holders_tell(h, bytes);
	assert_false(holders_awaited(h));
	holders_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_told_after_a_restart), cmocka_unit_test(test_not_told_in_time),
	    cmocka_unit_test(test_left_and_lost),	 cmocka_unit_test(test_full),
	    cmocka_unit_test(test_record_is_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
