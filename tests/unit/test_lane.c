/* libs: freeal-annotator-lib */
/* What people are told of an endpoint that takes no requests. */
#include "annotator/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void blocked(char *key_env, char *key_file, const char *reason, const char *words)
{
	Freeal__Endpoint e = FREEAL__ENDPOINT__INIT;
	/* Some servers repeat the key that they refuse. */
	struct reply_error error = {"", "wrong key: sk-hidden"};
	struct lane *l;
	e.url = "http://h/v1";
	e.model = "m";
	e.key_env = key_env;
	e.key_file = key_file;
	assert_int_equal(lane_new(&e, 4, 1000, 1, &l), ERR_OK);
	lane_blocked_write(l, reason, 401, *key_env ? &error : &(struct reply_error){"", ""}, "");
	if (!strstr(l->blocked, words))
		assert_string_equal(l->blocked, words);
	assert_null(strstr(l->blocked, "sk-hidden"));
	lane_free(l);
}

static void test_keys(void **state)
{
	(void)state;
	setenv("TEST_LANE_KEY", "sk-hidden", 1);
	blocked("TEST_LANE_KEY", "", "no_key", "no key: set TEST_LANE_KEY");
	blocked("", "/run/secrets/key", "no_key", "no key in /run/secrets/key");
	blocked("", "", "no_key", "no key: set llm.key_env");
	blocked("TEST_LANE_KEY", "", "key_refused", "the key in TEST_LANE_KEY was refused");
	blocked("", "/run/secrets/key", "key_refused", "the key in /run/secrets/key was refused");
	blocked("", "", "key_refused", "a key is wanted: set llm.key_env");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
