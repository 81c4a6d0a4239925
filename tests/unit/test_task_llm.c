/* libs: config text base proto */
/* Endpoints, what is asked of them and what that may cost, in a task file and in its project. */
#include "config/project.h"
#include "config/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define LABELS "labels: [a, b]\n"
#define LLM "llm: {url: http://h, model: m}\n"
#define PRICED "llm: {url: http://h, model: m, usd_per_million: {in: 1, out: 2}}\n"
#define TWO                                                                                        \
	"endpoints: [{name: cheap, url: http://h/v1/, model: m, usd_per_million: {in: 0.15, out: " \
	"0.6}},\n {name: strong, url: https://s, model: n, key_env: KEY, timeout_s: 120}]\n"

static struct task *parse(const char *text)
{
	struct task *t = NULL;
	struct err_msg msg = {""};
	enum err err = task_parse("task.yaml", text, strlen(text), &t, &msg);
	assert_string_equal(msg.text, "");
	assert_int_equal(err, ERR_OK);
	return t;
}

static Freeal__Project *project_of(const char *text)
{
	struct task *t = parse(text);
	Freeal__Project *p = project_from_task(t, 1);
	assert_non_null(p);
	task_free(t);
	return p;
}

static void test_endpoints(void **state)
{
	(void)state;
	struct task *t = parse(
	    LABELS
	    "endpoints:\n"
	    "  - {name: cheap, url: http://h/v1/, model: m, concurrency: 8,\n"
	    "     requests_per_minute: 500, tokens_per_minute: 1000000000000,\n"
	    "     usd_per_million: {in: 0.15, cached: 0.075, out: 0.6}}\n"
	    "  - {name: strong, url: https://s/openai, model: n, key_file: /run/secrets/key,\n"
	    "     api_version: 2024-10-21, timeout_s: 90, usd_per_million: {in: 2.5, out: 10}}\n"
	    "llm: {endpoints: [cheap], max_tokens: 7}\n"
	    "rounds: [{}, {endpoints: [strong, cheap]}, {url: http://o, model: q, timeout_s: "
	    "5}]\n");
	assert_int_equal(t->endpoint_count, 2);
	const struct task_endpoint *cheap = &t->endpoints[0], *strong = &t->endpoints[1];
	assert_string_equal(cheap->name, "cheap");
	assert_string_equal(cheap->url, "http://h/v1");
	assert_int_equal(cheap->concurrency, 8);
	assert_int_equal(cheap->requests_per_minute, 500);
	assert_int_equal(cheap->tokens_per_minute, 1000000000000);
	assert_true(cheap->priced && cheap->usd_per_million_cached == 0.075);
	assert_true(strong->usd_per_million_cached == 2.5);
	assert_string_equal(strong->key_file, "/run/secrets/key");
	assert_null(strong->key_env);
	assert_string_equal(strong->api_version, "2024-10-21");
	assert_true(cheap->timeout_s == 60 && strong->timeout_s == 90);
	assert_int_equal(t->rounds[0].llm.endpoints.count, 1);
	assert_int_equal(t->rounds[1].llm.endpoints.count, 2);
	assert_string_equal(t->rounds[1].llm.endpoints.items[0], "strong");
	assert_int_equal(t->rounds[1].llm.max_tokens, 7);
	assert_int_equal(t->rounds[2].llm.endpoints.count, 0);
	assert_string_equal(t->rounds[2].llm.own.model, "q");
	assert_int_equal(t->rounds[2].llm.max_tokens, 7);

	Freeal__Project *p = project_from_task(t, 1);
	task_free(t);
	assert_int_equal(p->n_endpoints, 3);
	assert_string_equal(p->endpoints[1]->name, "strong");
	assert_string_equal(p->endpoints[2]->name, "q at o");
	assert_int_equal(p->endpoints[0]->nano_usd_per_million_in, 150000000);
	assert_int_equal(p->endpoints[0]->nano_usd_per_million_cached, 75000000);
	assert_int_equal(p->endpoints[1]->nano_usd_per_million_cached, 2500000000);
	assert_int_equal(p->endpoints[2]->timeout_ms, 5000);
	assert_int_equal(p->rounds[1]->llm->n_endpoints, 2);
	assert_int_equal(p->rounds[1]->llm->endpoints[0], 1);
	assert_int_equal(p->rounds[1]->llm->endpoints[1], 0);
	assert_int_equal(p->rounds[2]->llm->endpoints[0], 2);
	freeal__project__free_unpacked(p, NULL);
}

static void test_round_replaces(void **state)
{
	(void)state;
	/* Names take the place of url and model, with all that belongs to them. */
	struct task *t = parse(
	    LABELS TWO "llm: {url: http://o, model: q, key_env: K, samples: 3, temperature: 1, "
		       "usd_per_million: {in: 1, out: 2}}\n"
		       "rounds: [{}, {endpoints: [strong]}, {model: r}, {key_file: /k},\n"
		       "  {usd_per_million: {in: 3, out: 4}}, {key_env: \"\"}]\n");
	const struct task_round *r = t->rounds;
	assert_string_equal(r[0].llm.own.key_env, "K");
	assert_null(r[1].llm.own.url);
	assert_null(r[1].llm.own.key_env);
	assert_int_equal(r[1].llm.samples, 3);
	/* Another model has another price. */
	assert_string_equal(r[2].llm.own.key_env, "K");
	assert_false(r[2].llm.own.priced);
	assert_true(r[2].llm.own.usd_per_million_in == 0);
	assert_null(r[3].llm.own.key_env);
	assert_string_equal(r[3].llm.own.key_file, "/k");
	assert_true(r[3].llm.own.priced && r[4].llm.own.usd_per_million_cached == 3);
	assert_null(r[5].llm.own.key_env);
	task_free(t);
}

static void test_asks(void **state)
{
	(void)state;
	Freeal__Project *p = project_of(
	    LABELS
	    "llm: {url: http://h, model: m, answers: json, logprobs: true, candidates: on,\n"
	    "  attempts: 3, effort: low, reasoning_tokens: 500}\n"
	    "rounds: [{}, {reasoning: yes, answers: text, logprobs: off, samples: 40, \n"
	    "  temperature: 0.7, effort: \"\", batch_api: true}, {batch: 50, logprobs: false,\n"
	    "  candidates: false}]\n");
	const Freeal__Llm *l = p->rounds[0]->llm;
	assert_int_equal(l->form, FREEAL__ANSWER_FORM__JSON_SCHEMA);
	assert_true(l->logprobs && l->candidates && !l->reasoning && !l->batch_api);
	assert_int_equal(l->attempts_max, 3);
	assert_int_equal(l->samples, 1);
	assert_int_equal(l->batch, 1);
	assert_int_equal(l->reasoning_tokens, 500);
	assert_string_equal(l->effort, "low");
	l = p->rounds[1]->llm;
	assert_int_equal(l->form, FREEAL__ANSWER_FORM__PLAIN_TEXT);
	assert_true(!l->logprobs && l->candidates && l->reasoning && l->batch_api);
	assert_int_equal(l->samples, 40);
	assert_string_equal(l->effort, "");
	assert_int_equal(p->rounds[2]->llm->batch, 50);
	freeal__project__free_unpacked(p, NULL);
}

static void test_budget(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t nano_usd;
	} cases[] = {
	    {"0.15", 150000000},	 {"12", 12000000000},
	    {"0.000000001", 1},		 {"1000000000", 1000000000000000000},
	    {"4.123456789", 4123456789}, {".5", 500000000},
	    {"8.", 8000000000},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[200];
		snprintf(text, sizeof text, LABELS PRICED "budget: {usd: %s}\n", cases[i].text);
		struct task *t = parse(text);
		assert_int_equal(t->budget.nano_usd, cases[i].nano_usd);
		assert_int_equal(t->budget.tokens + t->budget.requests, 0);
		task_free(t);
	}
	struct task *t = parse(LABELS LLM "budget: {tokens: 1000000000000, requests: 5}\n");
	assert_int_equal(t->budget.tokens, 1000000000000);
	assert_int_equal(t->budget.requests, 5);
	assert_int_equal(t->budget.nano_usd, 0);
	task_free(t);
}

static void test_cache_and_prompt(void **state)
{
	(void)state;
	struct task *t = parse(LABELS LLM);
	assert_true(t->cache);
	assert_int_equal(t->cache_bytes_max, 256u << 20);
	assert_null(t->prompt.system);
	Freeal__Project *p = project_from_task(t, 1);
	assert_true(p->cache && !p->prompt && !p->embeddings && !p->augment);
	freeal__project__free_unpacked(p, NULL);
	task_free(t);

	t = parse(LABELS LLM "cache: off\nprompt:\n  user: \"<{text}>\"\n  system: |\n    Hello\n");
	assert_false(t->cache);
	assert_string_equal(t->prompt.user, "<{text}>");
	assert_string_equal(t->prompt.system, "Hello");
	p = project_from_task(t, 1);
	assert_false(p->cache);
	assert_string_equal(p->prompt->user, "<{text}>");
	assert_string_equal(p->prompt->generate_user, "");
	freeal__project__free_unpacked(p, NULL);
	task_free(t);

	t = parse(LABELS LLM "cache: {mib: 3}\n");
	assert_true(t->cache && t->cache_bytes_max == 3u << 20);
	task_free(t);
}

static void test_embeddings_and_augment(void **state)
{
	(void)state;
	Freeal__Project *p = project_of(
	    LABELS TWO "llm: {endpoints: [strong], answers: json, batch: 5, reasoning: true}\n"
		       "embeddings: {url: http://e/v1, model: small, key_env: K, dimensions: 256,\n"
		       "  requests_per_minute: 9, usd_per_million: {in: 0.02}}\n"
		       "augment: {language: French, endpoints: [cheap]}\n");
	assert_string_equal(p->embeddings->endpoint->model, "small");
	assert_int_equal(p->embeddings->endpoint->requests_per_minute, 9);
	assert_int_equal(p->embeddings->endpoint->nano_usd_per_million_in, 20000000);
	assert_int_equal(p->embeddings->dimensions, 256);
	assert_int_equal(p->embeddings->batch, 64);
	assert_string_equal(p->augment->language, "French");
	assert_int_equal(p->augment->llm->n_endpoints, 1);
	assert_string_equal(p->endpoints[p->augment->llm->endpoints[0]]->name, "cheap");
	/* What is about labels has no place in it. */
	assert_int_equal(p->augment->llm->form, FREEAL__ANSWER_FORM__PLAIN_TEXT);
	assert_int_equal(p->augment->llm->batch, 1);
	assert_false(p->augment->llm->reasoning);
	assert_int_equal(p->augment->llm->max_tokens, 1000);
	freeal__project__free_unpacked(p, NULL);

	p = project_of(LABELS LLM "augment: paraphrase\n");
	assert_string_equal(p->augment->language, "");
	assert_int_equal(p->n_endpoints, 1);
	freeal__project__free_unpacked(p, NULL);
	p = project_of(LABELS LLM "augment: off\n");
	assert_null(p->augment);
	freeal__project__free_unpacked(p, NULL);
}

struct failure {
	const char *text;
	const char *message; /* its beginning, after "task.yaml:" */
};

static void fail_all(const struct failure *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct task *t;
		struct err_msg msg = {""};
		char expected[400];
		snprintf(expected, sizeof expected, "task.yaml:%s", cases[i].message);
		enum err err =
		    task_parse("task.yaml", cases[i].text, strlen(cases[i].text), &t, &msg);
		assert_int_equal(err, ERR_INVALID);
		if (strncmp(msg.text, expected, strlen(expected)) != 0)
			assert_string_equal(msg.text, expected);
		assert_null(strstr(msg.text, "sk-"));
	}
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void test_endpoint_errors(void **state)
{
	(void)state;
	static const struct failure cases[] = {
	    {LABELS "endpoints: []\n" LLM, "2: 0 endpoints; there must be between 1 and 64"},
	    {LABELS "endpoints: {a: b}\n" LLM, "2: \"endpoints\" is a mapping; it must be a list"},
	    {LABELS "endpoints:\n - {url: http://h, model: m}\n" LLM,
	     "3: an endpoint has no \"name\"; give it one"},
	    {LABELS "endpoints:\n - {name: \"\", url: http://h, model: m}\n" LLM,
	     "3: an endpoint's name is empty"},
	    {LABELS "endpoints:\n - {name: x, model: m}\n" LLM,
	     "3: an endpoint has no \"url\"; give the address"},
	    {LABELS "endpoints:\n - {name: x, url: http://h}\n" LLM,
	     "3: an endpoint has no \"model\""},
	    {LABELS "endpoints:\n - {name: x, url: http://h, model: m}\n"
		    " - {name: x, url: http://i, model: m}\n" LLM,
	     "4: two endpoints are called \"x\"; rename one"},
	    {LABELS "endpoints:\n - {name: x, url: http://h, model: m, temperature: 1}\n" LLM,
	     "3: unknown key \"temperature\" in an endpoint; it may have: name, url, model, "},
	    {LABELS "endpoints:\n - {name: x, url: http://h, model: m,\n   api_key: sk-1}\n" LLM,
	     "4: \"api_key\": a key must not stand in a task file, "},
	    {LABELS "endpoints:\n - {name: x, url: http://h, model: m, key_env: a, key_file: /b}\n",
	     "3: \"key_env\" and \"key_file\" stand together; keep one"},
	    {LABELS "llm: {url: http://h, model: m, key_file: sk-1}\n",
	     "2: \"key_file\" must be the absolute path"},
	    {LABELS "llm: {url: http://h, model: m, key_env: sk-1}\n",
	     "2: \"key_env\" must be the name of an environment variable"},
	    {LABELS "llm: {url: http://me:sk-1@h/v1, model: m}\n",
	     "2: \"url\" has a user or password before its host; remove them"},
	    {LABELS "llm: {url: \"http://h/v1?key=sk-1\", model: m}\n",
	     "2: \"url\" has a \"?\" or \"#\"; it ends before /chat/completions"},
	    {LABELS "llm: {url: http://h/v1/chat/completions/, model: m}\n",
	     "2: \"url\" ends in /chat/completions; leave that away"},
	    {LABELS "llm: {url: http://h, model: m, api_version: \"a&b\"}\n",
	     "2: \"api_version\" must be one such as 2024-10-21"},
	    {LABELS "llm: {url: http://h, model: m, requests_per_minute: 0}\n",
	     "2: \"requests_per_minute\" is 0; it must be between 1 and"},
	    {LABELS "llm: {url: http://h, model: m, tokens_per_minute: 1.5}\n",
	     "2: \"tokens_per_minute\" is 1.5; it must be a whole number"},
	    {LABELS "llm: {url: http://h, model: m, timeout_s: 7200}\n",
	     "2: \"timeout_s\" is 7200; it must be between 0.1 and 3600"},
	    {LABELS "llm: {url: http://h, model: m, usd_per_million: {in: 1}}\n",
	     "2: \"usd_per_million\" has no \"out\"; give the price of a million tokens of"},
	    {LABELS "llm: {url: http://h, model: m, usd_per_million: {out: 1}}\n",
	     "2: \"usd_per_million\" has no \"in\"; give the price of a million prompt tokens"},
	    {LABELS TWO "llm: {endpoints: [cheap], model: m}\n",
	     "4: \"llm\" has both \"endpoints\" and \"model\"; put \"model\" to the endpoints, "},
	    {LABELS TWO "llm: {endpoints: [cheap], concurrency: 3}\n",
	     "4: \"llm\" has both \"endpoints\" and \"concurrency\"; "},
	    {LABELS TWO "llm:\n  endpoints: [cheap, dear]\n",
	     "5: there is no endpoint \"dear\"; there are: cheap, strong"},
	    {LABELS "llm: {endpoints: [cheap]}\n",
	     "2: there is no endpoint \"cheap\"; list it under \"endpoints\""},
	    {LABELS TWO "llm: {endpoints: [cheap, cheap]}\n",
	     "4: the endpoint \"cheap\" is listed twice"},
	    {LABELS TWO "llm: {endpoints: []}\n", "4: \"endpoints\" is empty; name one at least"},
	    {LABELS TWO "llm: {endpoints: cheap}\n", "4: \"endpoints\" is a single value; it must"},
	    {LABELS TWO "llm: {}\n", "4: \"llm\" has no \"url\"; give the address"},
	    {LABELS TWO "llm: {endpoints: [cheap]}\nrounds:\n - {}\n - {model: n}\n",
	     "7: a round has \"model\", but \"llm\" asks endpoints by name; give both url and "},
	    {LABELS TWO LLM "rounds:\n - {}\n - {endpoints: [x]}\n",
	     "7: there is no endpoint \"x\"; there are: cheap, strong"},
	};
	fail_all(cases, COUNT(cases));
}

#define ASK(keys) LABELS "llm: {url: http://h, model: m, " keys "}\n"

static void test_ask_errors(void **state)
{
	(void)state;
	static const struct failure cases[] = {
	    {ASK("answers: xml"), "2: \"answers\" must be one of: text, json, choice"},
	    {ASK("logprobs: 1"), "2: \"logprobs\" must be true or false"},
	    {ASK("logprobs: \"true\""), "2: \"logprobs\" must be true or false"},
	    {ASK("samples: 0"), "2: \"samples\" is 0; it must be between 1 and 40"},
	    {ASK("samples: 41"), "2: \"samples\" is 41; it must be between 1 and 40"},
	    {ASK("batch: 51"), "2: \"batch\" is 51; it must be between 1 and 50"},
	    {ASK("reasoning_tokens: 0"), "2: \"reasoning_tokens\" is 0; it must be between 1"},
	    {ASK("effort: \"a b\""), "2: \"effort\" must be a word such as low, medium or high"},
	    {ASK("batch: 2, samples: 2, temperature: 1"), "2: \"batch\" and \"samples\" above 1: "},
	    {ASK("batch: 2, logprobs: true"), "2: \"logprobs\" needs a request of its own"},
	    {ASK("batch: 2, answers: choice"), "2: \"answers: choice\" lets the LLM say one "},
	    {ASK("candidates: true, answers: choice"), "2: \"answers: choice\" lets the LLM say "},
	    {ASK("reasoning: true, answers: choice"), "2: \"answers: choice\" lets the LLM say "},
	    {ASK("samples: 2"), "2: \"samples\" above 1 at temperature 0 is the same answer again"},
	    /* A round is checked with what it takes over. */
	    {ASK("batch: 2") "rounds:\n - {}\n - {logprobs: true}\n",
	     "5: \"logprobs\" needs a request of its own for each sample"},
	    {LABELS LLM "budget: {}\n", "3: \"budget\" is empty; give usd, tokens or requests"},
	    {LABELS PRICED "budget: {usd: 0}\n", "3: \"usd\" is 0; it must be above 0"},
	    {LABELS PRICED "budget: {usd: 1.0000000001}\n", "3: \"usd\" is 1.0000000001; it may"},
	    {LABELS PRICED "budget: {usd: 1e3}\n", "3: \"usd\" must be a decimal number, such as"},
	    {LABELS PRICED "budget: {usd: -1}\n", "3: \"usd\" must be a decimal number, such as"},
	    {LABELS PRICED "budget: {usd: .}\n", "3: \"usd\" must be a decimal number, such as"},
	    {LABELS PRICED "budget: {usd: 12345678901}\n", "3: \"usd\" is 12345678901; it may"},
	    {LABELS PRICED "budget: {usd: 1000000000.1}\n", "3: \"usd\" is 1000000000.1; it must"},
	    {LABELS PRICED "budget: {tokens: 0}\n", "3: \"tokens\" is 0; it must be between 1"},
	    {LABELS PRICED "budget: 5\n", "3: \"budget\" is a single value; it must be a mapping"},
	    {LABELS LLM "budget: {usd: 1}\n", "3: \"usd\" can't be kept without the price of m; "},
	    {LABELS PRICED "rounds: [{}, {model: n}]\nbudget: {usd: 1}\n",
	     "4: \"usd\" can't be kept without the price of n; give its usd_per_million"},
	    {LABELS TWO "llm: {endpoints: [cheap]}\nrounds: [{}, {endpoints: [strong]}]\n"
			"budget: {usd: 1}\n",
	     "6: \"usd\" can't be kept without the price of strong; "},
	    {LABELS PRICED "budget: {usd: 1}\nembeddings: {url: http://h, model: e}\n",
	     "3: \"usd\" can't be kept without the price of e; "},
	    {LABELS PRICED "budget: {usd: 1}\naugment: {model: e}\n",
	     "3: \"usd\" can't be kept without the price of e; "},
	    {LABELS LLM "cache: maybe\n", "3: \"cache\" must be true or false"},
	    {LABELS LLM "cache: {mib: 0}\n", "3: \"mib\" is 0; it must be between 1 and 1048576"},
	    {LABELS LLM "cache: {}\n", "3: \"cache\" has no \"mib\"; or say off"},
	    {LABELS LLM "prompt: {user: \" \"}\n", "3: \"user\" is empty; remove it for freeal's"},
	    {LABELS LLM "prompt:\n  system: hi\n  user: \"{txt}\"\n",
	     "5: \"user\": there is no placeholder {txt} here, but {text}, {description}"},
	    {LABELS LLM "prompt: {users: x}\n", "3: unknown key \"users\" in \"prompt\"; it may"},
	    {LABELS LLM "embeddings: {model: m}\n", "3: \"embeddings\" has no \"url\"; give"},
	    {LABELS LLM "embeddings: {url: http://h, model: m, dimensions: 1}\n",
	     "3: \"dimensions\" is 1; it must be between 2 and 65536"},
	    {LABELS LLM "embeddings: {url: http://h, model: m, usd_per_million: {out: 1}}\n",
	     "3: unknown key \"out\" in \"usd_per_million\"; it may have: in"},
	    {LABELS LLM "augment: yes\n", "3: \"augment\" must be paraphrase, off, or a mapping"},
	    {LABELS LLM "augment: {language: \"\"}\n", "3: \"language\" is empty or has line"},
	    {LABELS LLM "augment: {samples: 2}\n",
	     "3: unknown key \"samples\" in \"augment\"; it "},
	};
	fail_all(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_endpoints),
	    cmocka_unit_test(test_round_replaces),
	    cmocka_unit_test(test_asks),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_cache_and_prompt),
	    cmocka_unit_test(test_embeddings_and_augment),
	    cmocka_unit_test(test_endpoint_errors),
	    cmocka_unit_test(test_ask_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
