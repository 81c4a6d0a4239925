/* libs: llm */
/* Keys from the environment or a file, and the URLs that they are sent to. */
#include "llm/api_key.h"
#include "llm/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VARIABLE "FREEAL_TEST_API_KEY"

static void a_variable_holds_the_key(void **state)
{
	(void)state;
	char line[API_KEY_LINE_BYTES];
	setenv(VARIABLE, "sesame", 1);
	assert_int_equal(api_key_line(VARIABLE, NULL, false, line), ERR_OK);
	assert_string_equal(line, "Authorization: Bearer sesame");
	assert_int_equal(api_key_line(VARIABLE, "", true, line), ERR_OK);
	assert_string_equal(line, "api-key: sesame");
	static const char *const bad[] = {"", "two words", "line\nfeed", "x\x7f"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setenv(VARIABLE, bad[i], 1);
		assert_int_equal(api_key_line(VARIABLE, NULL, false, line), ERR_NOT_FOUND);
	}
	unsetenv(VARIABLE);
	assert_int_equal(api_key_line(VARIABLE, NULL, false, line), ERR_NOT_FOUND);
	char *longest = malloc(API_KEY_BYTES_MAX + 2);
	memset(longest, 'k', API_KEY_BYTES_MAX + 1);
	longest[API_KEY_BYTES_MAX + 1] = '\0';
	setenv(VARIABLE, longest, 1);
	assert_int_equal(api_key_line(VARIABLE, NULL, false, line), ERR_NOT_FOUND);
	setenv(VARIABLE, longest + 1, 1);
	assert_int_equal(api_key_line(VARIABLE, NULL, false, line), ERR_OK);
	free(longest);
}

static void a_files_first_line_is_the_key(void **state)
{
	(void)state;
	char path[] = "/tmp/freeal-test-XXXXXX", line[API_KEY_LINE_BYTES];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(api_key_line(NULL, path, false, line), ERR_NOT_FOUND);
	assert_int_equal(write(fd, "sesame\r\nmore\n", 13), 13);
	assert_int_equal(close(fd), 0);
	assert_int_equal(api_key_line("", path, false, line), ERR_OK);
	assert_string_equal(line, "Authorization: Bearer sesame");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(api_key_line("", path, false, line), ERR_NOT_FOUND);
}

static void urls_are_openais_or_azures(void **state)
{
	(void)state;
	char url[128];
	Freeal__Endpoint e = FREEAL__ENDPOINT__INIT;
	e.url = "http://h/v1";
	e.model = "m";
	assert_int_equal(client_url_write(&e, "/chat/completions", url, sizeof url), ERR_OK);
	assert_string_equal(url, "http://h/v1/chat/completions");
	e.api_version = "2024-10-21";
	e.url = "https://x.openai.azure.com";
	assert_int_equal(client_url_write(&e, "/chat/completions", url, sizeof url), ERR_OK);
	assert_string_equal(url, "https://x.openai.azure.com/openai/deployments/m/chat/completions"
				 "?api-version=2024-10-21");
	e.url = "https://x/openai/deployments/d";
	assert_int_equal(client_url_write(&e, "/embeddings", url, sizeof url), ERR_OK);
	assert_string_equal(url,
			    "https://x/openai/deployments/d/embeddings?api-version=2024-10-21");
	assert_int_equal(client_url_write(&e, "/embeddings", url, strlen(url)), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_variable_holds_the_key),
	    cmocka_unit_test(a_files_first_line_is_the_key),
	    cmocka_unit_test(urls_are_openais_or_azures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
