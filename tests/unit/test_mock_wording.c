/* libs: freeal-mockllm-lib */
/* Answers in every form, their pieces and log probabilities, and the replies around them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mockllm/logprobs.h"
#include "mockllm/mock.h"
#include "mockllm/pieces.h"
#include "mockllm/reply.h"
#include "mockllm/wording.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* At accuracy 0.49 and margin 0 both labels have 0.49. */
static const char ROWS[] =
    "{\"text\":\"t\",\"gold\":\"not biased\",\"rival\":\"not \\\"sure\\\" at all\",\"margin\":0}\n"
    "{\"text\":\"u\",\"gold\":\"biased\",\"rival\":\"fair\",\"margin\":0}\n";

static struct mock *mock;

static int mock_setup(void **state)
{
	(void)state;
	char path[] = "/tmp/test_mock_XXXXXX";
	int fd = mkstemp(path);
	struct err_msg msg = {""};
	struct mock_options options = {
	    .mode = "simulate", .margins = path, .accuracy = 0.49, .unsure = 1, .seed = 1};
	if (fd < 0 || write(fd, ROWS, sizeof ROWS - 1) != sizeof ROWS - 1 ||
	    mock_new(&options, &mock, &msg) != ERR_OK)
		return -1;
	close(fd);
	(void)unlink(path);
	return 0;
}

static int mock_teardown(void **state)
{
	(void)state;
	mock_free(mock);
	return 0;
}

#define CANDIDATES "If you are not sure, name all labels that are possible, separated by commas."

/* What is answered to this system message, user message and further members. */
static void word(struct wording *w, const char *system, const char *user, const char *members)
{
	struct chat_request r = {0};
	struct params p;
	const char *name = NULL;
	struct err_msg msg = {""};
	char body[2048];
	(void)snprintf(body, sizeof body,
		       "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},"
		       "{\"role\":\"user\",\"content\":\"%s\"}]%s%s}",
		       system, user, *members ? "," : "", members);
	assert_int_equal(chat_request_parse(&r, body, strlen(body), NULL, &msg), ERR_OK);
	assert_int_equal(params_parse(&p, r.root, &name, &msg), ERR_OK);
	wording_init(w);
	assert_int_equal(wording_write(w, mock, &r, &p, 0, &msg), ERR_OK);
	wording_cut(w, &p);
	buf_add(&w->content, "", 0);
	chat_request_done(&r);
}

static void assert_words(const char *system, const char *user, const char *members,
			 const char *expected, const char *finish_reason)
{
	struct wording w;
	word(&w, system, user, members);
	assert_int_equal(w.content.size, strlen(expected));
	assert_memory_equal(w.content.data, expected, w.content.size);
	assert_string_equal(w.finish_reason, finish_reason);
	wording_done(&w);
}

static void test_forms(void **state)
{
	(void)state;
	static const char two[] = "Label each of these 2 texts.\\n### a\\nu\\n### b\\nt";
	static const struct {
		const char *system, *user, *members, *expected;
	} cases[] = {
	    {"", "u", "", "fair"},
	    {CANDIDATES, "u", "", "fair, biased"},
	    {"end with a line \\\"Label: NAME\\\"", "u", "",
	     "The words of the text were weighed against the names of the labels.\nLabel: fair"},
	    {"", two, "", "{\"a\": \"fair\", \"b\": \"not \\\"sure\\\" at all\"}"},
	    {"", "u", "\"response_format\":{\"type\":\"json_object\"}", "{\"label\": \"fair\"}"},
	    {CANDIDATES, "u", "\"response_format\":{\"type\":\"json_object\"}",
	     "{\"label\": \"fair, biased\"}"},
	    {"", "u", "\"guided_choice\":[\"x\",\"BIASED\"]", "BIASED"},
	    {"", "u", "\"structured_outputs\":{\"choice\":[\"x\",\"y\"]}", "x"},
	    {"", "u",
	     "\"structured_outputs\":{\"json\":{\"type\":\"object\",\"properties\":{\"sure\":"
	     "{\"type\":\"boolean\"},\"p\":{\"type\":\"number\"},\"category\":{\"enum\":["
	     "\"biased\","
	     "\"Fair\"]},\"more\":{\"type\":\"integer\"}}}}",
	     "{\"sure\": false, \"p\": 0.490, \"category\": \"Fair\", \"more\": 1}"},
	    {CANDIDATES, "u",
	     "\"structured_outputs\":{\"json\":{\"type\":\"object\",\"properties\":{\"labels\":{"
	     "\"type\":\"array\",\"items\":{\"enum\":[\"biased\",\"fair\"]}}}}}",
	     "{\"labels\": [\"fair\", \"biased\"]}"},
	    {"", two,
	     "\"structured_outputs\":{\"json\":{\"type\":\"object\",\"properties\":{\"b\":{"
	     "\"enum\":["
	     "\"fair\",\"not biased\"]},\"a\":{\"enum\":[\"fair\",\"not biased\"]}}}}",
	     "{\"b\": \"not biased\", \"a\": \"fair\"}"},
	    {"", two,
	     "\"structured_outputs\":{\"json\":{\"type\":\"object\",\"additionalProperties\":{"
	     "\"enum\":["
	     "\"biased\",\"not biased\"]}}}",
	     "{\"a\": \"biased\", \"b\": \"not biased\"}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_words(cases[i].system, cases[i].user, cases[i].members, cases[i].expected,
			     "stop");
}

static void test_cut(void **state)
{
	(void)state;
	assert_words("", "t", "\"max_tokens\":7", "not \"sure\" at all", "stop");
	assert_words("", "t", "\"max_tokens\":6", "not \"sure\" at", "length");
	assert_words("", "t", "\"stop\":[\"x\",\" at\"],\"max_tokens\":6", "not \"sure\"", "stop");
	/* Reasoning takes its tokens first. */
	assert_words("", "t", "\"reasoning_effort\":\"low\",\"max_tokens\":10", "not ", "length");
	assert_words("", "t", "\"reasoning_effort\":\"low\",\"max_tokens\":7", "", "length");
	struct wording w;
	word(&w, "", "t", "\"reasoning_effort\":\"high\"");
	assert_int_equal(w.reasoning_tokens, 32);
	assert_true(w.reasoning.size > 100);
	wording_done(&w);
}

static void test_pieces(void **state)
{
	(void)state;
	struct chat_text t = chat_text_of("{\"a b\": \"caf\xc3\xa9\"}  x \n");
	static const size_t sizes[] = {1, 1, 1, 2, 1, 1, 1, 1, 5, 1, 1, 1, 2, 1, 1};
	size_t at = 0;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(piece_size(t, at), sizes[i]);
		at += sizes[i];
	}
	assert_int_equal(at, t.size);
	assert_int_equal(pieces_count(t), sizeof sizes / sizeof *sizes);
	assert_int_equal(pieces_bytes(t, 4), 5);
	assert_int_equal(pieces_bytes(t, 1000), t.size);
	assert_int_equal(pieces_count(chat_text_of("")), 0);
	assert_int_equal(pieces_count(chat_text_of("abcdefghijklmnopqrstuvwxyz")), 2);
}

static void test_constrain(void **state)
{
	(void)state;
	struct guess g = {
	    {chat_text_of("a"), chat_text_of("b"), chat_text_of("c")}, {0.5, 0.3, 0.2}, 3, 2};
	json_t *list = json_pack("[s,s,s]", "d", "B", "C");
	struct guess kept = guess_constrain(&g, list);
	assert_int_equal(kept.count, 2);
	assert_int_equal(kept.likely, 1);
	assert_true(chat_text_equal(kept.names[0], chat_text_of("B")));
	assert_true(fabs(kept.probabilities[0] - 0.6) < 1e-12);
	json_decref(list);
	list = json_pack("[s]", "d");
	kept = guess_constrain(&g, list);
	assert_int_equal(kept.count, 1);
	assert_true(chat_text_equal(kept.names[0], chat_text_of("d")));
	json_decref(list);
}

/* Log probabilities of all pieces; the caller drops the list. */
static json_t *logprobs_of(const struct wording *w, uint32_t top)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	logprobs_write(&out, w, 0, w->content.size, top);
	json_t *root = json_loadb(out.data, out.size, 0, NULL);
	buf_done(&out);
	assert_non_null(root);
	return root;
}

static void test_logprobs(void **state)
{
	(void)state;
	struct wording w;
	wording_init(&w);
	buf_add_str(&w.content, "Label: not biased.");
	w.spans[0] = (struct wording_span){
	    7,
	    10,
	    {{chat_text_of("not biased"), chat_text_of("not sure"), chat_text_of("fair")},
	     {0.5, 0.3, 0.2},
	     3,
	     1}};
	w.span_count = 1;
	json_t *root = logprobs_of(&w, 2);
	static const struct {
		const char *token;
		double probability;
		const char *second; /* NULL: only itself */
		double second_probability;
	} expected[] = {
	    {"Label", 0.9, NULL, 0},	 {":", 0.9, NULL, 0},
	    {" not", 0.8, " fair", 0.2}, {" biased", 0.5 / 0.8, " sure", 0.3 / 0.8},
	    {".", 0.9, NULL, 0},
	};
	const json_t *content = json_object_get(root, "content");
	assert_int_equal(json_array_size(content), 5);
	for (size_t i = 0; i < 5; i++) {
		const json_t *piece = json_array_get(content, i);
		const json_t *top = json_object_get(piece, "top_logprobs");
		assert_string_equal(json_string_value(json_object_get(piece, "token")),
				    expected[i].token);
		double p = exp(json_number_value(json_object_get(piece, "logprob")));
		assert_true(fabs(p - expected[i].probability) < 1e-6);
		assert_int_equal(json_array_size(top), expected[i].second ? 2 : 1);
		assert_int_equal(json_array_size(json_object_get(piece, "bytes")),
				 strlen(expected[i].token));
		if (!expected[i].second)
			continue;
		const json_t *second = json_array_get(top, 1);
		assert_string_equal(json_string_value(json_object_get(second, "token")),
				    expected[i].second);
		p = exp(json_number_value(json_object_get(second, "logprob")));
		assert_true(fabs(p - expected[i].second_probability) < 1e-6);
	}
	json_decref(root);
	wording_done(&w);
}

/* A single name has its 0.9 once, however many pieces it has. */
static void test_logprobs_of_one(void **state)
{
	(void)state;
	struct wording w;
	wording_init(&w);
	buf_add_str(&w.content, "not biased");
	w.spans[0] = (struct wording_span){0, 10, guess_of(chat_text_of("not biased"))};
	w.span_count = 1;
	json_t *root = logprobs_of(&w, 0);
	double sum = 0;
	size_t i;
	json_t *piece;
	json_array_foreach(json_object_get(root, "content"), i, piece)
	{
		assert_int_equal(json_array_size(json_object_get(piece, "top_logprobs")), 0);
		sum += json_number_value(json_object_get(piece, "logprob"));
	}
	assert_true(fabs(exp(sum) - 0.9) < 1e-6);
	json_decref(root);
	wording_done(&w);
}

/* Whatever the content, the reply is JSON that gives it back, invalid bytes replaced. */
static void test_reply(void **state)
{
	(void)state;
	struct buf out;
	struct wording w;
	struct params params = {.choices = 2, .logprobs = true, .top_logprobs = 5};
	struct reply_head head = {"offline", 3, chat_text_of("m\"x")};
	struct reply_usage usage = {2, 1, 30, 4};
	wording_init(&w);
	buf_init(&out, 100000);
	buf_add(&w.content, "a\"\\\n\t\x01\0\xc3\xa9\xff", 10);
	reply_begin(&out, &head, &params);
	for (uint32_t i = 0; i < 2; i++)
		reply_choice(&out, &head, &params, i, &w);
	reply_end(&out, &head, &params, &usage);
	json_t *root = json_loadb(out.data, out.size, JSON_ALLOW_NUL, NULL);
	assert_non_null(root);
	const json_t *choice = json_array_get(json_object_get(root, "choices"), 1);
	const json_t *content = json_object_get(json_object_get(choice, "message"), "content");
	assert_int_equal(json_integer_value(json_object_get(choice, "index")), 1);
	assert_int_equal(json_string_length(content), 12);
	assert_memory_equal(json_string_value(content), "a\"\\\n\t\x01\0\xc3\xa9\xef\xbf\xbd", 12);
	int total = 0;
	int cached = 0;
	int reasoning = 0;
	assert_int_equal(json_unpack(root, "{s:{s:i,s:{s:i},s:{s:i}}}", "usage", "total_tokens",
				     &total, "prompt_tokens_details", "cached_tokens", &cached,
				     "completion_tokens_details", "reasoning_tokens", &reasoning),
			 0);
	assert_int_equal(total, 32);
	assert_int_equal(cached, 1);
	assert_int_equal(reasoning, 4);
	assert_non_null(
	    strstr(json_string_value(json_object_get(root, "system_fingerprint")), "mock"));
	json_decref(root);
	wording_done(&w);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_pieces),   cmocka_unit_test(test_constrain),
	    cmocka_unit_test(test_logprobs), cmocka_unit_test(test_logprobs_of_one),
	    cmocka_unit_test(test_reply),
	};
	return cmocka_run_group_tests(tests, mock_setup, mock_teardown);
}
