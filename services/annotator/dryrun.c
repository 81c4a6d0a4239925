#include "annotator/dryrun.h"

#include "base/limits.h"
#include "config/project.h"
#include "config/task.h"
#include "llm/prompt.h"
#include "text/source.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_PER_TOKEN 4.0 /* a rule of thumb for English; other languages need more */
/* Role and separators of a message in chat formats. */
#define TOKENS_PER_MESSAGE 4.0
#define STYLES_MAX 1000

struct dryrun {
	struct task *task;
	Freeal__Project *project;
	FILE *out;
	struct prompt_text styles[STYLES_MAX]; /* the first samples; the first one is shown */
	size_t style_count;
	uint64_t sample_count;
	uint64_t text_bytes; /* of all samples */
	double requests, tokens_in, tokens_out, usd;
	bool unpriced; /* the price of some round is not known */
};

static void dryrun_done(struct dryrun *d)
{
	for (size_t i = 0; i < d->style_count; i++)
		free((void *)d->styles[i].data);
	if (d->project)
		freeal__project__free_unpacked(d->project, NULL);
	task_free(d->task);
}

static enum err sample_note(struct dryrun *d, const struct source_row *row, struct err_msg *msg)
{
	d->sample_count++;
	d->text_bytes += row->text_size;
	size_t wanted = d->task->generate.style_samples;
	if (d->style_count > wanted || d->style_count == STYLES_MAX)
		return ERR_OK;
	char *copy = malloc(row->text_size + 1);
	if (!copy)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a sample");
	memcpy(copy, row->text, row->text_size);
	d->styles[d->style_count++] = (struct prompt_text){copy, row->text_size};
	return ERR_OK;
}

/* Reads the whole input, which also checks it. */
static enum err samples_read(struct dryrun *d, const char *path, struct err_msg *msg)
{
	const char **names = task_label_names(d->task);
	if (!names)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the labels");
	struct source_options options = {.columns = task_columns(d->task),
					 .labels = names,
					 .label_count = d->task->label_count,
					 .optional_missing = true};
	struct source *source = NULL;
	enum err e = source_open(path, &options, &source, msg);
	while (!e) {
		struct source_row row;
		e = source_next(source, &row, msg);
		if (e || !row.text)
			break;
		e = sample_note(d, &row, msg);
	}
	source_free(source);
	free(names);
	return e;
}

/* The task file's examples, then words in the place of what is not there yet. */
static size_t demonstrations_take(const struct dryrun *d, uint32_t round, bool with_examples,
				  struct prompt_demonstration *ret, char (*notes)[64])
{
	size_t shots = d->project->rounds[round]->shots, n = 0;
	for (size_t depth = 0; with_examples && n < shots; depth++) {
		size_t before = n;
		for (uint32_t i = 0; i < d->project->n_labels && n < shots; i++) {
			const Freeal__Label *l = d->project->labels[i];
			if (depth < l->n_examples)
				ret[n++] = (struct prompt_demonstration){
				    {l->examples[depth].data, l->examples[depth].len}, i};
		}
		if (n == before)
			break;
	}
	const char *origin = round == 0 ? "written by the LLM" : "a sample with a clean label";
	for (uint32_t i = 0; n < shots; i++, n++) {
		int size =
		    snprintf(notes[n], sizeof notes[n], "<demonstration %zu: %s>", n + 1, origin);
		ret[n] = (struct prompt_demonstration){{notes[n], (size_t)size},
						       i % (uint32_t)d->project->n_labels};
	}
	return shots;
}

/* What the LLM reads of a request: the messages' contents, not the JSON around them. */
static double body_tokens(const struct buf *body)
{
	double tokens = 0;
	json_t *request = json_loadb(body->data, body->size, JSON_ALLOW_NUL, NULL);
	size_t i;
	json_t *message;
	json_array_foreach(json_object_get(request, "messages"), i, message)
	{
		double bytes = (double)json_string_length(json_object_get(message, "content"));
		tokens += bytes / BYTES_PER_TOKEN + TOKENS_PER_MESSAGE;
	}
	json_decref(request);
	return tokens;
}

/* Demonstrations stand in the estimate with the samples' mean size. */
static double prompt_tokens(const struct dryrun *d, const struct buf *body, size_t sample_bytes,
			    const struct prompt_demonstration *demonstrations, size_t count)
{
	double mean = (double)d->text_bytes / (double)d->sample_count;
	double more = mean - (double)sample_bytes;
	for (size_t i = 0; i < count; i++)
		more += mean - (double)demonstrations[i].text.size;
	return body_tokens(body) + more / BYTES_PER_TOKEN;
}

static double answer_tokens(const struct dryrun *d)
{
	double bytes = 0;
	for (size_t i = 0; i < d->project->n_labels; i++)
		bytes += (double)strlen(d->project->labels[i]->name);
	return ceil(bytes / (double)d->project->n_labels / BYTES_PER_TOKEN);
}

static int usd_decimals(double usd)
{
	return usd < 0.1 ? 4 : 2;
}

static const Freeal__Endpoint *endpoint_first(const struct dryrun *d, uint32_t round)
{
	return d->project->endpoints[d->project->rounds[round]->llm->endpoints[0]];
}

static void expect(struct dryrun *d, uint32_t round, double requests, double tokens_in,
		   double tokens_out)
{
	const Freeal__Endpoint *e = endpoint_first(d, round);
	double usd = requests *
		     (tokens_in * (double)e->nano_usd_per_million_in +
		      tokens_out * (double)e->nano_usd_per_million_out) /
		     1e15;
	bool priced = e->nano_usd_per_million_in > 0 || e->nano_usd_per_million_out > 0;
	d->requests += requests;
	d->tokens_in += requests * tokens_in;
	d->tokens_out += requests * tokens_out;
	d->usd += usd;
	d->unpriced = d->unpriced || !priced;
	(void)fprintf(d->out, "%.0f requests, about %.0f tokens in and %.0f out", requests,
		      requests * tokens_in, requests * tokens_out);
	if (priced)
		(void)fprintf(d->out, ", about %.*f USD", usd_decimals(usd), usd);
	(void)fputs("\n\n", d->out);
}

static enum err body_print(struct dryrun *d, const struct buf *body, enum err e,
			   struct err_msg *msg)
{
	if (e)
		return err_set(msg, e, "the prompt: %s", err_str(e));
	(void)fwrite(body->data, 1, body->size, d->out);
	(void)fputc('\n', d->out);
	return ERR_OK;
}

static enum err generate_print(struct dryrun *d, struct err_msg *msg)
{
	uint32_t labels = (uint32_t)d->project->n_labels;
	uint32_t count = (d->task->generate.demonstrations + labels - 1) / labels;
	size_t styles = d->task->generate.style_samples;
	if (styles > d->style_count)
		styles = d->style_count;
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	(void)fprintf(d->out,
		      "Before round 0 the LLM writes %u demonstrations of each label. The request "
		      "for \"%s\" (the style samples will be others):\n",
		      count, d->project->labels[0]->name);
	enum err e = prompt_generate(d->project, 0, 0, count, d->styles, styles, 1, true, &body);
	e = body_print(d, &body, e, msg);
	if (!e) {
		double mean = (double)d->text_bytes / (double)d->sample_count;
		double most = prompt_generate_tokens_max(d->project->rounds[0]->llm, count);
		expect(d, 0, labels, body_tokens(&body),
		       fmin(count * mean / BYTES_PER_TOKEN, most));
	}
	buf_done(&body);
	return e;
}

static enum err round_print(struct dryrun *d, uint32_t round, struct err_msg *msg)
{
	const struct task_round *r = &d->task->rounds[round];
	struct prompt_demonstration demonstrations[SHOTS_MAX];
	char notes[SHOTS_MAX][64];
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	double share = round == 0 ? 1 : r->relabel;
	double asked =
	    round == 0 ? (double)d->sample_count : floor(share * (double)d->sample_count);
	(void)fprintf(d->out, "Round %u asks %s for %s, with %u demonstrations each. ", round,
		      endpoint_first(d, round)->model,
		      round == 0 ? "every sample" : "the least sure samples", r->shots);
	(void)fprintf(d->out, "POST %s/chat/completions of the first sample:\n",
		      endpoint_first(d, round)->url);
	size_t n = demonstrations_take(d, round, round == 0, demonstrations, notes);
	enum err e =
	    prompt_annotate(d->project, round, demonstrations, n, d->styles[0], 1, true, &body);
	e = body_print(d, &body, e, msg);
	buf_reset(&body);
	if (!e)
		e = prompt_annotate(d->project, round, demonstrations, n, d->styles[0], 1, false,
				    &body);
	if (!e)
		expect(d, round, asked,
		       prompt_tokens(d, &body, d->styles[0].size, demonstrations, n),
		       answer_tokens(d));
	buf_done(&body);
	return e;
}

static void total_print(const struct dryrun *d)
{
	(void)fprintf(
	    d->out, "%" PRIu64 " samples in all: %.0f requests, about %.0f tokens in and %.0f out",
	    d->sample_count, d->requests, d->tokens_in, d->tokens_out);
	if (!d->unpriced)
		(void)fprintf(d->out, ", about %.*f USD", usd_decimals(d->usd), d->usd);
	(void)fputs(
	    ".\nTokens are estimated as bytes / 4, and 4 a message. What fails is asked again and "
	    "comes on top;\nso does what has no usable answer, where llm.attempts is above 1.\n",
	    d->out);
	if (d->unpriced)
		(void)fputs("For a price, give llm.usd_per_million: {in: ..., out: ...}.\n",
			    d->out);
	if (d->task->early_stop)
		(void)fputs("Later rounds are left out when they would change nothing.\n", d->out);
}

enum err dryrun_print(const char *task_path, const char *input_path, FILE *out, struct err_msg *msg)
{
	struct dryrun *d = calloc(1, sizeof *d);
	if (!d)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a dry run");
	d->out = out;
	enum err e = task_load(task_path, &d->task, msg);
	if (!e)
		e = samples_read(d, input_path, msg);
	if (!e && !(d->project = project_from_task(d->task, 1)))
		e = err_set(msg, ERR_NO_MEMORY, "no memory for the project");
	if (!e && d->task->rounds[0].shots > 0)
		e = generate_print(d, msg);
	for (uint32_t i = 0; !e && i < d->task->round_count; i++)
		e = round_print(d, i, msg);
	if (!e)
		total_print(d);
	dryrun_done(d);
	free(d);
	return e;
}
