/* libs: freeal-coordinator-lib */
/* New samples: what is accepted, what is a duplicate, what is rejected and why. */
#include "coordinator/ingest.h"
#include "coordinator/tables.h"
#include "proto/ingest.pb-c.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[64];
static struct store *store;

static int store_make(void **state)
{
	(void)state;
	struct err_msg msg;
	strcpy(dir, "/tmp/freeal-ingest-XXXXXX");
	return mkdtemp(dir) && tables_open(dir, &store, &msg) == ERR_OK ? 0 : -1;
}

static int store_remove(void **state)
{
	(void)state;
	char command[128];
	store_close(store);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* Commits and frees a batch, two rows at a time; the reply's JSON. */
static void ingest_all(struct ingest_batch *b, uint64_t *count, struct buf *reply)
{
	while (!ingest_is_done(b)) {
		struct store_txn *t;
		uint64_t before = *count;
		assert_int_equal(store_begin(store, true, &t), ERR_OK);
		assert_int_equal(ingest_put(t, b, 2, count), ERR_OK);
		assert_int_equal(store_commit(t), ERR_OK);
		assert_in_range(*count, before, before + 2);
	}
	buf_init(reply, 1 << 20);
	ingest_reply(b, reply);
	ingest_batch_free(b);
}

/* Parses and commits a body. */
static void ingest(const char *body, uint64_t *count, struct buf *reply)
{
	struct ingest_batch *b = ingest_parse(body, strlen(body), 2);
	assert_non_null(b);
	ingest_all(b, count, reply);
}

static void the_same_lines_twice_add_nothing(void **state)
{
	(void)state;
	const char *body =
	    "{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\"b\",\"text\":\"two\",\"gold\":1}";
	struct buf reply;
	uint64_t count = 0;
	ingest(body, &count, &reply);
	assert_string_equal(buf_str(&reply), "{\"accepted\":2,\"duplicates\":0,\"rejected\":[]}\n");
	buf_done(&reply);
	ingest(body, &count, &reply);
	assert_string_equal(buf_str(&reply), "{\"accepted\":0,\"duplicates\":2,\"rejected\":[]}\n");
	buf_done(&reply);
	assert_int_equal(count, 2);
}

/* D13: the same id with another text is a conflict; the first stays. */
static void an_id_keeps_its_first_text(void **state)
{
	(void)state;
	struct buf reply;
	uint64_t count = 0;
	ingest("{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\"a\",\"text\":\"other\"}\n", &count,
	       &reply);
	assert_non_null(strstr(buf_str(&reply), "\"line\":2"));
	assert_non_null(strstr(buf_str(&reply), "another text"));
	assert_int_equal(count, 1);
	buf_done(&reply);
}

static void bad_lines_are_rejected_with_their_number(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "nonsense",
	    "[1]",
	    "{\"id\":\"a\"}",
	    "{\"text\":\"t\"}",
	    "{\"id\":\"a\",\"text\":\"\"}",
	    "{\"id\":\"\",\"text\":\"t\"}",
	    "{\"id\":7,\"text\":\"t\"}",
	    "{\"id\":\"a\",\"text\":\"t\",\"gold\":2}",
	    "{\"id\":\"a\",\"text\":\"t\",\"gold\":-1}",
	    "{\"id\":\"a\",\"text\":\"t\",\"gold\":\"x\"}",
	    "{\"id\":\"a\",\"id\":\"b\",\"text\":\"t\"}",
	    "{\"id\":\"a\",\"text\":\"\xff\"}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char body[256];
		struct buf reply;
		uint64_t count = 5;
		snprintf(body, sizeof body, "\n%s\n{\"id\":\"good%zu\",\"text\":\"t\"}", bad[i], i);
		ingest(body, &count, &reply);
		assert_int_equal(count, 6);
		assert_non_null(strstr(buf_str(&reply), "\"accepted\":1"));
		assert_non_null(strstr(buf_str(&reply), "[{\"line\":2,"));
		buf_done(&reply);
	}
}

/* Packs rows of id, text, augmented text ("" for none) and gold + 1. */
static size_t pack(uint8_t *to, const char *const (*rows)[3], const uint32_t *golds, size_t count)
{
	uint32_t sizes[3][16];
	static char data[1000];
	Freeal__SampleBatch m = FREEAL__SAMPLE_BATCH__INIT;
	m.data.data = (uint8_t *)data;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < 3; k++) {
			sizes[k][i] = (uint32_t)strlen(rows[i][k]);
			memcpy(data + m.data.len, rows[i][k], sizes[k][i]);
			m.data.len += sizes[k][i];
		}
	m.n_id_bytes = m.n_text_bytes = m.n_augmented_bytes = m.n_golds = count;
	m.id_bytes = sizes[0];
	m.text_bytes = sizes[1];
	m.augmented_bytes = sizes[2];
	m.golds = (uint32_t *)(uintptr_t)golds;
	return freeal__sample_batch__pack(&m, to);
}

static void packed_rows_are_checked_like_lines(void **state)
{
	(void)state;
	static const char *const rows[][3] = {
	    {"a", "one", "uno"},   {"b", "", ""},    {"", "t", ""},
	    {"c", "three", ""},	   {"d", "t", ""},   {"e", "\xff", ""},
	    {"f\xc3", "\xa9", ""}, {"a", "one", ""}, {"a", "x", ""}};
	static const uint32_t golds[] = {2, 0, 0, 0, 3, 0, 0, 0, 0};
	uint8_t body[2000];
	struct buf reply;
	uint64_t count = 0;
	struct ingest_batch *b;
	size_t size = pack(body, rows, golds, 9);
	assert_int_equal(ingest_unpack(body, size, 2, &b), ERR_OK);
	ingest_all(b, &count, &reply);
	assert_int_equal(count, 2);
	assert_non_null(strstr(buf_str(&reply), "{\"accepted\":2,\"duplicates\":1,"));
	for (int line = 1; line <= 9; line++) {
		char words[32];
		snprintf(words, sizeof words, "{\"line\":%d,", line);
		bool rejected = line != 1 && line != 4 && line != 8;
		assert_int_equal(strstr(buf_str(&reply), words) != NULL, rejected);
	}
	buf_done(&reply);

	struct store_txn *t;
	Freeal__SampleRecord *record;
	struct store_value gold;
	struct store_key key = store_key_u64(0);
	assert_int_equal(store_begin(store, false, &t), ERR_OK);
	assert_int_equal(
	    table_get(t, TABLE_SAMPLES, key, &freeal__sample_record__descriptor, &record), ERR_OK);
	assert_int_equal(record->augmented.len, 3);
	assert_memory_equal(record->augmented.data, "uno", 3);
	assert_int_equal(store_get(t, TABLE_GOLD, key.bytes, key.size, &gold), ERR_OK);
	assert_int_equal(store_key_read_u64(&gold, 0), 1);
	frame_message_free(record);
	store_abort(t);
}

/* Sent again after a part of it, or all, was committed: its rows are counted as accepted. */
static void a_batch_that_comes_again_has_the_same_reply(void **state)
{
	(void)state;
	Freeal__SampleBatch m = FREEAL__SAMPLE_BATCH__INIT;
	uint32_t ones[] = {1, 1, 1};
	uint8_t id[] = "sixteen bytes !", body[100];
	struct ingest_batch *b;
	struct store_txn *t;
	struct buf reply;
	uint64_t count = 0;
	m.data = (ProtobufCBinaryData){6, (uint8_t *)"axbycz"};
	m.id_bytes = m.text_bytes = ones;
	m.n_id_bytes = m.n_text_bytes = 3;
	m.batch_id = (ProtobufCBinaryData){16, id};
	ingest("{\"id\":\"b\",\"text\":\"y\"}", &count, &reply);
	buf_done(&reply);
	size_t size = freeal__sample_batch__pack(&m, body);
	assert_int_equal(ingest_unpack(body, size, 2, &b), ERR_OK);
	assert_int_equal(store_begin(store, true, &t), ERR_OK);
	assert_int_equal(ingest_put(t, b, 1, &count), ERR_OK);
	assert_int_equal(store_commit(t), ERR_OK);
	ingest_batch_free(b);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ingest_unpack(body, size, 2, &b), ERR_OK);
		ingest_all(b, &count, &reply);
		assert_string_equal(buf_str(&reply),
				    "{\"accepted\":2,\"duplicates\":1,\"rejected\":[]}\n");
		buf_done(&reply);
	}
	/* The same rows in another batch are duplicates. */
	id[15] = 'x';
	size = freeal__sample_batch__pack(&m, body);
	assert_int_equal(ingest_unpack(body, size, 2, &b), ERR_OK);
	ingest_all(b, &count, &reply);
	assert_string_equal(buf_str(&reply), "{\"accepted\":0,\"duplicates\":3,\"rejected\":[]}\n");
	buf_done(&reply);
	assert_int_equal(count, 3);
}

/* Cut at every length, and with columns of unequal lengths: refused, or rows that were whole. */
static void malformed_batches_are_refused(void **state)
{
	(void)state;
	static const char *const rows[][3] = {{"a", "one", "uno"}, {"b", "two", ""}};
	static const uint32_t golds[] = {1, 0};
	uint8_t body[200];
	struct ingest_batch *b;
	size_t size = pack(body, rows, golds, 2);
	assert_int_equal(ingest_unpack(body, size, 2, &b), ERR_OK);
	ingest_batch_free(b);
	for (size_t cut = 1; cut < size; cut++) {
		enum err e = ingest_unpack(body, cut, 2, &b);
		if (!e)
			ingest_batch_free(b);
		assert_true(e == ERR_INVALID || cut == size - 4);
	}
	Freeal__SampleBatch m = FREEAL__SAMPLE_BATCH__INIT;
	uint32_t sizes[] = {1, UINT32_MAX};
	m.data = (ProtobufCBinaryData){2, (uint8_t *)"ab"};
	m.id_bytes = m.text_bytes = sizes;
	for (size_t n = 0; n < 3; n++) {
		m.n_id_bytes = n;
		m.n_text_bytes = 1;
		size = freeal__sample_batch__pack(&m, body);
		enum err e = ingest_unpack(body, size, 2, &b);
		assert_int_equal(e, n == 1 ? ERR_OK : ERR_INVALID);
		if (!e)
			ingest_batch_free(b);
	}
}

/* A body of rubbish has a reply that ends. */
static void very_many_rejections_are_counted(void **state)
{
	(void)state;
	size_t lines = 100000;
	char *body = malloc(2 * lines);
	for (size_t i = 0; i < lines; i++)
		memcpy(body + 2 * i, "x\n", 2);
	struct ingest_batch *b = ingest_parse(body, 2 * lines, 2);
	struct buf reply;
	buf_init(&reply, 64 << 20);
	ingest_reply(b, &reply);
	assert_int_equal(buf_error(&reply), ERR_OK);
	assert_non_null(strstr(buf_str(&reply), "],\"rejected_more\":34464}"));
	buf_done(&reply);
	ingest_batch_free(b);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_same_lines_twice_add_nothing, store_make,
					    store_remove),
	    cmocka_unit_test_setup_teardown(an_id_keeps_its_first_text, store_make, store_remove),
	    cmocka_unit_test_setup_teardown(bad_lines_are_rejected_with_their_number, store_make,
					    store_remove),
	    cmocka_unit_test_setup_teardown(packed_rows_are_checked_like_lines, store_make,
					    store_remove),
	    cmocka_unit_test_setup_teardown(a_batch_that_comes_again_has_the_same_reply, store_make,
					    store_remove),
	    cmocka_unit_test(malformed_batches_are_refused),
	    cmocka_unit_test(very_many_rejections_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
