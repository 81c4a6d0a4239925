#include "cli/summary.h"

#include "cli/console.h"
#include "cli/progress.h"

#include <inttypes.h>
#include <string.h>

#define LABELS_SHOWN 20
#define NAME_COLUMNS_MAX 40

static uint64_t count_of(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));
	return n > 0 ? (uint64_t)n : 0;
}

static bool has_number(const json_t *object, const char *key)
{
	return json_is_number(json_object_get(object, key));
}

static double number_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void write_head(const json_t *report, struct buf *out)
{
	char n[32];
	const char *task = json_string_value(json_object_get(report, "task"));
	buf_printf(out, "%s: %s samples labelled", task ? task : "task",
		   console_count(n, count_of(report, "samples")));
	if (has_number(report, "seconds")) {
		buf_add_str(out, " in ");
		progress_time(number_of(report, "seconds"), out);
	}
	buf_add_char(out, '\n');
}

/* Characters, not bytes. */
static int width_of(const char *text)
{
	int width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void write_labels(const json_t *report, struct buf *out)
{
	json_t *labels = json_object_get(report, "labels");
	uint64_t samples = count_of(report, "samples");
	size_t shown = 0;
	int width = 5;
	const char *name;
	json_t *value;
	json_object_foreach(labels, name, value)
	{
		int columns = width_of(name);
		if (columns > width && columns < NAME_COLUMNS_MAX)
			width = columns;
	}
	json_object_foreach(labels, name, value)
	{
		char n[32];
		if (shown++ == LABELS_SHOWN)
			break;
		int pad = width - width_of(name);
		buf_printf(out, "  %s%*s %12s", name, pad > 0 ? pad : 0, "",
			   console_count(n, count_of(labels, name)));
		if (samples)
			buf_printf(out, "  %5.1f %%",
				   100.0 * (double)count_of(labels, name) / (double)samples);
		buf_add_char(out, '\n');
	}
	if (json_object_size(labels) > LABELS_SHOWN)
		buf_printf(out, "  and %zu more labels\n", json_object_size(labels) - LABELS_SHOWN);
}

static void write_sources(const json_t *report, struct buf *out)
{
	static const char *const keys[] = {"llm", "slm", "human"};
	static const char *const words[] = {"the LLM", "the small model", "people"};
	const json_t *sources = json_object_get(report, "sources");
	const char *before = "  from ";
	for (size_t i = 0; i < 3; i++) {
		char n[32];
		if (!count_of(sources, keys[i]))
			continue;
		buf_printf(out, "%s%s %s", before, words[i],
			   console_count(n, count_of(sources, keys[i])));
		before = ", ";
	}
	if (before[0] == ',')
		buf_add_char(out, '\n');
}

static void write_round(const json_t *round, struct buf *out)
{
	static const char *const keys[] = {"asked", "unusable", "changed", "clean", "pool"};
	static const char *const words[] = {"asked", "without a usable answer", "labels changed",
					    "clean", "demonstrations chosen"};
	const char *model = json_string_value(json_object_get(round, "model"));
	buf_printf(out, "  round %" PRIu64, count_of(round, "round"));
	if (model)
		buf_printf(out, " (%s, %" PRIu64 " shots)", model, count_of(round, "shots"));
	const char *before = ": ";
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char n[32];
		if (!has_number(round, keys[i]))
			continue;
		buf_printf(out, "%s%s %s", before, console_count(n, count_of(round, keys[i])),
			   words[i]);
		before = ", ";
	}
	buf_add_char(out, '\n');
}

/* Names with their counts, those that are there. */
static void write_counts(const char *words, const json_t *counts, struct buf *out)
{
	char n[32];
	const char *name;
	json_t *value;
	const char *before = words;
	json_object_foreach((json_t *)counts, name, value)
	{
		buf_printf(out, "%s%s %s", before, name,
			   console_count(n, (uint64_t)json_integer_value(value)));
		before = ", ";
	}
	if (before != words)
		buf_add_char(out, '\n');
}

static void write_endpoints(const json_t *round, struct buf *out)
{
	size_t i;
	const json_t *endpoint;
	const json_t *endpoints = json_object_get(round, "endpoints");
	uint64_t all = 0;
	json_array_foreach(endpoints, i, endpoint) all += count_of(endpoint, "answers");
	if (json_array_size(endpoints) < 2 || all == 0)
		return;
	json_array_foreach(endpoints, i, endpoint)
	{
		const char *name = json_string_value(json_object_get(endpoint, "name"));
		buf_printf(out, "%s%s %.0f %%", i ? ", " : "    answered by ", name ? name : "?",
			   100.0 * (double)count_of(endpoint, "answers") / (double)all);
	}
	buf_add_char(out, '\n');
}

static void write_usage(const json_t *usage, struct buf *out)
{
	static const struct {
		const char *key, *words;
	} more[] = {{"tokens_cached", "of the tokens in from the server's cache"},
		    {"tokens_reasoning", "of the tokens out for reasoning"},
		    {"recalled", "answers from freeal's cache"}};
	char a[32], b[32], c[32];
	double usd = number_of(usage, "usd");
	buf_printf(out, "%s requests, %s tokens in, %s out",
		   console_count(a, count_of(usage, "requests")),
		   console_count(b, count_of(usage, "tokens_in")),
		   console_count(c, count_of(usage, "tokens_out")));
	if (usd > 0)
		buf_printf(out, ", $%.*f", usd < 0.1 ? 4 : 2, usd);
	for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
		if (count_of(usage, more[i].key))
			buf_printf(out, "; %s %s", console_count(a, count_of(usage, more[i].key)),
				   more[i].words);
	}
	buf_add_char(out, '\n');
}

/* What a round cost, and what came of it. */
static void write_rung(const json_t *round, struct buf *out)
{
	char n[32], m[32];
	const json_t *gold = json_object_get(round, "gold");
	if (count_of(json_object_get(round, "usage"), "requests")) {
		buf_add_str(out, "    ");
		write_usage(json_object_get(round, "usage"), out);
	}
	write_counts("    unusable: ", json_object_get(round, "reasons"), out);
	write_endpoints(round, out);
	if (count_of(gold, "samples"))
		buf_printf(out, "    answers right %.2f %%; labels mended %s, broken %s\n",
			   100 * number_of(gold, "correct"),
			   console_count(n, count_of(gold, "mended")),
			   console_count(m, count_of(gold, "broken")));
}

static void write_rounds(const json_t *report, struct buf *out)
{
	size_t i;
	const json_t *round;
	json_array_foreach(json_object_get(report, "rounds"), i, round)
	{
		write_round(round, out);
		write_rung(round, out);
	}
	const char *reason = json_string_value(json_object_get(report, "stop_reason"));
	if (reason && reason[0])
		buf_printf(out, "  no more rounds: %s\n", reason);
}

static void write_price(const json_t *report, struct buf *out)
{
	const json_t *usage = json_object_get(report, "usage");
	if (!usage)
		return;
	buf_add_str(out, "  LLM: ");
	write_usage(usage, out);
}

static void write_right(const char *words, const json_t *share, struct buf *out)
{
	char n[32];
	uint64_t samples = count_of(share, "samples");
	if (samples)
		buf_printf(out, "    %-26s %6.2f %% of %s right\n", words,
			   100 * number_of(share, "correct"), console_count(n, samples));
}

static void write_share(const char *words, const json_t *gold, const char *key, struct buf *out)
{
	if (has_number(gold, key))
		buf_printf(out, "    %-26s %6.2f %%\n", words, 100 * number_of(gold, key));
}

static void write_gold(const json_t *report, struct buf *out)
{
	static const struct {
		const char *key, *words;
	} shares[] = {
	    {"first_llm", "LLM, first answers"},
	    {"llm", "LLM, last answers"},
	    {"filled", "labels without an answer"},
	    {"clean", "labels called clean"},
	    {"pool", "demonstrations"},
	};
	const json_t *gold = json_object_get(report, "gold");
	char n[32];
	if (!count_of(gold, "samples"))
		return;
	buf_printf(out, "  against %s gold labels, which nothing but this report reads:\n",
		   console_count(n, count_of(gold, "samples")));
	write_share("final labels right", gold, "accuracy", out);
	write_share("macro F1 of these", gold, "macro_f1", out);
	write_share("final model alone right", gold, "model_accuracy", out);
	write_share("calibration error", gold, "calibration_error", out);
	for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
		write_right(shares[i].words, json_object_get(gold, shares[i].key), out);
}

void summary_write(const json_t *report, struct buf *out)
{
	char n[32];
	write_head(report, out);
	write_labels(report, out);
	write_sources(report, out);
	if (count_of(report, "set_aside") &&
	    count_of(report, "set_aside") == count_of(report, "samples"))
		buf_add_str(out,
			    "  NOT ONE ANSWER OF THE LLM COULD BE USED: these labels are guesses; "
			    "llm_reason in the labels says why\n");
	if (count_of(report, "set_aside"))
		buf_printf(out, "  %s never answered by the LLM\n",
			   console_count(n, count_of(report, "set_aside")));
	if (has_number(report, "confidence_mean"))
		buf_printf(out, "  mean confidence %.1f %%\n",
			   100 * number_of(report, "confidence_mean"));
	write_rounds(report, out);
	write_price(report, out);
	write_gold(report, out);
}
