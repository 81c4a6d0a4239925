/* libs: config text base */
/* The task file: keys, defaults, rounds, and the message of everything that can be wrong. */
#include "config/task.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct task *parse(const char *text)
{
	struct task *t = NULL;
	struct err_msg msg = {""};
	enum err err = task_parse("task.yaml", text, strlen(text), &t, &msg);
	assert_string_equal(msg.text, "");
	assert_int_equal(err, ERR_OK);
	return t;
}

static void test_all_keys(void **state)
{
	(void)state;
	struct task *t = parse(
	    "task: movie-reviews\n"
	    "description: Say whether the reviewer liked the film.\n"
	    "labels:\n"
	    "  - {name: negative, description: the reviewer did not like it, aliases: [neg]}\n"
	    "  - {name: positive, keywords: [wonderful, moving], examples: [\"a film: good\"]}\n"
	    "input: {text: text, id: id, gold: label, augmented: back_translation}   # columns\n"
	    "llm: {url: https://api.openai.com/v1/, model: gpt-4o-mini, key_env: OPENAI_API_KEY,\n"
	    "      temperature: 0.5, max_tokens: 30, timeout_s: 2.5, concurrency: 7, retries: 1,\n"
	    "      usd_per_million: {in: 0.15, out: 0.6}}\n"
	    "model: {type: ngram, recipe: paper, folds: 4, epochs: 9}\n"
	    "rounds:\n"
	    "  - {shots: 8}\n"
	    "  - {relabel: 0.3, model: gpt-4o, key_env: \"\", usd_per_million: {in: 5, out: 9}}\n"
	    "pool: 50\n"
	    "generate: {demonstrations: 40, style_samples: 4}\n"
	    "seed: 7\n");
	assert_string_equal(t->name, "movie-reviews");
	assert_string_equal(t->description, "Say whether the reviewer liked the film.");
	assert_int_equal(t->label_count, 2);
	assert_string_equal(t->labels[0].name, "negative");
	assert_string_equal(t->labels[0].description, "the reviewer did not like it");
	assert_int_equal(t->labels[0].aliases.count, 1);
	assert_string_equal(t->labels[0].aliases.items[0], "neg");
	assert_string_equal(t->labels[1].description, "");
	assert_string_equal(t->labels[1].keywords.items[1], "moving");
	assert_string_equal(t->labels[1].examples.items[0], "a film: good");
	assert_string_equal(t->input.gold, "label");
	assert_string_equal(t->input.augmented, "back_translation");
	assert_string_equal(t->llm.own.url, "https://api.openai.com/v1");
	assert_int_equal(t->llm.own.concurrency, 7);
	assert_true(t->llm.own.timeout_s == 2.5 && t->llm.own.usd_per_million_out == 0.6);
	assert_int_equal(t->model.recipe, TASK_RECIPE_PAPER);
	assert_int_equal(t->model.folds, 4);
	assert_int_equal(t->model.epochs, 9);
	assert_false(t->early_stop);
	assert_int_equal(t->round_count, 2);
	assert_int_equal(t->rounds[0].shots, 8);
	assert_true(t->rounds[0].relabel == 1.0);
	assert_string_equal(t->rounds[0].llm.own.model, "gpt-4o-mini");
	assert_string_equal(t->rounds[0].llm.own.key_env, "OPENAI_API_KEY");
	assert_int_equal(t->rounds[1].shots, 10);
	assert_true(t->rounds[1].relabel == 0.3);
	assert_string_equal(t->rounds[1].llm.own.model, "gpt-4o");
	assert_string_equal(t->rounds[1].llm.own.url, "https://api.openai.com/v1");
	assert_null(t->rounds[1].llm.own.key_env);
	assert_true(t->rounds[1].llm.own.usd_per_million_in == 5);
	assert_true(t->rounds[1].llm.own.usd_per_million_out == 9);
	assert_int_equal(t->rounds[1].llm.max_tokens, 30);
	assert_int_equal(t->pool, 50);
	assert_int_equal(t->generate.demonstrations, 40);
	assert_int_equal(t->generate.style_samples, 4);
	assert_int_equal(t->seed, 7);
	struct source_columns columns = task_columns(t);
	assert_string_equal(columns.id, "id");
	const char **names = task_label_names(t);
	assert_string_equal(names[1], "positive");
	free(names);
	task_free(t);
}

static void test_defaults(void **state)
{
	(void)state;
	/* The order of the keys is of no matter; labels may be names alone. */
	struct task *t = parse("rounds: 3\nllm: {model: m, url: http://localhost:8080}\n"
			       "input: {text: 1}\nlabels: [a, b, 7]\n");
	assert_string_equal(t->name, "task");
	assert_string_equal(t->description, "");
	assert_int_equal(t->label_count, 3);
	assert_string_equal(t->labels[2].name, "7");
	assert_string_equal(t->input.text, "1");
	assert_null(t->input.id);
	assert_null(t->llm.own.key_env);
	assert_int_equal(t->llm.max_tokens, 20);
	assert_true(t->llm.temperature == 0);
	assert_int_equal(t->model.type, TASK_MODEL_NGRAM);
	assert_int_equal(t->model.recipe, TASK_RECIPE_DEFAULT);
	assert_int_equal(t->model.folds, 5);
	assert_int_equal(t->pool, 100);
	assert_int_equal(t->seed, 1);
	assert_true(t->early_stop);
	assert_int_equal(t->round_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(t->rounds[i].shots, 10);
		assert_true(t->rounds[i].relabel == (i ? 0.4 : 1.0));
		assert_string_equal(t->rounds[i].llm.own.model, "m");
	}
	task_free(t);

	t = parse("labels: [a, b]\nllm: {model: m, url: http://localhost:8080}\n");
	assert_string_equal(t->input.text, "text");
	assert_int_equal(t->round_count, 2);
	assert_true(t->early_stop);
	task_free(t);
}

static void test_encoder(void **state)
{
	(void)state;
	const char *head = "labels: [a, b]\nllm: {model: m, url: http://localhost:8080}\n";
	char text[400];
	(void)snprintf(text, sizeof text, "%smodel: {type: encoder, path: /models/m}\n", head);
	struct task *t = parse(text);
	assert_int_equal(t->model.type, TASK_MODEL_ENCODER);
	assert_string_equal(t->model.path, "/models/m");
	assert_int_equal(t->model.folds, 2);
	assert_int_equal(t->model.tokens, 0);
	assert_int_equal(t->model.batch, 32);
	assert_int_equal(t->model.views, TASK_VIEW_NGRAM | TASK_VIEW_VECTORS | TASK_VIEW_TUNED);
	assert_int_equal(t->model.precision, TASK_PRECISION_AUTO);
	assert_int_equal(t->model.freeze + t->model.epochs, 0);
	task_free(t);

	(void)snprintf(text, sizeof text,
		       "%smodel: {path: /m, recipe: paper, tokens: 64, freeze: 4, batch: 16, "
		       "epochs: 2,\n  rate: 3e-5, precision: bf16, views: [tuned, ngram], mixup: "
		       "false,\n  consistency: true, second_views: all, type: encoder}\n",
		       head);
	t = parse(text);
	assert_int_equal(t->model.recipe, TASK_RECIPE_PAPER);
	assert_int_equal(t->model.tokens, 64);
	assert_int_equal(t->model.freeze, 4);
	assert_int_equal(t->model.batch, 16);
	assert_int_equal(t->model.epochs, 2);
	assert_true(t->model.rate == 3e-5);
	assert_int_equal(t->model.precision, TASK_PRECISION_BF16);
	assert_int_equal(t->model.views, TASK_VIEW_NGRAM | TASK_VIEW_TUNED);
	assert_int_equal(t->model.mixup, 1);
	assert_int_equal(t->model.consistency, 2);
	assert_int_equal(t->model.second_views, 3);
	task_free(t);
}

#define LABELS "labels: [a, b]\n"
#define LLM "llm: {url: http://h, model: m}\n"

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *message; /* its beginning, after "task.yaml:" */
	} cases[] = {
	    {"", "1: the task file is empty; give at least \"labels\" and \"llm\""},
	    {"# nothing\n", "1: the task file is empty; "},
	    {"- a\n", "1: the task file is a list; it must be a mapping of keys to values"},
	    {"labels: [a, b\nllm: x\n", "2: not valid YAML: "},
	    {"a:\n\t- b\n", "2: not valid YAML: "},
	    {LABELS "description: caf\xe9\n", "2: invalid UTF-8; save the file as UTF-8"},
	    {LABELS "description: a\001b\n", "2: control characters are not allowed; remove them"},
	    {LABELS LLM "---\na: b\n", "3: a second document begins; keep one per file"},
	    {LLM, "1: the task file has no \"labels\"; list at least two labels"},
	    {LABELS, "1: the task file has no \"llm\"; give at least its url and model"},
	    {LABELS LLM "colour: red\n",
	     "3: unknown key \"colour\" in the task file; it may have: task, description, labels, "
	     "input, endpoints, llm, model, rounds, pool, generate, budget, cache, prompt, "
	     "embeddings, "
	     "augment, seed"},
	    {LABELS LLM LABELS, "3: the key \"labels\" stands twice in the task file; remove one"},
	    {LABELS LLM "[a, b]: c\n", "3: a key in the task file is a list; it must be a word"},
	    {"labels: [a]\n" LLM, "1: there must be at least two labels; here is one"},
	    {"labels: []\n" LLM, "1: there must be at least two labels; here are none"},
	    {"labels: a\n" LLM, "1: \"labels\" is a single value; it must be a list"},
	    {"labels:\n" LLM, "1: \"labels\" is empty; it must be a list"},
	    {"labels:\n  - a\n  - b\n  - a\n" LLM, "4: the label \"a\" is given twice (first in "
						   "line 2; names and aliases, case ignored); "
						   "rename or remove one"},
	    {"labels: [Été, b, ÉTÉ]\n" LLM, "1: the label \"ÉTÉ\" is given twice "},
	    {"labels: [a, a.]\n" LLM, "1: the label \"a.\" is given twice "},
	    {"labels:\n - {name: a, aliases: [x]}\n - {name: b, aliases: [X]}\n" LLM,
	     "3: the label \"X\" is given twice (first in line 2; "},
	    {"labels:\n - {name: a, aliases: [b]}\n - {name: B}\n" LLM,
	     "3: the label \"B\" is given twice (first in line 2; "},
	    {"labels:\n - {name: a, alias: [b]}\n - b\n" LLM,
	     "2: unknown key \"alias\" in a label; it may have: name, description, aliases, "},
	    {"labels:\n - {description: x}\n - b\n" LLM, "2: a label has no \"name\"; give it one"},
	    {"labels: [a, \"\"]\n" LLM, "1: a label's name is empty or has line breaks in it; "},
	    {"labels: [a, \"b\\nc\"]\n" LLM,
	     "1: a label's name is empty or has line breaks in it; "},
	    {"labels: [a, \"b\\0c\"]\n" LLM, "1: \"name\" contains a NUL character; remove it"},
	    {"labels: [a, ]\nllm: 1\n", "1: there must be at least two labels"},
	    {"labels: [a, ~]\n" LLM, "1: \"name\" has no value; give one or remove the key"},
	    {"labels: [a, [b]]\n" LLM, "1: a label is a list; it must be a mapping"},
	    {"labels:\n - {name: a, keywords: x}\n - b\n" LLM,
	     "2: \"keywords\" is a single value; it must be a list"},
	    {"labels:\n - {name: a, keywords: [\"\"]}\n - b\n" LLM,
	     "2: an empty text in \"keywords\""},
	    {"labels:\n - {name: a, keywords: [[x]]}\n - b\n" LLM,
	     "2: \"keywords\" is a list; it must be a text"},
	    {LABELS "llm: gpt-4o\n", "2: \"llm\" is a single value; it must be a mapping"},
	    {LABELS "llm: {model: m}\n", "2: \"llm\" has no \"url\"; give the address of"},
	    {LABELS "llm: {url: http://h}\n", "2: \"llm\" has no \"model\"; give the model's name"},
	    {LABELS "llm: {url: ftp://h, model: m}\n",
	     "2: \"url\" is ftp://h; it must begin with http:// or https://"},
	    {LABELS "llm: {url: http://h, model: m, key: abc}\n",
	     "2: \"key\": a key must not stand in a task file, which is copied and shown; put "},
	    {LABELS "llm: {url: http://h, model: m, key_env: sk-1234}\n",
	     "2: \"key_env\" must be the name of an environment variable, such as "
	     "OPENAI_API_KEY; "},
	    {LABELS "llm: {url: http://h, model: m, temperature: 3}\n",
	     "2: \"temperature\" is 3; it must be between 0 and 2"},
	    {LABELS "llm: {url: http://h, model: m, temperature: \"1\"}\n",
	     "2: \"temperature\" must be a number without quotes"},
	    {LABELS "llm: {url: http://h, model: m, max_tokens: 1.5}\n",
	     "2: \"max_tokens\" is 1.5; it must be a whole number"},
	    {LABELS "llm: {url: http://h, model: m, concurrency: 0}\n",
	     "2: \"concurrency\" is 0; it must be between 1 and 1024"},
	    {LABELS "llm: {url: http://h, model: m, usd_per_million: 3}\n",
	     "2: \"usd_per_million\" is a single value; it must be a mapping"},
	    {LABELS "llm: {url: http://h, model: m, usd_per_million: {input: 3}}\n",
	     "2: unknown key \"input\" in \"usd_per_million\"; it may have: in, cached, out"},
	    {LABELS LLM "model: {type: bert}\n", "3: \"type\" must be one of: ngram, encoder"},
	    {LABELS LLM "model: {type: encoder}\n",
	     "3: a model of type encoder has no \"path\"; give the folder of a "},
	    {LABELS LLM "model: {path: /m, type: encoder, folds: 3}\n",
	     "3: unknown key \"folds\" in a model of type encoder; it may have: type, recipe, "},
	    {LABELS LLM "model:\n  type: ngram\n  path: /m\n",
	     "5: unknown key \"path\" in a model of type ngram; it may have: type, recipe, "
	     "epochs, folds"},
	    {LABELS LLM "model: {type: encoder, path: models/m}\n",
	     "3: \"path\" is models/m; it must be absolute"},
	    {LABELS LLM "model: {type: encoder, path: /m, tokens: 2}\n",
	     "3: \"tokens\" is 2; it must be between 8 and 4096"},
	    {LABELS LLM "model: {type: encoder, path: /m, batch: 0}\n",
	     "3: \"batch\" is 0; it must be between 1 and 1024"},
	    {LABELS LLM "model: {type: encoder, path: /m, rate: 0}\n", "3: \"rate\" is 0; "},
	    {LABELS LLM "model: {type: encoder, path: /m, precision: fp16}\n",
	     "3: \"precision\" must be one of: auto, fp32, bf16"},
	    {LABELS LLM "model: {type: encoder, path: /m, views: []}\n",
	     "3: \"views\" is empty; list ngram, vectors or tuned"},
	    {LABELS LLM "model: {type: encoder, path: /m, views: [tuned, frozen]}\n",
	     "3: \"views\" lists some of: ngram, vectors, tuned"},
	    {LABELS LLM "model: {type: encoder, path: /m, views: [tuned, tuned]}\n",
	     "3: a view is listed twice; remove one"},
	    {LABELS LLM "model: {type: encoder, path: /m, views: tuned}\n",
	     "3: \"views\" is a single value; it must be a list"},
	    {LABELS LLM "model: {type: encoder, path: /m, mixup: off}\n",
	     "3: \"mixup\" must be one of: default, false, true"},
	    {LABELS LLM "model: {type: encoder, path: /m, second_views: some}\n",
	     "3: \"second_views\" must be one of: default, none, noisy, all"},
	    {LABELS LLM "model: ngram\n", "3: a model of type ngram is a single value; it must"},
	    {LABELS LLM "model: {recipe: best}\n", "3: \"recipe\" must be one of: default, paper"},
	    {LABELS LLM "model: {folds: 1}\n", "3: \"folds\" is 1; it must be between 2 and 20"},
	    {LABELS LLM "input: {txt: a}\n",
	     "3: unknown key \"txt\" in \"input\"; it may have: text"},
	    {LABELS LLM "input: {text: \" \"}\n", "3: a column's name is empty; name it, "},
	    {LABELS LLM "input: {text: [a]}\n", "3: \"text\" is a list; it must be a text"},
	    {LABELS LLM "rounds: 0\n", "3: \"rounds\" is 0; it must be between 1 and 100"},
	    {LABELS LLM "rounds: two\n", "3: \"rounds\" must be a number without quotes"},
	    {LABELS LLM "rounds: []\n", "3: 0 rounds; there must be between 1 and 100"},
	    {LABELS LLM "rounds: {shots: 3}\n", "3: \"rounds\" is a mapping; it must be a list"},
	    {LABELS LLM "rounds:\n - shots: 3\n - 5\n", "5: a round is a single value; it must be"},
	    {LABELS LLM "rounds:\n - shots: 3\n - shot: 5\n",
	     "5: unknown key \"shot\" in a round; it may have: shots, relabel, url, model, "},
	    {LABELS LLM "rounds: [{shots: 1000}]\n",
	     "3: \"shots\" is 1000; it must be between 0 and 100"},
	    {LABELS LLM "rounds: [{relabel: 0.4}]\n", "3: the first round asks for every sample; "},
	    {LABELS LLM "rounds: [{}, {relabel: 40}]\n",
	     "3: \"relabel\" is 40; it must be between 0 and 1"},
	    {LABELS LLM "rounds: [{}, {url: h}]\n", "3: \"url\" is h; it must begin with http://"},
	    {LABELS LLM "pool: 0\n", "3: \"pool\" is 0; it must be between 1 and 10000"},
	    {LABELS LLM "pool: many\n", "3: \"pool\" must be a number without quotes"},
	    {LABELS LLM "seed: -1\n",
	     "3: \"seed\" is -1; it must be between 0 and 9007199254740991"},
	    {LABELS LLM "seed: 1e3\n", "3: \"seed\" is 1e3; it must be a whole number"},
	    {LABELS LLM "generate: {demonstrations: 0}\n",
	     "3: \"demonstrations\" is 0; it must be"},
	    {LABELS LLM "description: [a]\n", "3: \"description\" is a list; it must be a text"},
	    {LABELS LLM "input: &x {text: *x}\n", "3: \"text\" is a mapping; it must be a text"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct task *t;
		struct err_msg msg = {""};
		char expected[400];
		snprintf(expected, sizeof expected, "task.yaml:%s", cases[i].message);
		enum err err =
		    task_parse("task.yaml", cases[i].text, strlen(cases[i].text), &t, &msg);
		if (strncmp(msg.text, expected, strlen(expected)) != 0)
			assert_string_equal(msg.text, expected);
		assert_int_equal(err, ERR_INVALID);
	}
}

static void test_limits(void **state)
{
	(void)state;
	char *text = malloc(TASK_BYTES_MAX + 100);
	struct task *t;
	struct err_msg msg;
	memset(text, '#', TASK_BYTES_MAX + 1);
	assert_int_equal(task_parse("t", text, TASK_BYTES_MAX + 1, &t, &msg), ERR_LIMIT);

	size_t used = (size_t)sprintf(text, LLM "labels:\n");
	for (size_t i = 0; i <= LABEL_COUNT_MAX; i++)
		used += (size_t)sprintf(text + used, " - {name: l%zu, aliases: [a%zu, b%zu]}\n", i,
					i, i);
	assert_int_equal(task_parse("t", text, used, &t, &msg), ERR_INVALID);
	assert_string_equal(msg.text, "t:3: 1001 labels, more than the 1000 allowed");
	*strstr(text, " - {name: l1000") = '\0';
	assert_int_equal(task_parse("t", text, strlen(text), &t, &msg), ERR_OK);
	assert_int_equal(t->label_count, LABEL_COUNT_MAX);
	task_free(t);

	used = (size_t)sprintf(text, LLM "labels: [a, ");
	memset(text + used, 'x', NAME_BYTES_MAX + 1);
	strcpy(text + used + NAME_BYTES_MAX + 1, "]\n");
	assert_int_equal(task_parse("t", text, strlen(text), &t, &msg), ERR_INVALID);
	assert_string_equal(msg.text, "t:2: \"name\" has 257 bytes, more than the 256 allowed");
	free(text);
}

static void test_files(void **state)
{
	(void)state;
	struct task *t;
	struct err_msg msg;
	assert_int_equal(task_load("/nowhere/t.yaml", &t, &msg), ERR_INVALID);
	assert_string_equal(msg.text, "/nowhere/t.yaml: no such file; check the path, or write one "
				      "with freeal init");
	assert_int_equal(task_load("/tmp", &t, &msg), ERR_INVALID);
	char path[] = "/tmp/test_task.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	const char *text = LABELS LLM;
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(task_load(path, &t, &msg), ERR_OK);
	task_free(t);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_keys), cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_errors),   cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_files),    cmocka_unit_test(test_encoder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
