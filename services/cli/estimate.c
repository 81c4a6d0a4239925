#include "cli/estimate.h"

#include "base/limits.h"
#include "cli/request.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_PER_TOKEN 4.0 /* a rule of thumb for English; other languages need more */
/* Role and separators of a message in chat formats. */
#define TOKENS_PER_MESSAGE 4.0
#define TOKENS_JSON 6.0 /* {"label": ""} around a name */
/* What chains of thought take of the room that they are given. */
#define REASONING_SHARE 0.25
#define CACHED_TOKENS_MIN 1024.0
#define CACHED_TOKENS_STEP 128.0
/* The instructions around a text of which a second view is wanted. */
#define AUGMENT_BYTES 240
#define AUGMENT_MESSAGES 2

struct estimator {
	const struct task *task;
	const Freeal__Project *project;
	const struct survey *survey;
	double mean_bytes; /* of a text */
	struct estimate *estimate;
};

const Freeal__Endpoint *estimate_endpoint(const Freeal__Project *project,
					  const struct estimate_row *row, size_t at)
{
	return row->llm ? project->endpoints[row->llm->endpoints[at]]
			: project->embeddings->endpoint;
}

size_t estimate_endpoint_count(const struct estimate_row *row)
{
	return row->llm ? row->llm->n_endpoints : 1;
}

/* Requests a minute that an endpoint's limits let through; infinite: it has none. */
static double endpoint_rate(const Freeal__Endpoint *e, double tokens)
{
	double rate = INFINITY;
	if (e->requests_per_minute > 0)
		rate = e->requests_per_minute;
	if (e->tokens_per_minute > 0)
		rate = fmin(rate, (double)e->tokens_per_minute / tokens);
	return rate;
}

static double endpoint_usd(const Freeal__Endpoint *e, const struct estimate_row *row)
{
	return ((row->tokens_in - row->tokens_cached) * (double)e->nano_usd_per_million_in +
		row->tokens_cached * (double)e->nano_usd_per_million_cached +
		row->tokens_out * (double)e->nano_usd_per_million_out) /
	       1e15;
}

/* Time and money: endpoints with limits share the requests by what these let through, others
 * evenly. `tokens_most` of one request count against a limit. */
static void row_spread(const struct estimator *s, struct estimate_row *row, double tokens_most)
{
	size_t count = estimate_endpoint_count(row);
	double rates = 0;
	row->priced = true;
	for (size_t i = 0; i < count; i++) {
		const Freeal__Endpoint *e = estimate_endpoint(s->project, row, i);
		rates += endpoint_rate(e, tokens_most);
		row->priced = row->priced &&
			      (e->nano_usd_per_million_in > 0 || e->nano_usd_per_million_out > 0);
	}
	for (size_t i = 0; i < count; i++) {
		const Freeal__Endpoint *e = estimate_endpoint(s->project, row, i);
		double share =
		    isfinite(rates) ? endpoint_rate(e, tokens_most) / rates : 1.0 / (double)count;
		row->usd += share * endpoint_usd(e, row);
	}
	row->minutes = isfinite(rates) ? row->requests / rates : -1;
	if (row->llm && row->llm->batch_api) {
		row->usd /= 2; /* as price_batch_nano_usd */
		row->minutes = -1;
	}
}

static void bound_add(struct price_bound *sum, const struct price_bound *one, uint64_t times)
{
	sum->requests += times * one->requests;
	sum->tokens += times * one->tokens;
	unsigned __int128 usd = (unsigned __int128)times * one->nano_usd + sum->nano_usd;
	sum->nano_usd = usd > UINT64_MAX ? UINT64_MAX : (uint64_t)usd;
}

static struct estimate_row *row_new(struct estimator *s, enum estimate_step step,
				    const Freeal__Llm *llm, uint64_t asked)
{
	struct estimate_row *row = &s->estimate->rows[s->estimate->row_count++];
	*row = (struct estimate_row){.step = step, .llm = llm, .asked = asked};
	return row;
}

static double answer_tokens(const struct estimator *s, const Freeal__Llm *llm)
{
	double bytes = 0;
	for (size_t i = 0; i < s->project->n_labels; i++)
		bytes += (double)strlen(s->project->labels[i]->name);
	double tokens = ceil(bytes / (double)s->project->n_labels / BYTES_PER_TOKEN);
	if (llm->form == FREEAL__ANSWER_FORM__JSON_SCHEMA)
		tokens += TOKENS_JSON;
	if (llm->reasoning)
		tokens += REASONING_SHARE * llm->reasoning_tokens;
	return tokens;
}

static double cached_tokens(double first_tokens)
{
	return first_tokens < CACHED_TOKENS_MIN
		   ? 0
		   : floor(first_tokens / CACHED_TOKENS_STEP) * CACHED_TOKENS_STEP;
}

static enum err generate_estimate(struct estimator *s)
{
	const Freeal__Llm *llm = s->project->rounds[0]->llm;
	uint32_t labels = (uint32_t)s->project->n_labels;
	uint32_t count = (s->task->generate.demonstrations + labels - 1) / labels;
	size_t styles = s->task->generate.style_samples;
	if (styles > s->survey->text_count)
		styles = s->survey->text_count;
	struct estimate_row *row = row_new(s, ESTIMATE_GENERATE, llm, labels);
	struct request_size size = {0};
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	enum err e = ERR_OK;
	for (uint32_t i = 0; !e && i < labels; i++) {
		buf_reset(&body);
		e = request_generate_write(s->project, i, count, s->survey->texts, styles, false,
					   &body);
		if (!e)
			e = request_measure(&body, &size);
		row->tokens_in += (double)size.bytes / BYTES_PER_TOKEN +
				  TOKENS_PER_MESSAGE * (double)size.messages;
		uint64_t longest = size.bytes + styles * s->survey->counts.text_bytes_max;
		struct price_bound one =
		    price_bound(s->project, llm, longest, prompt_generate_tokens_max(llm, count));
		bound_add(&row->most, &one, 1);
	}
	buf_done(&body);
	double most = (double)size.answer_tokens;
	row->requests = labels;
	row->tokens_out = labels * fmin(count * s->mean_bytes / BYTES_PER_TOKEN, most);
	row_spread(s, row, row->tokens_in / labels + most);
	return e;
}

static void augment_estimate(struct estimator *s)
{
	const Freeal__Llm *llm = s->project->augment->llm;
	uint64_t asked = s->survey->counts.samples - s->survey->counts.augmented;
	if (asked == 0)
		return;
	struct estimate_row *row = row_new(s, ESTIMATE_AUGMENT, llm, asked);
	double text = s->mean_bytes / BYTES_PER_TOKEN;
	row->requests = (double)asked;
	row->tokens_in = row->requests * (AUGMENT_BYTES / BYTES_PER_TOKEN + text +
					  AUGMENT_MESSAGES * TOKENS_PER_MESSAGE);
	row->tokens_out = row->requests * text;
	uint64_t longest = AUGMENT_BYTES + s->survey->counts.text_bytes_max;
	struct price_bound one = price_bound(s->project, llm, longest, llm->max_tokens);
	bound_add(&row->most, &one, asked);
	row_spread(s, row, row->tokens_in / row->requests + llm->max_tokens);
}

static void embed_estimate(struct estimator *s)
{
	const Freeal__Embeddings *m = s->project->embeddings;
	struct estimate_row *row = row_new(s, ESTIMATE_EMBED, NULL, s->survey->counts.samples);
	uint32_t batch = m->batch > 1 ? m->batch : 1;
	row->requests = ceil((double)row->asked / batch);
	row->tokens_in = (double)s->survey->counts.text_bytes / BYTES_PER_TOKEN;
	row->most = (struct price_bound){
	    .requests = (uint64_t)row->requests,
	    .tokens = s->survey->counts.text_bytes,
	    .nano_usd = price_nano_usd(m->endpoint, s->survey->counts.text_bytes, 0, 0),
	};
	row_spread(s, row, row->tokens_in / row->requests);
}

/* A request of a round with empty texts, so that the rest of it is measured. */
static enum err round_measure(const struct estimator *s, uint32_t round, uint32_t batch,
			      struct request_size *ret_size)
{
	static const struct prompt_text empty[PROMPT_BATCH_MAX];
	struct request_demonstrations demonstrations;
	struct buf body;
	request_demonstrations_take(s->project, round, false, &demonstrations);
	for (size_t i = 0; i < demonstrations.count; i++)
		demonstrations.items[i].text = empty[0];
	buf_init(&body, PROMPT_BYTES_MAX);
	enum err e =
	    request_annotate_write(s->project, round, &demonstrations, empty, batch, false, &body);
	if (!e)
		e = request_measure(&body, ret_size);
	buf_done(&body);
	return e;
}

static enum err round_estimate(struct estimator *s, uint32_t round)
{
	const Freeal__RoundConfig *config = s->project->rounds[round];
	const Freeal__Llm *llm = config->llm;
	uint64_t samples = s->survey->counts.samples;
	uint64_t asked = round == 0 ? samples : (uint64_t)(config->relabel * (double)samples);
	uint32_t batch = llm->batch > 1 ? llm->batch : 1;
	struct request_size size;
	enum err e = round_measure(s, round, batch, &size);
	if (e)
		return e;
	struct estimate_row *row = row_new(s, ESTIMATE_ROUND, llm, asked);
	double answers = llm->samples > 1 ? llm->samples : 1;
	double texts = (double)(config->shots + batch) * s->mean_bytes;
	double one_in = ((double)size.bytes + texts) / BYTES_PER_TOKEN +
			TOKENS_PER_MESSAGE * (double)size.messages;
	row->round = round;
	row->requests = ceil((double)asked / batch);
	row->tokens_in = row->requests * one_in;
	row->tokens_out = (double)asked * answers * answer_tokens(s, llm);
	if (row->requests > 1)
		row->tokens_cached =
		    (row->requests - 1) * cached_tokens((double)size.bytes_first / BYTES_PER_TOKEN);
	uint64_t longest = size.bytes + (uint64_t)ceil(s->mean_bytes) +
			   config->shots * s->survey->counts.text_bytes_max;
	struct price_bound most = price_bound(s->project, llm, longest, llm->max_tokens);
	bound_add(&row->most, &most, asked);
	row_spread(s, row, one_in + answers * (double)size.answer_tokens);
	return ERR_OK;
}

static void sum_up(struct estimate *e)
{
	struct estimate_row *sum = &e->sum;
	sum->priced = true;
	for (size_t i = 0; i < e->row_count; i++) {
		const struct estimate_row *row = &e->rows[i];
		sum->requests += row->requests;
		sum->tokens_in += row->tokens_in;
		sum->tokens_cached += row->tokens_cached;
		sum->tokens_out += row->tokens_out;
		sum->usd += row->usd;
		sum->priced = sum->priced && row->priced;
		sum->minutes += row->minutes > 0 ? row->minutes : 0;
		bound_add(&sum->most, &row->most, 1);
	}
}

enum err estimate_new(const struct task *task, const Freeal__Project *project,
		      const struct survey *survey, struct estimate **ret_estimate,
		      struct err_msg *msg)
{
	struct estimate *made = calloc(1, sizeof *made);
	if (made)
		made->rows = calloc(project->n_rounds + 3, sizeof *made->rows);
	if (!made || !made->rows) {
		estimate_free(made);
		return err_set(msg, ERR_NO_MEMORY, "no memory for an estimate");
	}
	const struct survey_counts *counts = &survey->counts;
	struct estimator s = {.task = task,
			      .project = project,
			      .survey = survey,
			      .mean_bytes = (double)counts->text_bytes / (double)counts->samples,
			      .estimate = made};
	enum err e = ERR_OK;
	if (project->augment)
		augment_estimate(&s);
	if (project->rounds[0]->shots > 0)
		e = generate_estimate(&s);
	if (project->embeddings)
		embed_estimate(&s);
	for (uint32_t i = 0; !e && i < project->n_rounds; i++)
		e = round_estimate(&s, i);
	if (e) {
		estimate_free(made);
		return err_set(msg, e, "the prompt: %s", err_str(e));
	}
	sum_up(made);
	*ret_estimate = made;
	return ERR_OK;
}

void estimate_free(struct estimate *e)
{
	if (!e)
		return;
	free(e->rows);
	free(e);
}
