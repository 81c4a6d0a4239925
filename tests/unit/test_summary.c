/* libs: freeal-lib */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/escape.h"
#include "cli/score.h"
#include "cli/summary.h"

static const char full[] =
    "{\"task\":\"reviews\",\"samples\":1000,\"seconds\":75.2,\"set_aside\":3,"
    "\"stop_reason\":\"no gain is expected\",\"labels\":{\"negative\":400,\"positive\":600},"
    "\"sources\":{\"llm\":900,\"slm\":100,\"human\":0},\"confidence_mean\":0.875,"
    "\"rounds\":[{\"round\":0,\"model\":\"m\",\"shots\":10,\"asked\":1000,\"unusable\":20,"
    "\"changed\":980,\"clean\":500,\"pool\":100},{\"round\":1,\"model\":\"n\",\"shots\":5,"
    "\"asked\":400,\"usage\":{\"requests\":390,\"tokens_in\":9000,\"tokens_cached\":4000,"
    "\"tokens_out\":800,\"tokens_reasoning\":500,\"usd\":1.5,\"recalled\":10},"
    "\"reasons\":{\"refused\":3,\"not_a_label\":2},\"endpoints\":[{\"name\":\"a\",\"answers\":300},"
    "{\"name\":\"b\",\"answers\":100}],\"gold\":{\"samples\":395,\"correct\":0.95,\"mended\":30,"
    "\"broken\":4}}],"
    "\"usage\":{\"requests\":1020,\"tokens_in\":1000000,\"tokens_out\":2040,\"usd\":0.05},"
    "\"gold\":{\"samples\":1000,\"accuracy\":0.9,\"macro_f1\":0.89,"
    "\"llm\":{\"samples\":980,\"correct\":0.8},\"filled\":{\"samples\":0,\"correct\":0.0}}}";

static void full_report(void **state)
{
	(void)state;
	json_t *report = json_loads(full, 0, NULL);
	assert_non_null(report);
	struct buf out;
	buf_init(&out, 1 << 16);
	summary_write(report, &out);
	assert_string_equal(
	    buf_str(&out),
	    "reviews: 1,000 samples labelled in 1 min 15 s\n"
	    "  negative          400   40.0 %\n"
	    "  positive          600   60.0 %\n"
	    "  from the LLM 900, the small model 100\n"
	    "  3 never answered by the LLM\n"
	    "  mean confidence 87.5 %\n"
	    "  round 0 (m, 10 shots): 1,000 asked, 20 without a usable answer, "
	    "980 labels changed, 500 clean, 100 demonstrations chosen\n"
	    "  round 1 (n, 5 shots): 400 asked\n"
	    "    390 requests, 9,000 tokens in, 800 out, $1.50; 4,000 of the tokens in "
	    "from the server's cache; 500 of the tokens out for reasoning; 10 answers "
	    "from freeal's cache\n"
	    "    unusable: refused 3, not_a_label 2\n"
	    "    answered by a 75 %, b 25 %\n"
	    "    answers right 95.00 %; labels mended 30, broken 4\n"
	    "  no more rounds: no gain is expected\n"
	    "  LLM: 1,020 requests, 1,000,000 tokens in, 2,040 out, $0.0500\n"
	    "  against 1,000 gold labels, which nothing but this report reads:\n"
	    "    final labels right          90.00 %\n"
	    "    macro F1 of these           89.00 %\n"
	    "    LLM, last answers           80.00 % of 980 right\n");
	buf_done(&out);
	json_decref(report);
}

static void columns_are_characters(void **state)
{
	(void)state;
	json_t *report =
	    json_loads("{\"samples\":2,\"labels\":{\"日本語日本語\":1,\"abc\":1}}", 0, NULL);
	assert_non_null(report);
	struct buf out;
	buf_init(&out, 1 << 16);
	summary_write(report, &out);
	assert_non_null(strstr(buf_str(&out), "\n  日本語日本語            1   50.0 %\n"
					      "  abc               1   50.0 %\n"));
	buf_done(&out);
	json_decref(report);
}

static void empty_report(void **state)
{
	(void)state;
	json_t *report = json_object();
	struct buf out;
	buf_init(&out, 1 << 16);
	summary_write(report, &out);
	assert_string_equal(buf_str(&out), "task: 0 samples labelled\n");
	buf_done(&out);
	json_decref(report);
}

/* Values of scikit-learn's accuracy_score and f1_score(average="macro") for gold
 * 0 0 1 1 2 and predicted 0 1 1 1 0; label 3 of 4 never occurs. */
static void score_as_scikit_learn(void **state)
{
	(void)state;
	const size_t gold[] = {0, 0, 1, 1, 2}, predicted[] = {0, 1, 1, 1, 0};
	struct score s;
	assert_int_equal(score_init(&s, 4), ERR_OK);
	assert_true(score_accuracy(&s) == 0 && score_macro_f1(&s) == 0);
	for (size_t i = 0; i < 5; i++)
		score_add(&s, gold[i], predicted[i]);
	assert_true(score_accuracy(&s) == 0.6);
	double f1 = score_macro_f1(&s);
	assert_true(f1 > 0.4333333 && f1 < 0.4333334);
	score_done(&s);
}

static void escapes(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 1 << 10);
	escape_json(&out, "a\"\\\n\0\xc3\xa4", 7);
	assert_string_equal(buf_str(&out), "\"a\\\"\\\\\\u000a\\u0000\xc3\xa4\"");
	buf_reset(&out);
	escape_csv(&out, "plain", 5);
	buf_add_char(&out, ',');
	escape_csv(&out, "a,\"b\"\n", 6);
	buf_add_char(&out, ',');
	escape_csv(&out, "", 0);
	assert_string_equal(buf_str(&out), "plain,\"a,\"\"b\"\"\n\",");
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(full_report),  cmocka_unit_test(columns_are_characters),
	    cmocka_unit_test(empty_report), cmocka_unit_test(score_as_scikit_learn),
	    cmocka_unit_test(escapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
