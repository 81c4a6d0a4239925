/* libs: llm */
#include "llm/dialect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool learn(struct dialect *d, const struct dialect *sent, const char *body,
		  const char **ret_name)
{
	return dialect_learn(d, sent, body, strlen(body), ret_name);
}

/* As servers say it. */
static void test_words_of_servers(void **state)
{
	(void)state;
	static const struct {
		const char *body, *name;
		struct dialect learned;
	} rows[] = {
	    {"{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with "
	     "this model. Use 'max_completion_tokens' "
	     "instead.\",\"type\":\"invalid_request_error\","
	     "\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}",
	     "max_tokens",
	     {.max_completion_tokens = true}},
	    {"{\"error\":{\"message\":\"Unsupported value: 'temperature' does not support 0 with "
	     "this model. Only the default (1) value is supported.\",\"param\": \"temperature\","
	     "\"code\":\"unsupported_value\"}}",
	     "temperature",
	     {.no_temperature = true}},
	    {"{\"object\":\"error\",\"message\":\"[{'type': 'extra_forbidden', 'loc': ('body', "
	     "'guided_choice'), 'msg': 'Extra inputs are not permitted'}]\",\"code\":400}",
	     "guided_choice",
	     {.no_choice = true}},
	    {"{\"error\":{\"message\":\"Unrecognized request argument supplied: "
	     "reasoning_effort\"}}",
	     "reasoning_effort",
	     {.no_effort = true}},
	    {"{\"error\":\"json_schema response format is not supported by this model\"}",
	     "json_schema",
	     {.no_response_format = true}},
	    {"{\"error\":{\"message\":\"property 'seed' is unsupported\"}}",
	     "seed",
	     {.no_seed = true}},
	    {"{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"n\"]}]}",
	     "n",
	     {.no_n = true}},
	    {"{\"error\":{\"message\":\"logprobs are not supported with reasoning models\","
	     "\"param\":null}}",
	     "logprobs",
	     {.no_logprobs = true}},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dialect d = {0}, sent = {0};
		const char *name = NULL;
		if (!learn(&d, &sent, rows[i].body, &name))
			fail_msg("not learned: %s", rows[i].body);
		assert_string_equal(name, rows[i].name);
		assert_memory_equal(&d, &rows[i].learned, sizeof d);
		/* Another request that was under way: sent again, and not said again. */
		assert_true(learn(&d, &sent, rows[i].body, &name));
		assert_null(name);
		/* One in the new dialect that is rejected all the same is not. */
		sent = d;
		assert_false(learn(&d, &sent, rows[i].body, &name));
	}
}

static void test_other_errors(void **state)
{
	(void)state;
	static const char *const bodies[] = {
	    "",
	    "{}",
	    "not allowed",
	    "{\"error\":{\"message\":\"max_tokens is too large: 9000\",\"param\":\"max_tokens\","
	    "\"code\":\"invalid_value\"}}",
	    "{\"error\":{\"message\":\"the temperature of this text is not allowed\"}}",
	    "{\"error\":{\"message\":\"unknown model\",\"param\":\"model\"}}",
	    "{\"error\":{\"message\":\"'n' unknown\",\"param\":\"messages\"}}",
	    "{\"error\":{\"message\":\"unsupported: my_max_tokens_x\"}}",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		const struct dialect none = {0};
		struct dialect d = {0};
		const char *name = NULL;
		if (learn(&d, &none, bodies[i], &name))
			fail_msg("learned %s: %s", name, bodies[i]);
		assert_memory_equal(&d, &none, sizeof d);
	}
}

/* Whatever a server rejects, it ends. */
static void test_ends(void **state)
{
	(void)state;
	static const char body[] =
	    "unsupported: max_tokens 'temperature' response_format json_schema structured_outputs "
	    "guided_choice logprobs top_logprobs reasoning_effort 'seed' 'n'\0more";
	struct dialect d = {0};
	int count = 0;
	for (const char *name; count < 100; count++) {
		struct dialect sent = d;
		if (!dialect_learn(&d, &sent, body, sizeof body, &name))
			break;
		assert_non_null(name);
	}
	assert_int_equal(count, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words_of_servers),
	    cmocka_unit_test(test_other_errors),
	    cmocka_unit_test(test_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
