/* libs: freeal-annotator-lib */
#include "base/limits.h"
#include "config/project.h"
#include "llm/prompt.h"

#include <jansson.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char task_text[] =
    "task: films\n"
    "description: Say whether the reviewer liked the film.\n"
    "labels:\n"
    "  - {name: negative, description: the reviewer did not like it, aliases: [neg]}\n"
    "  - {name: \"po\\\"sitive\", keywords: [moving], examples: [lovely, fine]}\n"
    "llm: {url: \"http://localhost:1/v1\", model: m, temperature: 0.7, max_tokens: 9, attempts: "
    "3,\n"
    "      timeout_s: 1.5, usd_per_million: {in: 0.15, out: 0.6}}\n"
    "rounds:\n"
    "  - {shots: 2}\n"
    "  - {relabel: 0.5, model: larger}\n";

static Freeal__Project *project;

static int setup(void **state)
{
	(void)state;
	struct task *task;
	struct err_msg msg;
	if (task_parse("films.yaml", task_text, sizeof task_text - 1, &task, &msg) != ERR_OK) {
		print_error("%s\n", msg.text);
		return -1;
	}
	project = project_from_task(task, 7);
	task_free(task);
	return project ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	freeal__project__free_unpacked(project, NULL);
	return 0;
}

static void test_project(void **state)
{
	(void)state;
	assert_int_equal(project->version, 7);
	assert_string_equal(project->task, "films");
	assert_int_equal(project->n_labels, 2);
	assert_string_equal(project->labels[0]->aliases[0], "neg");
	assert_string_equal(project->labels[1]->keywords[0], "moving");
	assert_int_equal(project->labels[1]->n_examples, 2);
	assert_int_equal(project->labels[1]->examples[1].len, 4);
	assert_memory_equal(project->labels[1]->examples[1].data, "fine", 4);
	assert_int_equal(project->n_rounds, 2);
	assert_false(project->stop_early);
	assert_string_equal(project->model->type, "ngram");
	assert_string_equal(project->model->recipe, "default");
	const Freeal__Llm *llm = project->rounds[0]->llm;
	const Freeal__Endpoint *endpoint = project->endpoints[llm->endpoints[0]];
	assert_string_equal(endpoint->url, "http://localhost:1/v1");
	assert_string_equal(endpoint->key_env, "");
	assert_int_equal(endpoint->timeout_ms, 1500);
	assert_int_equal(llm->attempts_max, 3);
	assert_int_equal(llm->retries_max, 5);
	assert_int_equal(endpoint->nano_usd_per_million_in, 150000000);
	assert_int_equal(endpoint->nano_usd_per_million_out, 600000000);
	assert_string_equal(project->endpoints[project->rounds[1]->llm->endpoints[0]]->model,
			    "larger");
	assert_int_equal(project->rounds[0]->shots, 2);
	/* It survives the bus. */
	uint8_t packed[4096];
	size_t size = freeal__project__pack(project, packed);
	Freeal__Project *copy = freeal__project__unpack(NULL, size, packed);
	assert_non_null(copy);
	assert_string_equal(copy->labels[1]->name, "po\"sitive");
	freeal__project__free_unpacked(copy, NULL);
}

static json_t *annotate(uint32_t round, size_t shots, const char *text, size_t size, uint32_t ask)
{
	const struct prompt_demonstration demonstrations[] = {{{"lovely", 6}, 1},
							      {{"dull \"stuff\"\n", 13}, 0}};
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	assert_int_equal(prompt_annotate(project, round, demonstrations, shots,
					 (struct prompt_text){text, size}, ask, false, &body),
			 ERR_OK);
	json_error_t error;
	json_t *root = json_loadb(body.data, body.size, JSON_ALLOW_NUL, &error);
	buf_done(&body);
	assert_non_null(root);
	return root;
}

static const char *message(const json_t *root, size_t i, const char *role)
{
	const json_t *m = json_array_get(json_object_get(root, "messages"), i);
	assert_string_equal(json_string_value(json_object_get(m, "role")), role);
	return json_string_value(json_object_get(m, "content"));
}

static void test_annotate(void **state)
{
	(void)state;
	json_t *root = annotate(0, 2, "So so", 5, 1);
	assert_int_equal(json_array_size(json_object_get(root, "messages")), 6);
	assert_string_equal(json_string_value(json_object_get(root, "model")), "m");
	assert_int_equal(json_integer_value(json_object_get(root, "max_tokens")), 9);
	const char *system = message(root, 0, "system");
	assert_non_null(strstr(system, "Say whether the reviewer liked the film."));
	assert_non_null(strstr(system, "- negative: the reviewer did not like it\n"));
	assert_non_null(strstr(system, "- po\"sitive\n"));
	assert_string_equal(message(root, 1, "user"), "lovely");
	assert_string_equal(message(root, 2, "assistant"), "po\"sitive");
	assert_string_equal(message(root, 3, "user"), "dull \"stuff\"\n");
	assert_string_equal(message(root, 4, "assistant"), "negative");
	assert_string_equal(message(root, 5, "user"), "So so");
	json_t *other = annotate(1, 0, "Something else", 14, 1);
	assert_int_equal(json_array_size(json_object_get(other, "messages")), 2);
	assert_string_equal(json_string_value(json_object_get(other, "model")), "larger");
	assert_string_equal(message(other, 0, "system"), system);
	/* Asked again, the request differs, but not what is to be labelled. */
	json_t *again = annotate(0, 2, "So so", 5, 2);
	assert_string_not_equal(message(again, 0, "system"), system);
	assert_memory_equal(message(again, 0, "system"), system, strlen(system));
	assert_string_equal(message(again, 5, "user"), "So so");
	json_decref(root);
	json_decref(other);
	json_decref(again);
}

static void test_annotate_bytes(void **state)
{
	(void)state;
	/* Bytes that JSON has to escape, and texts that look like requests, stay the text. */
	static const char text[] = "a\0b\"\\\x01\xf0\x9f\x98\x80\"}],\"model\":\"x\"";
	json_t *root = annotate(0, 0, text, sizeof text - 1, 1);
	const json_t *m = json_array_get(json_object_get(root, "messages"), 1);
	const json_t *content = json_object_get(m, "content");
	assert_int_equal(json_string_length(content), sizeof text - 1);
	assert_memory_equal(json_string_value(content), text, sizeof text - 1);
	assert_string_equal(json_string_value(json_object_get(root, "model")), "m");
	json_decref(root);
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	assert_int_equal(
	    prompt_annotate(project, 0, NULL, 0, (struct prompt_text){"\xff", 1}, 1, false, &body),
	    ERR_INVALID);
	buf_done(&body);
	buf_init(&body, 100);
	assert_int_equal(
	    prompt_annotate(project, 0, NULL, 0, (struct prompt_text){"a", 1}, 1, false, &body),
	    ERR_LIMIT);
	buf_done(&body);
}

static void test_generate(void **state)
{
	(void)state;
	const struct prompt_text styles[] = {{"first style", 11}, {"second style", 12}};
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	assert_int_equal(prompt_generate(project, 0, 1, 5, styles, 2, 1, true, &body), ERR_OK);
	json_error_t error;
	json_t *root = json_loadb(body.data, body.size, 0, &error);
	buf_done(&body);
	assert_non_null(root);
	assert_int_equal(json_array_size(json_object_get(root, "messages")), 2);
	const char *user = message(root, 1, "user");
	static const char line[] = "Write 5 examples of the label \"po\"sitive\".\n";
	assert_memory_equal(user, line, sizeof line - 1);
	assert_non_null(strstr(user, "- first style\n- second style\n"));
	assert_int_equal(json_integer_value(json_object_get(root, "max_tokens")), 600);
	json_decref(root);
	assert_int_equal(prompt_generate_tokens_max(project->rounds[0]->llm, 1000), 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_project),
	    cmocka_unit_test(test_annotate),
	    cmocka_unit_test(test_annotate_bytes),
	    cmocka_unit_test(test_generate),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
