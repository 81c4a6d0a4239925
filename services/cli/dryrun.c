#include "cli/dryrun.h"

#include "cli/outlook.h"
#include "cli/request.h"

#include <inttypes.h>

static int usd_decimals(double usd)
{
	return usd < 0.1 ? 4 : 2;
}

static void usd_print(FILE *out, const struct estimate_row *row)
{
	if (row->priced)
		(void)fprintf(out, ", about %.*f USD", usd_decimals(row->usd), row->usd);
}

static void row_print(FILE *out, const struct estimate_row *row)
{
	(void)fprintf(out, "%.0f requests, about %.0f tokens in and %.0f out", row->requests,
		      row->tokens_in, row->tokens_out);
	usd_print(out, row);
	(void)fputs("\n\n", out);
}

static enum err generate_write(const struct outlook *o, FILE *out, struct buf *body)
{
	uint32_t labels = (uint32_t)o->project->n_labels;
	uint32_t count = (o->task->generate.demonstrations + labels - 1) / labels;
	size_t styles = o->task->generate.style_samples;
	if (styles > o->survey->text_count)
		styles = o->survey->text_count;
	(void)fprintf(out,
		      "Before round 0 the LLM writes %u demonstrations of each label. The request "
		      "for \"%s\" (the style samples will be others):\n",
		      count, o->project->labels[0]->name);
	return request_generate_write(o->project, 0, count, o->survey->texts, styles, true, body);
}

static enum err round_write(const struct outlook *o, const struct estimate_row *row, FILE *out,
			    struct buf *body)
{
	const Freeal__RoundConfig *config = o->project->rounds[row->round];
	(void)fprintf(out, "Round %u asks ", row->round);
	for (size_t i = 0; i < estimate_endpoint_count(row); i++)
		(void)fprintf(out, "%s%s", i ? " or " : "",
			      estimate_endpoint(o->project, row, i)->model);
	(void)fprintf(out,
		      " for %s, with %u demonstrations each. POST %s/chat/completions of the first "
		      "sample:\n",
		      row->round == 0 ? "every sample" : "the least sure samples", config->shots,
		      estimate_endpoint(o->project, row, 0)->url);
	struct request_demonstrations demonstrations;
	request_demonstrations_take(o->project, row->round, true, &demonstrations);
	return request_annotate_write(o->project, row->round, &demonstrations, o->survey->texts, 1,
				      true, body);
}

static enum err step_print(const struct outlook *o, const struct estimate_row *row, FILE *out,
			   struct err_msg *msg)
{
	struct buf body;
	enum err e = ERR_OK;
	buf_init(&body, PROMPT_BYTES_MAX);
	switch (row->step) {
	case ESTIMATE_GENERATE:
		e = generate_write(o, out, &body);
		break;
	case ESTIMATE_AUGMENT:
		(void)fprintf(out, "An LLM writes second views of %" PRIu64 " samples. ",
			      row->asked);
		break;
	case ESTIMATE_EMBED:
		(void)fprintf(out, "%s/embeddings makes vectors of all samples. ",
			      o->project->embeddings->endpoint->url);
		break;
	case ESTIMATE_ROUND:
		e = round_write(o, row, out, &body);
		break;
	}
	if (e)
		(void)err_set(msg, e, "the prompt: %s", err_str(e));
	if (!e && body.size > 0)
		(void)fprintf(out, "%.*s\n", (int)body.size, body.data);
	buf_done(&body);
	if (!e)
		row_print(out, row);
	return e;
}

static void total_print(const struct outlook *o, FILE *out)
{
	const struct estimate_row *sum = &o->estimate->sum;
	(void)fprintf(out,
		      "%" PRIu64 " samples in all: %.0f requests, about %.0f tokens in and "
		      "%.0f out",
		      o->survey->counts.samples, sum->requests, sum->tokens_in, sum->tokens_out);
	usd_print(out, sum);
	(void)fputs(
	    ".\nTokens are estimated as bytes / 4, and 4 a message. What fails is asked again and "
	    "comes on top;\nso does what has no usable answer, where llm.attempts is above 1. "
	    "`freeal plan` shows the steps in a table.\n",
	    out);
	if (!sum->priced)
		(void)fputs("For a price, give llm.usd_per_million: {in: ..., out: ...}.\n", out);
	if (o->task->early_stop)
		(void)fputs("Later rounds are left out when they would change nothing.\n", out);
}

enum err dryrun_print(const char *task_path, const char *input, FILE *out, struct err_msg *msg)
{
	struct outlook o;
	enum err e = outlook_init(&o, task_path, input, NULL, msg);
	for (size_t i = 0; !e && i < o.estimate->row_count; i++)
		e = step_print(&o, &o.estimate->rows[i], out, msg);
	if (!e)
		total_print(&o, out);
	outlook_done(&o);
	return e;
}
