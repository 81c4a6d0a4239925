#include "cli/summary.h"

#include "cli/console.h"
#include "cli/progress.h"

#include <inttypes.h>
#include <string.h>

#define LABELS_SHOWN 20

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

static void write_labels(const json_t *report, struct buf *out)
{
	const json_t *labels = json_object_get(report, "labels");
	uint64_t samples = count_of(report, "samples");
	size_t count = json_array_size(labels), width = 5;
	for (size_t i = 0; i < count && i < LABELS_SHOWN; i++) {
		const json_t *label = json_array_get(labels, i);
		size_t size = json_string_length(json_object_get(label, "name"));
		width = size > width && size < 40 ? size : width;
	}
	for (size_t i = 0; i < count && i < LABELS_SHOWN; i++) {
		const json_t *label = json_array_get(labels, i);
		const char *name = json_string_value(json_object_get(label, "name"));
		uint64_t n = count_of(label, "samples");
		char text[32];
		buf_printf(out, "  %-*s %12s", (int)width, name ? name : "?", console_count(text, n));
		if (samples)
			buf_printf(out, "  %5.1f %%", 100.0 * (double)n / (double)samples);
		buf_add_char(out, '\n');
	}
	if (count > LABELS_SHOWN)
		buf_printf(out, "  and %zu more labels\n", count - LABELS_SHOWN);
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

static void write_rounds(const json_t *report, struct buf *out)
{
	size_t i;
	const json_t *round;
	json_array_foreach(json_object_get(report, "rounds"), i, round)
		write_round(round, out);
	const char *reason = json_string_value(json_object_get(report, "stop_reason"));
	if (reason && reason[0])
		buf_printf(out, "  no more rounds: %s\n", reason);
}

static void write_price(const json_t *report, struct buf *out)
{
	char a[32], b[32], c[32];
	if (!has_number(report, "requests"))
		return;
	buf_printf(out, "  LLM: %s requests, %s tokens in, %s out",
		   console_count(a, count_of(report, "requests")),
		   console_count(b, count_of(report, "tokens_in")),
		   console_count(c, count_of(report, "tokens_out")));
	if (number_of(report, "usd") > 0)
		buf_printf(out, ", $%.*f", number_of(report, "usd") < 0.1 ? 4 : 2,
			   number_of(report, "usd"));
	buf_add_char(out, '\n');
}

static void write_gold(const json_t *report, struct buf *out)
{
	static const char *const keys[] = {"accuracy", "llm_accuracy", "slm_accuracy",
					   "clean_accuracy"};
	static const char *const words[] = {"final labels", "LLM's answers alone",
					    "final model alone", "labels called clean"};
	const json_t *gold = json_object_get(report, "gold");
	if (!count_of(gold, "samples"))
		return;
	char n[32];
	buf_printf(out, "  against %s gold labels (used for this report alone):\n",
		   console_count(n, count_of(gold, "samples")));
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (has_number(gold, keys[i]))
			buf_printf(out, "    %-20s %6.2f %% right\n", words[i],
				   100 * number_of(gold, keys[i]));
	if (has_number(gold, "macro_f1"))
		buf_printf(out, "    %-20s %6.2f %%\n", "macro F1", 100 * number_of(gold, "macro_f1"));
	if (has_number(gold, "calibration_error"))
		buf_printf(out, "    %-20s %6.2f %%\n", "calibration error",
			   100 * number_of(gold, "calibration_error"));
}

void summary_write(const json_t *report, struct buf *out)
{
	char n[32];
	write_head(report, out);
	write_labels(report, out);
	write_sources(report, out);
	if (count_of(report, "set_aside"))
		buf_printf(out, "  %s never answered by the LLM\n",
			   console_count(n, count_of(report, "set_aside")));
	if (has_number(report, "confidence"))
		buf_printf(out, "  mean confidence %.1f %%\n", 100 * number_of(report, "confidence"));
	write_rounds(report, out);
	write_price(report, out);
	write_gold(report, out);
}
