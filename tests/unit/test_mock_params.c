/* libs: freeal-mockllm-lib */
/* The parameters of a request, and prompts that were seen before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mockllm/params.h"
#include "mockllm/prefixes.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The caller drops `*ret_root`. */
static enum err parse(struct params *p, const char *json, const char **ret_name, json_t **ret_root)
{
	struct err_msg msg = {""};
	*ret_root = json_loads(json, 0, NULL);
	assert_non_null(*ret_root);
	return params_parse(p, *ret_root, ret_name, &msg);
}

static void test_all(void **state)
{
	(void)state;
	struct params p;
	const char *name = NULL;
	json_t *root;
	assert_int_equal(parse(&p, "{\"other\":[1],\"n\":null}", &name, &root), ERR_OK);
	assert_int_equal(p.choices, 1);
	assert_int_equal(p.tokens_max, 0);
	assert_int_equal(p.format, PARAMS_TEXT);
	assert_true(p.temperature == 1);
	json_decref(root);
	assert_int_equal(parse(&p,
			       "{\"max_tokens\":5,\"max_completion_tokens\":7,\"n\":3,\"seed\":-1,"
			       "\"stop\":[\"a\",\"b\"],\"logprobs\":true,\"top_logprobs\":20,"
			       "\"reasoning_effort\":\"medium\",\"stream\":true,"
			       "\"stream_options\":{\"include_usage\":true},\"temperature\":0.5,"
			       "\"response_format\":{\"type\":\"json_object\"}}",
			       &name, &root),
			 ERR_OK);
	assert_int_equal(p.tokens_max, 7);
	assert_int_equal(p.choices, 3);
	assert_int_equal(p.stop_count, 2);
	assert_true(p.logprobs && p.stream && p.stream_usage);
	assert_int_equal(p.top_logprobs, 20);
	assert_int_equal(p.reasoning_tokens, 16);
	assert_int_equal(p.format, PARAMS_OBJECT);
	json_decref(root);
	static const struct {
		const char *json;
		enum params_format format;
	} formats[] = {
	    {"{\"guided_choice\":[\"a\"]}", PARAMS_CHOICE},
	    {"{\"structured_outputs\":{\"choice\":[\"a\"]}}", PARAMS_CHOICE},
	    {"{\"structured_outputs\":{\"json\":{}}}", PARAMS_SCHEMA},
	    {"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{}}}}",
	     PARAMS_SCHEMA},
	    {"{\"response_format\":{\"type\":\"text\"}}", PARAMS_TEXT},
	};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		assert_int_equal(parse(&p, formats[i].json, &name, &root), ERR_OK);
		assert_int_equal(p.format, formats[i].format);
		json_decref(root);
	}
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *name;
	} cases[] = {
	    {"{\"max_tokens\":0}", "max_tokens"},
	    {"{\"max_completion_tokens\":\"9\"}", "max_completion_tokens"},
	    {"{\"n\":0}", "n"},
	    {"{\"n\":129}", "n"},
	    {"{\"temperature\":2.1}", "temperature"},
	    {"{\"logprobs\":1}", "logprobs"},
	    {"{\"top_logprobs\":1}", "top_logprobs"},
	    {"{\"logprobs\":true,\"top_logprobs\":21}", "top_logprobs"},
	    {"{\"stop\":[1]}", "stop"},
	    {"{\"stop\":\"\"}", "stop"},
	    {"{\"seed\":1.5}", "seed"},
	    {"{\"reasoning_effort\":\"much\"}", "reasoning_effort"},
	    {"{\"response_format\":{}}", "response_format"},
	    {"{\"response_format\":{\"type\":\"json_schema\"}}", "response_format"},
	    {"{\"response_format\":{\"type\":\"grammar\"}}", "response_format"},
	    {"{\"guided_choice\":[]}", "guided_choice"},
	    {"{\"guided_choice\":[1]}", "guided_choice"},
	    {"{\"structured_outputs\":{\"regex\":\"x\"}}", "structured_outputs"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct params p;
		const char *name = NULL;
		json_t *root;
		assert_int_equal(parse(&p, cases[i].json, &name, &root), ERR_INVALID);
		assert_string_equal(name, cases[i].name);
		json_decref(root);
	}
}

static void test_find(void **state)
{
	(void)state;
	json_t *body = json_pack("{s:i,s:i}", "seed", 1, "n", 1);
	struct chat_text found = params_find(body, "logprobs,n,seed");
	assert_int_equal(found.size, 1);
	assert_memory_equal(found.data, "n", 1);
	assert_int_equal(params_find(body, "see,,logprobs").size, 0);
	assert_int_equal(params_find(body, "").size, 0);
	json_decref(body);
}

static void test_draws(void **state)
{
	(void)state;
	struct params p = {.temperature = 1};
	assert_int_equal(params_draw(&p, 0), 0);
	assert_int_equal(params_draw(&p, 3), 3);
	p.seed = json_integer(4);
	uint64_t with_seed = params_draw(&p, 3);
	assert_true(with_seed != 3 && with_seed != params_draw(&p, 0));
	p.temperature = 0;
	assert_int_equal(params_draw(&p, 3), 0);
	json_decref((json_t *)p.seed);
}

static uint64_t seen(struct prefixes *known, const char *model, char fill, size_t size,
		     const char *text)
{
	char *system = malloc(size + 1);
	assert_non_null(system);
	memset(system, fill, size);
	system[size] = '\0';
	json_t *root =
	    json_pack("{s:s,s:[{s:s,s:s},{s:s,s:s}]}", "model", model, "messages", "role", "system",
		      "content", system, "role", "user", "content", text);
	char *body = json_dumps(root, 0);
	struct chat_request r = {0};
	struct prefix_steps steps;
	struct err_msg msg = {""};
	assert_int_equal(chat_request_parse(&r, body, strlen(body), NULL, &msg), ERR_OK);
	prefix_steps_find(&steps, &r);
	chat_request_done(&r);
	json_decref(root);
	free(body);
	free(system);
	return prefixes_seen(known, &steps);
}

static void test_prefixes(void **state)
{
	(void)state;
	struct prefixes *known = calloc(1, sizeof(*known));
	assert_non_null(known);
	assert_int_equal(seen(known, "m", 'a', 6000, "one"), 0);
	assert_int_equal(seen(known, "m", 'a', 6000, "two"), 1408); /* 11 steps of 512 bytes */
	assert_int_equal(seen(known, "m", 'a', 6000, "one"), 1408);
	assert_int_equal(seen(known, "m", 'a', 4700, "x"),
			 1152);				       /* a shorter one is its beginning */
	assert_int_equal(seen(known, "m", 'a', 4000, "x"), 0); /* less than 1,024 tokens */
	assert_int_equal(seen(known, "other", 'a', 6000, "one"), 0);
	assert_int_equal(seen(known, "m", 'b', 6000, "one"), 0);
	assert_int_equal(seen(known, "m", 'c', 4 << 20, "one"), 0);
	assert_int_equal(seen(known, "m", 'c', 4 << 20, "two"),
			 PREFIXES_STEPS_MAX * PREFIXES_STEP_TOKENS);
	free(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all),	     cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_find),     cmocka_unit_test(test_draws),
	    cmocka_unit_test(test_prefixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
