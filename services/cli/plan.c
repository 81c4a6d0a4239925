/*
 * freeal plan: what a run will ask, and what that costs, in a table.
 */
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/outlook.h"
#include "config/option.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CELL_BYTES 32
#define ROW_FORMAT "%-9s %5s %5s %11s %14s %14s %13s %10s %11s %8s  "

struct cell {
	char text[CELL_BYTES];
};

static struct cell count_cell(double n)
{
	struct cell c;
	(void)console_count(c.text, (uint64_t)llround(n));
	return c;
}

static struct cell usd_cell(const struct estimate_row *row, double usd)
{
	struct cell c;
	if (!row->priced)
		(void)snprintf(c.text, sizeof c.text, "?");
	else
		(void)snprintf(c.text, sizeof c.text, "%.*f", usd < 0.1 ? 4 : 2, usd);
	return c;
}

static struct cell time_cell(double minutes)
{
	struct cell c;
	if (minutes < 0)
		(void)snprintf(c.text, sizeof c.text, "-");
	else if (minutes < 120)
		(void)snprintf(c.text, sizeof c.text, "%.1f min", minutes);
	else
		(void)snprintf(c.text, sizeof c.text, "%.1f h", minutes / 60);
	return c;
}

static void numbers_print(const char *step, const char *share, const char *shots,
			  const struct estimate_row *row)
{
	(void)printf(ROW_FORMAT, step, share, shots, count_cell(row->requests).text,
		     count_cell(row->tokens_in).text, count_cell(row->tokens_cached).text,
		     count_cell(row->tokens_out).text, usd_cell(row, row->usd).text,
		     usd_cell(row, (double)row->most.nano_usd / 1e9).text,
		     time_cell(row->minutes).text);
}

/* How it asks, as far as that is not as always. */
static void settings_print(const Freeal__Llm *l)
{
	static const char *const forms[] = {"", ", json", ", choice"};
	(void)printf("%s%s%s", forms[l->form], l->reasoning ? ", reasoning" : "",
		     l->candidates ? ", candidates" : "");
	if (l->logprobs)
		(void)printf(", logprobs");
	if (l->samples > 1)
		(void)printf(", %u samples", l->samples);
	if (l->batch > 1)
		(void)printf(", batch %u", l->batch);
	if (l->batch_api)
		(void)printf(", batch API");
	if (*l->effort)
		(void)printf(", effort %s", l->effort);
}

static void endpoints_print(const Freeal__Project *project, const struct estimate_row *row)
{
	for (size_t i = 0; i < estimate_endpoint_count(row); i++) {
		const Freeal__Endpoint *e = estimate_endpoint(project, row, i);
		(void)printf("%s%s", i ? " + " : "", e->name);
		/* One without a name is called after its model. */
		if (strncmp(e->name, e->model, strlen(e->model)) != 0)
			(void)printf(" (%s)", e->model);
	}
}

static void row_print(const Freeal__Project *project, const struct estimate_row *row)
{
	static const char *const steps[] = {"GENERATE", "AUGMENT", "EMBED"};
	char step[CELL_BYTES], share[CELL_BYTES] = "", shots[CELL_BYTES] = "";
	if (row->step == ESTIMATE_ROUND) {
		const Freeal__RoundConfig *config = project->rounds[row->round];
		double asked = row->round == 0 ? 1 : config->relabel;
		(void)snprintf(step, sizeof step, "round %u", row->round);
		(void)snprintf(share, sizeof share, "%.0f%%", asked * 100);
		(void)snprintf(shots, sizeof shots, "%u", config->shots);
	} else {
		(void)snprintf(step, sizeof step, "%s", steps[row->step]);
	}
	numbers_print(step, share, shots, row);
	endpoints_print(project, row);
	if (row->step == ESTIMATE_ROUND)
		settings_print(row->llm);
	(void)putchar('\n');
}

/* What is told of one of the budget's limits. */
static void budget_line(const char *what, double limit, double expected, double most)
{
	const char *verdict = "will do";
	if (expected > limit)
		verdict = "WON'T DO: the run will pause before its end";
	else if (most > limit)
		verdict = "will do as expected; at the worst the run pauses before its end";
	(void)printf("Budget of %.9g %s: %s.\n", limit, what, verdict);
}

static void budget_print(const struct task_budget *b, const struct estimate_row *sum)
{
	double tokens = sum->tokens_in + sum->tokens_out;
	if (b->nano_usd > 0)
		budget_line("USD", (double)b->nano_usd / 1e9, sum->usd,
			    (double)sum->most.nano_usd / 1e9);
	if (b->tokens > 0)
		budget_line("tokens", (double)b->tokens, tokens, (double)sum->most.tokens);
	if (b->requests > 0)
		budget_line("requests", (double)b->requests, sum->requests,
			    (double)sum->most.requests);
}

static void plan_print(const struct outlook *o, const char *task_path, const char *input)
{
	const struct survey_counts *counts = &o->survey->counts;
	const struct estimate *e = o->estimate;
	char samples[32];
	(void)printf(
	    "%s with %s: %s samples of %.0f bytes on average.\n"
	    "Tokens are estimated as bytes / 4, and 4 a message; demonstrations are as long as "
	    "the\n"
	    "samples on average; reasoning takes a quarter of reasoning_tokens; prompts that "
	    "begin\n"
	    "alike come from the server's cache from 1,024 tokens on. At most: a token for each\n"
	    "byte, the longest demonstrations and answers, and all attempts; the budget reserves\n"
	    "that much. Not in it: requests that a server fails, and what a model thinks "
	    "unseen.\n\n",
	    task_path, input, console_count(samples, counts->samples),
	    (double)counts->text_bytes / (double)counts->samples);
	(void)printf(ROW_FORMAT "asks\n", "step", "share", "shots", "requests", "tokens in",
		     "cached", "tokens out", "USD", "at most", "time");
	for (size_t i = 0; i < e->row_count; i++)
		row_print(o->project, &e->rows[i]);
	numbers_print("in all", "", "", &e->sum);
	(void)fputs("\n\n", stdout);
	(void)fputs(
	    "Time is what the endpoints' limits a minute allow; the servers' own pace comes "
	    "on top.\n",
	    stdout);
	if (!e->sum.priced)
		(void)fputs(
		    "For prices, give each endpoint usd_per_million: {in: ..., out: ...}.\n",
		    stdout);
	if (o->task->early_stop)
		(void)fputs("Later rounds are left out when they would change nothing.\n", stdout);
	budget_print(&o->task->budget, &e->sum);
}

int command_plan(int argc, char **argv)
{
	const char *input = NULL;
	const struct option_entry entries[] = {
	    {.name = "input",
	     .type = OPTION_STRING,
	     .value = &input,
	     .arg = "FILE",
	     .help = "samples: CSV, TSV or JSONL, also .gz"},
	};
	const struct option_program program = {
	    .name = "freeal plan",
	    .usage = "TASK.yaml",
	    .summary =
		"Shows what a run will ask of LLM servers, round by round: requests, tokens, "
		"money, time.\nNothing is asked.",
	    .entries = entries,
	    .entry_count = sizeof entries / sizeof *entries,
	    .positional_min = 1,
	    .positional_max = 1,
	};
	struct err_msg msg = {{0}};
	struct option_rest rest;
	enum err e = option_parse(&program, argc, argv, &rest, &msg);
	if (!e && rest.done)
		return EXIT_CODE_OK;
	if (!e && !input)
		e = err_set(&msg, ERR_INVALID, "give the samples with --input FILE");
	if (e)
		return console_fail(e, &msg);
	struct outlook o;
	e = outlook_init(&o, rest.positionals[0], input, NULL, &msg);
	if (!e)
		plan_print(&o, rest.positionals[0], input);
	outlook_done(&o);
	return e ? console_fail(e, &msg) : EXIT_CODE_OK;
}
