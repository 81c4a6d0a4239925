/* libs: freeal-mockllm-lib */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mockllm/chat.h"
#include "mockllm/malform.h"
#include "mockllm/server.h"

#include <jansson.h>
#include <string.h>

static enum err parse(struct chat_request *r, const char *body)
{
	struct err_msg msg = {""};
	enum err e = chat_request_parse(r, body, strlen(body), NULL, &msg);
	assert_int_equal(e != ERR_OK, msg.text[0] != '\0');
	return e;
}

static void assert_text(struct chat_text t, const char *expected)
{
	assert_int_equal(t.size, strlen(expected));
	assert_memory_equal(t.data, expected, t.size);
}

static void test_turns(void **state)
{
	(void)state;
	struct chat_request r;
	assert_int_equal(parse(&r, "{\"model\":\"m\",\"messages\":["
				   "{\"role\":\"system\",\"content\":\"label it\"},"
				   "{\"role\":\"user\",\"content\":\"a\"},"
				   "{\"role\":\"assistant\",\"content\":\"good\"},"
				   "{\"role\":\"user\",\"content\":\"b\"}]}"),
			 ERR_OK);
	assert_text(r.model, "m");
	assert_int_equal(r.turn_count, 1);
	assert_text(r.turns[0].text, "a");
	assert_text(r.turns[0].label, "good");
	assert_text(r.text, "b");
	assert_int_equal(r.examples_wanted, 0);
	assert_int_equal(r.prompt_bytes, strlen("label it") + 1 + 4 + 1);
	chat_request_done(&r);
}

static void test_examples_wanted(void **state)
{
	(void)state;
	static const struct {
		const char *content;
		size_t wanted;
		const char *label;
	} cases[] = {
	    {"Write 12 examples of the label \\\"not biased\\\".\\nLike these:", 12, "not biased"},
	    {"Write 1 example of the label \\\"a \\\"b\\\" c\\\".", 1, "a \"b\" c"},
	    {"Write 0 examples of the label \\\"x\\\".", 0, NULL},
	    {"Write 9999 examples of the label \\\"x\\\".", 0, NULL},
	    {"Write 12 examples of the label x.", 0, NULL},
	    {" Write 12 examples of the label \\\"x\\\".", 0, NULL},
	    {"Write 12 examples of the label \\\"x\\\". More", 0, NULL},
	    {"Write ", 0, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct chat_request r;
		char body[512];
		(void)snprintf(
		    body, sizeof body,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
		    cases[i].content);
		assert_int_equal(parse(&r, body), ERR_OK);
		assert_int_equal(r.examples_wanted, cases[i].wanted);
		if (cases[i].label)
			assert_text(r.examples_label, cases[i].label);
		chat_request_done(&r);
	}
}

static void test_parts(void **state)
{
	(void)state;
	struct chat_request r;
	assert_int_equal(
	    parse(&r,
		  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":["
		  "{\"type\":\"text\",\"text\":\"one \"},{\"type\":\"text\",\"text\":\"two\"}]}]}"),
	    ERR_OK);
	assert_text(r.text, "one two");
	assert_int_equal(r.prompt_bytes, 7);
	chat_request_done(&r);
}

static void test_items(void **state)
{
	(void)state;
	struct chat_request r;
	assert_int_equal(
	    parse(&r, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
		      "\"Label each of these 3 texts.\\n\\n### 7\\na\\n\\nb\\n\\n### x y\\nc"
		      "\\n### 9\\n\"}]}"),
	    ERR_OK);
	assert_int_equal(r.item_count, 3);
	assert_text(r.items[0].id, "7");
	assert_text(r.items[0].text, "a\n\nb");
	assert_text(r.items[1].id, "x y");
	assert_text(r.items[1].text, "c");
	assert_text(r.items[2].text, "");
	chat_request_done(&r);
	static const char *const others[] = {"Label each of these texts.\\n### 1\\na",
					     "Label each of these 0 texts.\\n",
					     "So: Label each of these 1 texts.\\n### 1\\na"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		char body[256];
		(void)snprintf(
		    body, sizeof body,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
		    others[i]);
		assert_int_equal(parse(&r, body), ERR_OK);
		assert_int_equal(r.item_count, 0);
		chat_request_done(&r);
	}
}

static void test_system(void **state)
{
	(void)state;
	static const struct {
		const char *system;
		bool candidates;
		bool reasoning;
	} cases[] = {
	    {"Label it.", false, false},
	    {"x If you are not sure, name all labels that are possible, separated by commas. y",
	     true, false},
	    {"Think, then end with a line \\\"Label: NAME\\\".", false, true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char body[512];
		struct chat_request r;
		(void)snprintf(
		    body, sizeof body,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},"
		    "{\"role\":\"user\",\"content\":\"end with a line\"}]}",
		    cases[i].system);
		assert_int_equal(parse(&r, body), ERR_OK);
		assert_int_equal(r.asks_candidates, cases[i].candidates);
		assert_int_equal(r.asks_reasoning, cases[i].reasoning);
		chat_request_done(&r);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const bodies[] = {
	    "",
	    "[]",
	    "{",
	    "{\"messages\":[]}",
	    "{\"model\":\"m\"}",
	    "{\"model\":\"m\",\"messages\":[]}",
	    "{\"model\":\"m\",\"messages\":[1]}",
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[]}]}",
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}",
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}",
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}",
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_"
	    "url\"}]}]}",
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
	    "\"Label each of these 2 texts.\\n### 1\\na\"}]}",
	    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
	    "\"Label each of these 1 texts.\\n### 1\\na\\n### 2\\nb\"}]}",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct chat_request r;
		assert_int_equal(parse(&r, bodies[i]), ERR_INVALID);
		chat_request_done(&r);
	}
}

static void test_malformed(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int is_json;
	} cases[] = {
	    {"truncated", 0}, {"trailing", 0},	   {"nested", 0},    {"numbers", 0},
	    {"surrogate", 0}, {"bom", 0},	   {"duplicate", 1}, {"empty_choices", 1},
	    {"tool_call", 1}, {"null_content", 1},
	};
	struct buf reply;
	buf_init(&reply, 10000);
	buf_add_str(&reply, "{\"choices\":[]}");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out;
		buf_init(&out, 1000000);
		malform_write(&out, &reply, cases[i].name);
		json_t *root = json_loadb(out.data, out.size, 0, NULL);
		assert_int_equal(root != NULL, cases[i].is_json);
		json_decref(root);
		buf_done(&out);
	}
	buf_done(&reply);
}

static void test_address(void **state)
{
	(void)state;
	char host[64];
	uint16_t port;
	assert_int_equal(server_address_parse("127.0.0.1:0", host, &port), ERR_OK);
	assert_string_equal(host, "127.0.0.1");
	assert_int_equal(port, 0);
	assert_int_equal(server_address_parse("[::1]:65535", host, &port), ERR_OK);
	assert_string_equal(host, "::1");
	assert_int_equal(port, 65535);
	static const char *const bad[] = {"",	":",	"127.0.0.1", ":80",
					  "a:", "a:-1", "a:65536",   "a:1x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(server_address_parse(bad[i], host, &port), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_turns),     cmocka_unit_test(test_examples_wanted),
	    cmocka_unit_test(test_refused),   cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_items),     cmocka_unit_test(test_system),
	    cmocka_unit_test(test_malformed), cmocka_unit_test(test_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
