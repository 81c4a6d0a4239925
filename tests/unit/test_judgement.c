/* libs: llm proto base */
#include "llm/judgement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct outcome outcome_status(uint32_t status, const char *code)
{
	return (struct outcome){.status = status, .code = code, .retry_after_ms = RETRY_AFTER_NONE};
}

static void test_judge_status(void **state)
{
	(void)state;
	static const struct {
		uint32_t status;
		const char *code;
		enum verdict verdict;
		const char *reason;
	} rows[] = {
	    {200, "", VERDICT_ANSWER, ""},
	    {201, "", VERDICT_ANSWER, ""},
	    {301, "", VERDICT_BLOCK, "url"},
	    {307, "", VERDICT_BLOCK, "url"},
	    {400, "", VERDICT_UNUSABLE, "rejected"},
	    {400, "content_filter", VERDICT_UNUSABLE, "refused"},
	    {400, "model_not_found", VERDICT_BLOCK, "settings"},
	    {400, "unsupported_parameter", VERDICT_BLOCK, "settings"},
	    {401, "invalid_api_key", VERDICT_BLOCK, "key_refused"},
	    {402, "", VERDICT_BLOCK, "no_credit"},
	    {403, "", VERDICT_BLOCK, "forbidden"},
	    {404, "model_not_found", VERDICT_BLOCK, "not_found"},
	    {405, "", VERDICT_BLOCK, "url"},
	    {408, "", VERDICT_RETRY, "server_error"},
	    {413, "", VERDICT_UNUSABLE, "rejected"},
	    {422, "", VERDICT_UNUSABLE, "rejected"},
	    {429, "", VERDICT_PAUSE, "rate_limit"},
	    {429, "rate_limit_exceeded", VERDICT_PAUSE, "rate_limit"},
	    {429, "insufficient_quota", VERDICT_BLOCK, "no_credit"},
	    {500, "", VERDICT_RETRY, "server_error"},
	    {502, "", VERDICT_RETRY, "server_error"},
	    {503, "", VERDICT_RETRY, "server_error"},
	    {504, "", VERDICT_RETRY, "server_error"},
	    {529, "", VERDICT_RETRY, "server_error"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outcome o = outcome_status(rows[i].status, rows[i].code);
		struct judgement j = judgement_of(&o);
		if (j.verdict != rows[i].verdict || strcmp(j.reason, rows[i].reason) != 0)
			fail_msg("status %u %s: verdict %d %s", rows[i].status, rows[i].code,
				 (int)j.verdict, j.reason);
	}
}

static void test_judge_transfer(void **state)
{
	(void)state;
	static const struct {
		enum transfer transfer;
		enum verdict verdict;
	} rows[] = {
	    {TRANSFER_UNREACHABLE, VERDICT_RETRY}, {TRANSFER_TIMEOUT, VERDICT_RETRY},
	    {TRANSFER_TOO_LARGE, VERDICT_RETRY},   {TRANSFER_CERTIFICATE, VERDICT_BLOCK},
	    {TRANSFER_URL, VERDICT_BLOCK},	   {TRANSFER_NO_KEY, VERDICT_BLOCK},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outcome o = outcome_status(0, "");
		o.transfer = rows[i].transfer;
		assert_int_equal(judgement_of(&o).verdict, rows[i].verdict);
	}
	struct outcome o = outcome_status(200, "");
	o.malformed = true;
	assert_int_equal(judgement_of(&o).verdict, VERDICT_RETRY);
	o = outcome_status(503, "");
	o.retry_after_ms = 2000;
	assert_int_equal(judgement_of(&o).verdict, VERDICT_PAUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_judge_status),
	    cmocka_unit_test(test_judge_transfer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
