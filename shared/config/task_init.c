#include "config/task_init.h"

#include "base/limits.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

/* A YAML scalar that reads as this text, quoted where it must be. */
static void write_scalar(FILE *out, const char *text)
{
	static const char *const words[] = {"null", "true", "false", "yes", "no",
					    "on",   "off",  "y",     "n"};
	size_t size = strlen(text);
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	bool plain = size > 0 && strchr(letters, text[0]);
	for (size_t i = 0; plain && i < size; i++)
		plain = strchr(letters, text[i]) || strchr("0123456789_-", text[i]);
	for (size_t i = 0; plain && i < sizeof words / sizeof *words; i++)
		plain = !utf8_fold_equal(text, size, words[i], strlen(words[i]));
	if (plain) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

/* At most `bytes_max` of a text, on one line and in valid UTF-8. */
static void write_comment(FILE *out, const char *text, size_t bytes_max)
{
	size_t size = strlen(text);
	size_t kept = utf8_valid_size(text, size < bytes_max ? size : bytes_max);
	for (size_t i = 0; i < kept; i++) {
		unsigned char c = (unsigned char)text[i];
		fputc(c < 0x20 || c == 0x7f ? ' ' : c, out);
	}
	if (kept < size)
		fputs("...", out);
}

static void write_columns(FILE *out, const struct source_summary *s)
{
	fputs("# The columns of ", out);
	write_comment(out, s->path, 200);
	fprintf(out, " (%s%llu rows%s):\n", s->truncated ? "the first " : "",
		(unsigned long long)s->rows, s->header ? "" : ", no header line");
	for (size_t i = 0; i < s->column_count; i++) {
		const struct summary_column *c = &s->columns[i];
		fputs("#   ", out);
		write_comment(out, c->name, 60);
		if (!c->many_values && c->value_count > 0)
			fprintf(out, " (%zu different values)", c->value_count);
		fputs(", for example: ", out);
		write_comment(out, c->first, 60);
		fputc('\n', out);
	}
}

static bool value_is_number(const char *text, long *ret_number)
{
	char *end;
	*ret_number = strtol(text, &end, 10);
	return *text && !*end && strlen(text) < 10;
}

static int value_compare(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	long x_number, y_number;
	if (value_is_number(x, &x_number) && value_is_number(y, &y_number))
		return (x_number > y_number) - (x_number < y_number);
	return strcmp(x, y);
}

/* Values that can be label names, sorted; at most `count`. */
static size_t labels_from(const struct summary_column *c, const char **labels, bool *ret_numbers)
{
	size_t count = 0;
	*ret_numbers = true;
	for (size_t i = 0; i < c->value_count; i++) {
		long number;
		const char *text = c->values[i];
		bool is_number = value_is_number(text, &number);
		if ((is_number && number < 0) || !utf8_is_valid(text, strlen(text)))
			continue;
		bool again = false;
		for (size_t j = 0; j < count && !again; j++)
			again = utf8_fold_equal(labels[j], strlen(labels[j]), text, strlen(text));
		const char *trimmed = text;
		size_t size = strlen(text);
		utf8_trim(&trimmed, &size);
		if (again || size != strlen(text))
			continue;
		labels[count++] = text;
		*ret_numbers = *ret_numbers && is_number;
	}
	qsort(labels, count, sizeof *labels, value_compare);
	return count;
}

static void write_labels(FILE *out, const struct source_summary *s, int gold)
{
	const char *labels[SUMMARY_VALUES_MAX] = {"first-label", "second-label"};
	bool numbers = false;
	size_t count = gold >= 0 ? labels_from(&s->columns[gold], labels, &numbers) : 0;
	fputs("# The labels, at least two. A description says when it applies; aliases are other\n"
	      "# spellings that an answer may have; keywords and examples are optional.\n",
	      out);
	if (count < 2) {
		fputs("# No column looks like labels: put yours here.\n", out);
		labels[0] = "first-label";
		labels[1] = "second-label";
		count = 2;
	} else if (numbers) {
		fputs("# The file has numbers: give each a name that the LLM understands, in this\n"
		      "# order (numbers in the file are counted from 0 in it).\n",
		      out);
	} else {
		fputs("# These are the values of the column ", out);
		write_comment(out, s->columns[gold].name, 60);
		fputs(".\n", out);
	}
	fputs("labels:\n", out);
	for (size_t i = 0; i < count; i++) {
		fputs("  - {name: ", out);
		write_scalar(out, labels[i]);
		fputs(", description: \"\", aliases: [], keywords: [], examples: []}\n", out);
	}
}

static void write_input_key(FILE *out, const struct source_summary *s, const char *key, int column,
			    const char *comment)
{
	if (column < 0) {
		fprintf(out, "  # %s: COLUMN  # %s\n", key, comment);
		return;
	}
	fprintf(out, "  %s: ", key);
	if (s->header)
		write_scalar(out, s->columns[column].name);
	else
		fprintf(out, "%d", column);
	fprintf(out, "  # %s\n", comment);
}

static void write_input(FILE *out, const struct source_summary *s, const struct summary_guess *g)
{
	fputs("# Column names, or numbers from 0 where there is no header line.\ninput:\n", out);
	write_input_key(out, s, "text", g->text, "what is labelled");
	write_input_key(out, s, "id", g->id, "else the text's hash is the id");
	write_input_key(out, s, "gold", g->gold, "known labels: only the report reads them");
	write_input_key(out, s, "augmented", g->augmented,
			"the text in other words, if there is one");
}

static const char *const task_init_rest =
    "# Any server that speaks OpenAI's chat completions. The key comes from the environment.\n"
    "llm:\n"
    "  url: https://api.openai.com/v1\n"
    "  model: gpt-4o-mini\n"
    "  key_env: OPENAI_API_KEY  # remove it where no key is needed\n"
    "  temperature: 0\n"
    "  max_tokens: 20\n"
    "  timeout_s: 60\n"
    "  concurrency: 64\n"
    "  retries: 5\n"
    "  # usd_per_million: {in: 0.15, cached: 0.075, out: 0.60}  # price of tokens\n"
    "  # requests_per_minute: 500   # and tokens_per_minute: over all annotators together\n"
    "  # answers: json              # text, json (a schema) or choice (vLLM)\n"
    "  # batch: 10                  # samples per request\n"
    "  # reasoning: true            # think in words before the label; reasoning_tokens: 1000\n"
    "  # samples: 5                 # answers per sample, of which the majority counts\n"
    "\n"
    "# Several servers, which llm and rounds name in place of url and model:\n"
    "#   endpoints:\n"
    "#     - {name: cheap, url: https://api.openai.com/v1, model: gpt-4o-mini, key_env: KEY}\n"
    "#   llm: {endpoints: [cheap]}\n"
    "# What is never exceeded: budget: {usd: 5.00, tokens: 10000000, requests: 20000}\n"
    "\n"
    "# The small model that learns from the LLM's labels. With a pretrained checkpoint (BERT,\n"
    "# RoBERTa or DistilBERT in Hugging Face's layout) it judges labels better, and is slower:\n"
    "#   model: {type: encoder, path: /models/roberta-base}\n"
    "model: {type: ngram}\n"
    "\n"
    "# A number of rounds, which may end early; or a list, of which all are run. Each item may\n"
    "# give shots (demonstrations per prompt), relabel (share of the samples that is asked\n"
    "# again, from the second round on) and anything that stands under llm:\n"
    "#   rounds:\n"
    "#     - {shots: 10}\n"
    "#     - {relabel: 0.4, model: gpt-4o, reasoning: true}\n"
    "rounds: 2\n"
    "\n"
    "pool: 100  # demonstrations chosen after each round\n"
    "generate: {demonstrations: 100, style_samples: 10}  # written by the LLM before the first\n"
    "seed: 1\n";

enum err task_init_write(FILE *out, const struct source_summary *s)
{
	struct summary_guess guess = source_summary_guess(s);
	const char *slash = strrchr(s->path, '/');
	const char *base = slash ? slash + 1 : s->path;
	char name[64];
	(void)snprintf(name, sizeof name, "%.*s", (int)strcspn(base, "."), base);
	if (!utf8_is_valid(name, strlen(name)))
		name[0] = '\0';
	fputs("# What is labelled, and how. Check what was guessed, and describe the task.\ntask: ",
	      out);
	write_scalar(out, *name ? name : "task");
	fputs("\ndescription: \"\"  # one or two sentences to the LLM: what decides the label?\n\n",
	      out);
	write_labels(out, s, guess.gold);
	fputc('\n', out);
	write_columns(out, s);
	write_input(out, s, &guess);
	fputc('\n', out);
	fputs(task_init_rest, out);
	return ferror(out) ? ERR_IO : ERR_OK;
}
