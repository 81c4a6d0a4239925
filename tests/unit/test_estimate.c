/* libs: freeal-lib config llm text base proto */
/* What a task will ask, in numbers that are worked out by hand. */
#include "cli/estimate.h"

#include "config/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct world {
	struct task *task;
	Freeal__Project *project;
	struct survey survey;
	struct estimate *estimate;
};

/* 1,000 samples of 400 bytes, the longest of 1,000; 200 bring a second view. */
static void world_init(struct world *w, const char *text)
{
	struct err_msg msg = {""};
	*w = (struct world){
	    .survey.counts = {
		.samples = 1000, .augmented = 200, .text_bytes = 400000, .text_bytes_max = 1000}};
	assert_int_equal(task_parse("t", text, strlen(text), &w->task, &msg), ERR_OK);
	w->project = project_from_task(w->task, 1);
	assert_non_null(w->project);
	assert_int_equal(estimate_new(w->task, w->project, &w->survey, &w->estimate, &msg), ERR_OK);
}

static void world_done(struct world *w)
{
	estimate_free(w->estimate);
	freeal__project__free_unpacked(w->project, NULL);
	task_free(w->task);
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-6 * (1 + fabs(b));
}

#define LABELS "labels: [abcd, efgh]\n"

static void test_steps(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, LABELS "llm: {url: http://h, model: m}\n"
			      "rounds: [{shots: 2}, {shots: 0, relabel: 0.25}]\n"
			      "embeddings: {url: http://e, model: e, batch: 64}\n"
			      "augment: {language: French}\n");
	const struct estimate *e = w.estimate;
	assert_int_equal(e->row_count, 5);
	assert_int_equal(e->rows[0].step, ESTIMATE_AUGMENT);
	assert_int_equal(e->rows[0].asked, 800);
	assert_true(e->rows[0].requests == 800);
	assert_true(near(e->rows[0].tokens_out, 800 * 100));
	assert_int_equal(e->rows[1].step, ESTIMATE_GENERATE);
	assert_true(e->rows[1].requests == 2);
	assert_int_equal(e->rows[2].step, ESTIMATE_EMBED);
	assert_true(e->rows[2].requests == 16 && near(e->rows[2].tokens_in, 100000));
	assert_int_equal(e->rows[2].most.tokens, 400000);
	assert_int_equal(e->rows[3].step, ESTIMATE_ROUND);
	assert_true(e->rows[3].requests == 1000 && e->rows[4].requests == 250);
	assert_true(near(e->rows[3].tokens_out, 1000));
	/* Two demonstrations are two messages and an answer more each. */
	double more = e->rows[3].tokens_in / 1000 - e->rows[4].tokens_in / 250;
	assert_true(near(more, 2 * (400 + 4) / 4.0 + 4 * 4));
	assert_true(near(e->sum.requests, 800 + 2 + 16 + 1000 + 250));
	assert_false(e->sum.priced);
	assert_true(e->rows[3].minutes < 0 && e->sum.minutes == 0);
	world_done(&w);
}

static void test_answers(void **state)
{
	(void)state;
	struct world w;
	world_init(&w,
		   LABELS "llm: {url: http://h, model: m, reasoning_tokens: 400, max_tokens: 10}\n"
			  "rounds: [{shots: 0}, {shots: 0, relabel: 1, batch: 7},\n"
			  "  {shots: 0, relabel: 1, reasoning: true},\n"
			  "  {shots: 0, relabel: 1, answers: json},\n"
			  "  {shots: 0, relabel: 1, samples: 3, temperature: 1, attempts: 2}]\n");
	const struct estimate_row *rows = w.estimate->rows;
	assert_true(rows[1].requests == 143 && near(rows[1].tokens_out, 1000));
	assert_true(rows[1].tokens_in < rows[0].tokens_in);
	assert_true(near(rows[2].tokens_out, 1000 * 101));
	assert_true(near(rows[3].tokens_out, 1000 * 7));
	assert_true(rows[4].requests == 1000 && near(rows[4].tokens_in, rows[0].tokens_in));
	assert_int_equal(rows[4].most.requests, 6000);
	assert_true((double)rows[0].most.tokens > rows[0].tokens_in + rows[0].tokens_out);
	world_done(&w);
}

static void test_money_and_time(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, LABELS "endpoints:\n"
			      "  - {name: a, url: http://a, model: m, requests_per_minute: 30,\n"
			      "     usd_per_million: {in: 0, out: 100000}}\n"
			      "  - {name: b, url: http://b, model: m, requests_per_minute: 10,\n"
			      "     usd_per_million: {in: 0, out: 200000}}\n"
			      "  - {name: c, url: http://c, model: m, tokens_per_minute: 1,\n"
			      "     usd_per_million: {in: 0, out: 400000}}\n"
			      "  - {name: free, url: http://d, model: m}\n"
			      "llm: {endpoints: [a, b], max_tokens: 10}\n"
			      "rounds: [{shots: 0}, {shots: 0, relabel: 1, endpoints: [c]},\n"
			      "  {shots: 0, relabel: 1, endpoints: [b, free]}]\n");
	const struct estimate_row *rows = w.estimate->rows;
	/* A token a sample; three in four go to the endpoint that lets through three times more. */
	assert_true(near(rows[0].usd, 100 * (0.75 * 1 + 0.25 * 2)));
	assert_true(near(rows[0].minutes, 1000 / 40.0));
	assert_true(near(rows[1].usd, 400));
	/* The longest answer counts against a limit on tokens. */
	assert_true(near(rows[1].minutes, rows[1].tokens_in + 1000 * 10));
	assert_true(rows[0].priced && rows[1].priced && !rows[2].priced);
	assert_true(rows[2].minutes < 0);
	assert_true(near(w.estimate->sum.minutes, rows[0].minutes + rows[1].minutes));
	/* At most: the dearest endpoint, ten tokens of an answer. */
	assert_int_equal(rows[0].most.nano_usd, 100ull * 10 * 2 * 1000000000);
	world_done(&w);
}

static void test_cached(void **state)
{
	(void)state;
	char text[9000] =
	    LABELS "llm: {url: http://h, model: m, usd_per_million: {in: 1, cached: 0, "
		   "out: 0}}\nrounds: [{shots: 0}]\ndescription: x";
	struct world w;
	world_init(&w, text);
	assert_true(w.estimate->rows[0].tokens_cached == 0);
	world_done(&w);
	memset(text + strlen(text), 'x', 4200);
	world_init(&w, text);
	const struct estimate_row *row = &w.estimate->rows[0];
	/* The first request finds nothing; then whole steps of 128 tokens. */
	assert_true(row->tokens_cached == 999 * 1024);
	assert_true(near(row->usd, (row->tokens_in - 999 * 1024) / 1e6));
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_money_and_time),
	    cmocka_unit_test(test_cached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
