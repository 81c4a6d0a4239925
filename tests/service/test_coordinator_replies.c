/* libs: wire base freeal-coordinator coordinator_bench.c worker_peers.c */
/* The LLM's replies, which the coordinator keeps for its annotators. */
#include "coordinator_bench.h"

#include <string.h>

/* A result of item `no` with the reply to question `no`: answered, or failed. */
static void kept_send(struct bench *b, uint8_t no, bool failed)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__Annotation annotation = FREEAL__ANNOTATION__INIT;
	Freeal__Result result = FREEAL__RESULT__INIT;
	Freeal__KeptReply reply = FREEAL__KEPT_REPLY__INIT, *replies[1] = {&reply};
	uint8_t key[32] = {no}, body[2] = {(uint8_t)('0' + no), '.'};
	reply.key = (ProtobufCBinaryData){sizeof key, key};
	reply.body = (ProtobufCBinaryData){sizeof body, body};
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = no;
	result.name = &name;
	result.attempt = 1;
	if (failed) {
		result.error = "unreachable";
	} else {
		annotation.reason = "not_a_label";
		result.body_case = FREEAL__RESULT__BODY_ANNOTATE;
		result.annotate = &annotation;
	}
	result.replies = replies;
	result.n_replies = 1;
	err_ignore(worker_result(b->annotator, &result)); /* not leased: sent all the same */
}

static void recall_send(struct bench *b)
{
	uint8_t keys[3][32] = {{0}, {1}, {2}};
	ProtobufCBinaryData list[3];
	Freeal__Recall recall = FREEAL__RECALL__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	for (int i = 0; i < 3; i++)
		list[i] = (ProtobufCBinaryData){sizeof keys[i], keys[i]};
	recall.keys = list;
	recall.n_keys = 3;
	e.body_case = FREEAL__ENVELOPE__BODY_RECALL;
	e.recall = &recall;
	assert_int_equal(worker_send(b->annotator, &e), ERR_OK);
}

static bool is_recalled(struct bench *b)
{
	return b->recalled_count > 0;
}

static bool is_recalled_twice(struct bench *b)
{
	return b->recalled_count > 1;
}

static bool is_welcome(struct bench *b)
{
	return b->welcomes == 4; /* both workers, twice */
}

/* What is acknowledged has its replies kept, whatever came of it, also after kill -9. */
static void replies_are_kept_and_recalled(void **state)
{
	struct bench *b = *state;
	char reply[8192];
	samples_post(b);
	workers_run(b, 1, one_is_leased);
	kept_send(b, 0, false);
	kept_send(b, 2, true);
	workers_run(b, 1, results_are_acknowledged);
	coordinator_kill(b);
	coordinator_start(b);
	workers_run(b, 1, is_welcome);
	recall_send(b);
	workers_run(b, 1, is_recalled);
	assert_int_equal(b->recalled, 2);
	http(b, "GET", "/v1/cache", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "{\"number\":0,\"key\":\"0000000000"));
	assert_non_null(strstr(reply, "{\"number\":1,\"key\":\"0200000000"));
	assert_non_null(strstr(reply, "\"bytes\":2,\"model\":null,\"answer\":null}"));
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "\"replies\":2,\"bytes\":260}"));
	http(b, "POST", "/v1/cache/clear", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "200 OK"));
	recall_send(b);
	workers_run(b, 1, is_recalled_twice);
	assert_int_equal(b->recalled, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(replies_are_kept_and_recalled, bench_make, bench_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
