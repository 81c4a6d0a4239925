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
	enum err e = chat_request_parse(r, body, strlen(body), &msg);
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
	    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
	    "}",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct chat_request r;
		assert_int_equal(parse(&r, bodies[i]), ERR_INVALID);
		chat_request_done(&r);
	}
}

static void reply_make(struct buf *out, const char *content, size_t size)
{
	struct chat_request r;
	assert_int_equal(parse(&r,
			       "{\"model\":\"m\\\"x\",\"messages\":[{\"role\":\"user\",\"content\":"
			       "\"12345\"}]}"),
			 ERR_OK);
	struct chat_reply reply = {.id_prefix = "mock", .number = 3, .content = {content, size}};
	chat_reply_write(out, &r, &reply);
	chat_request_done(&r);
	assert_int_equal(buf_error(out), ERR_OK);
}

/* Whatever the content, the reply is JSON that gives it back, invalid bytes replaced. */
static void test_reply(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 10000);
	reply_make(&out, "a\"\\\n\t\x01\0\xc3\xa9\xff", 10);
	json_t *root = json_loadb(out.data, out.size, JSON_ALLOW_NUL, NULL);
	assert_non_null(root);
	json_t *message =
	    json_object_get(json_array_get(json_object_get(root, "choices"), 0), "message");
	const json_t *content = json_object_get(message, "content");
	assert_int_equal(json_string_length(content), 12);
	assert_memory_equal(json_string_value(content), "a\"\\\n\t\x01\0\xc3\xa9\xef\xbf\xbd", 12);
	const json_t *usage = json_object_get(root, "usage");
	assert_int_equal(json_integer_value(json_object_get(usage, "prompt_tokens")), 2);
	assert_int_equal(json_integer_value(json_object_get(usage, "completion_tokens")), 3);
	assert_non_null(
	    strstr(json_string_value(json_object_get(root, "system_fingerprint")), "mock"));
	json_decref(root);
	buf_done(&out);
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
	reply_make(&reply, "x", 1);
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
	    cmocka_unit_test(test_refused),   cmocka_unit_test(test_reply),
	    cmocka_unit_test(test_malformed), cmocka_unit_test(test_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
