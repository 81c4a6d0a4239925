/* libs: freeal-mockllm-lib */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mockllm/script.h"

#include <jansson.h>
#include <string.h>

static struct script *script_make(const char *json)
{
	struct script *s = NULL;
	struct err_msg msg = {""};
	assert_int_equal(script_parse(json, strlen(json), 1, &s, &msg), ERR_OK);
	return s;
}

static const struct fault *next(struct script *s, const char *model, const char *text)
{
	struct script_request request = {.path = "/v1/chat/completions",
					 .model = chat_text_of(model),
					 .text = chat_text_of(text)};
	return script_next(s, &request);
}

/* 'x' where the n-th request got a fault of this status, '.' where none. */
static void assert_hits(struct script *s, const char *model, const char *text, const char *expected)
{
	for (size_t i = 0; expected[i]; i++) {
		const struct fault *f = next(s, model, text);
		assert_int_equal(expected[i], f ? (char)('0' + f->status / 100) : '.');
	}
}

static void test_counting(void **state)
{
	(void)state;
	struct script *s = script_make("{\"rules\":[{\"from\":3,\"count\":2,\"status\":429}]}");
	assert_hits(s, "m", "t", "..44...");
	script_free(s);
	s = script_make("{\"rules\":[{\"from\":2,\"every\":3,\"count\":2,\"status\":500}]}");
	assert_hits(s, "m", "t", ".5..5.....");
	script_free(s);
	s = script_make("{\"rules\":[{\"count\":0,\"every\":2,\"status\":503}]}");
	assert_hits(s, "m", "t", "5.5.5.5.");
	script_free(s);
}

static void test_conditions(void **state)
{
	(void)state;
	struct script *s = script_make("{\"rules\":[{\"text\":\"bad\",\"count\":0,\"status\":400},"
				       "{\"model\":\"big\",\"status\":404}]}");
	assert_hits(s, "m", "all is good", "..");
	assert_hits(s, "m", "a bad one", "44");
	assert_hits(s, "big", "good", "4..");
	script_free(s);
	s = script_make(
	    "{\"rules\":[{\"path\":\"/files\",\"count\":0,\"status\":500},"
	    "{\"has\":\"seed\",\"count\":0,\"status\":400,\"error\":\"e\",\"param\":\"seed\"}]}");
	assert_hits(s, "m", "t", "..");
	struct script_request request = {.path = "/v1/files"};
	assert_int_equal(script_next(s, &request)->status, 500);
	request.path = "/v1/chat/completions";
	assert_null(script_next(s, &request));
	json_t *body = json_pack("{s:i}", "seed", 1);
	request.body = body;
	assert_string_equal(script_next(s, &request)->param, "seed");
	json_decref(body);
	script_free(s);
}

static void test_share(void **state)
{
	(void)state;
	struct script *s = script_make("{\"rules\":[{\"count\":0,\"share\":0.3,\"status\":500}]}");
	int hits = 0;
	for (int i = 0; i < 10000; i++)
		hits += next(s, "m", "t") != NULL;
	assert_in_range(hits, 2800, 3200);
	script_free(s);
}

static void test_effects(void **state)
{
	(void)state;
	struct script *s = script_make(
	    "{\"rules\":[{\"status\":429,\"headers\":{\"Retry-After\":\"2\"},\"error\":\"slow\","
	    "\"delay_ms\":5},{\"body\":\"\",\"drip_bytes\":1,\"drip_ms\":9},{\"hang\":true},"
	    "{\"content_length\":7,\"close_after\":0,\"reset\":true,\"pad_bytes\":3}]}");
	const struct fault *f = next(s, "m", "t");
	assert_int_equal(f->header_count, 1);
	assert_string_equal(f->headers[0].name, "Retry-After");
	assert_string_equal(f->headers[0].value, "2");
	assert_string_equal(f->error, "slow");
	assert_int_equal(f->delay_ms, 5);
	assert_false(fault_is_raw(f));
	f = next(s, "m", "t");
	assert_non_null(f->body.data);
	assert_int_equal(f->body.size, 0);
	assert_true(fault_is_raw(f));
	assert_true(next(s, "m", "t")->hang);
	f = next(s, "m", "t");
	assert_int_equal(f->content_length, 7);
	assert_int_equal(f->close_after, 0);
	assert_int_equal(f->pad_bytes, 3);
	assert_true(f->reset);
	assert_null(next(s, "m", "t"));
	script_free(s);
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const scripts[] = {
	    "",
	    "[]",
	    "{}",
	    "{\"rules\":{}}",
	    "{\"rules\":[1]}",
	    "{\"rules\":[{\"statsu\":200}]}",
	    "{\"rules\":[{\"status\":99}]}",
	    "{\"rules\":[{\"status\":\"200\"}]}",
	    "{\"rules\":[{\"from\":0}]}",
	    "{\"rules\":[{\"every\":0}]}",
	    "{\"rules\":[{\"count\":-1}]}",
	    "{\"rules\":[{\"share\":1.5}]}",
	    "{\"rules\":[{\"expire\":-0.1}]}",
	    "{\"rules\":[{\"malformed\":\"oddly\"}]}",
	    "{\"rules\":[{\"headers\":{\"A\":1}}]}",
	    "{\"rules\":[{\"hang\":1}]}",
	    "{\"rules\":[{\"body\":1}]}",
	    "{\"rules\":[{\"body_file\":\"/no/such/file\"}]}",
	    "{\"rules\":[],\"rules\":[]}",
	};
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		struct script *s = NULL;
		struct err_msg msg = {""};
		assert_int_equal(script_parse(scripts[i], strlen(scripts[i]), 1, &s, &msg),
				 ERR_INVALID);
		assert_null(s);
		assert_true(msg.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counting), cmocka_unit_test(test_conditions),
	    cmocka_unit_test(test_share),    cmocka_unit_test(test_effects),
	    cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
