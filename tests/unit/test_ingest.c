/* libs: freeal-coordinator-lib */
/* New samples: what is accepted, what is a duplicate, what is rejected and why. */
#include "coordinator/ingest.h"
#include "coordinator/tables.h"

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

/* Parses and commits a body; the reply's JSON. */
static void ingest(const char *body, uint64_t *count, struct buf *reply)
{
	struct store_txn *t;
	struct ingest_batch *b = ingest_parse(body, strlen(body), 2);
	assert_non_null(b);
	assert_int_equal(store_begin(store, true, &t), ERR_OK);
	assert_int_equal(ingest_put(t, b, count), ERR_OK);
	assert_int_equal(store_commit(t), ERR_OK);
	buf_init(reply, 1 << 20);
	ingest_reply(b, reply);
	ingest_batch_free(b);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_same_lines_twice_add_nothing, store_make,
					    store_remove),
	    cmocka_unit_test_setup_teardown(an_id_keeps_its_first_text, store_make, store_remove),
	    cmocka_unit_test_setup_teardown(bad_lines_are_rejected_with_their_number, store_make,
					    store_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
