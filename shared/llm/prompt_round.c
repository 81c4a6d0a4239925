#include "llm/prompt_round_impl.h"

#include "base/limits.h"
#include "text/escape.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Alternatives of each token of an answer that are asked for: the most that OpenAI gives. */
#define TOP_LOGPROBS 20

void prompt_message_add(const char *role, const struct buf *words, struct buf *out)
{
	buf_printf(out, "{\"role\":\"%s\",\"content\":\"", role);
	escape_add(out, words->data, words->size);
	buf_add_str(out, "\"}");
	if (buf_error(words))
		out->error = buf_error(words);
}

/* Servers whose models reason by themselves count that, too. */
static bool reasons(const Freeal__Llm *llm)
{
	return llm->reasoning || (llm->effort && *llm->effort);
}

uint32_t prompt_tokens_max(const Freeal__Llm *llm)
{
	uint64_t tokens = (uint64_t)llm->max_tokens + (reasons(llm) ? llm->reasoning_tokens : 0);
	return tokens < UINT32_MAX ? (uint32_t)tokens : UINT32_MAX;
}

void prompt_round_limits_add(const struct prompt_round *r, uint64_t tokens_max, struct buf *out)
{
	const Freeal__Llm *llm = r->llm;
	if (reasons(llm))
		tokens_max += llm->reasoning_tokens;
	buf_printf(out, ",\"%s\":%llu",
		   r->dialect.max_completion_tokens ? "max_completion_tokens" : "max_tokens",
		   (unsigned long long)tokens_max);
	if (llm->effort && *llm->effort && !r->dialect.no_effort) {
		buf_add_str(out, ",\"reasoning_effort\":\"");
		escape_add(out, llm->effort, strlen(llm->effort));
		buf_add_char(out, '"');
	}
}

static void names_write(struct prompt_round *r)
{
	const Freeal__Project *p = r->project;
	for (size_t i = 0; i < p->n_labels; i++) {
		buf_add_str(&r->names, i ? ",\"" : "\"");
		escape_add(&r->names, p->labels[i]->name, strlen(p->labels[i]->name));
		buf_add_char(&r->names, '"');
	}
}

static void schema_add(const struct prompt_round *r, struct buf *out)
{
	const char *key = r->shape.candidates ? "labels" : "label";
	buf_add_str(out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
			 "{\"name\":\"label\",\"strict\":true,\"schema\":"
			 "{\"type\":\"object\",\"properties\":{");
	if (r->shape.reasoning)
		buf_add_str(out, "\"reasoning\":{\"type\":\"string\"},");
	buf_printf(out, "\"%s\":%s{\"type\":\"string\",\"enum\":[", key,
		   r->shape.candidates ? "{\"type\":\"array\",\"items\":" : "");
	buf_add(out, r->names.data, r->names.size);
	buf_printf(out, "]}%s},\"required\":[%s\"%s\"],\"additionalProperties\":false}}}",
		   r->shape.candidates ? "}" : "", r->shape.reasoning ? "\"reasoning\"," : "", key);
}

static void choice_add(const struct prompt_round *r, struct buf *out)
{
	buf_add_str(out, ",\"structured_outputs\":{\"choice\":[");
	buf_add(out, r->names.data, r->names.size);
	buf_add_str(out, "]},\"guided_choice\":[");
	buf_add(out, r->names.data, r->names.size);
	buf_add_char(out, ']');
}

static void model_write(struct prompt_round *r, const char *model)
{
	buf_add_str(&r->model, "{\"model\":\"");
	escape_add(&r->model, model, strlen(model));
	buf_add_char(&r->model, '"');
	if (!r->dialect.no_temperature)
		buf_printf(&r->model, ",\"temperature\":%.6g", r->llm->temperature);
}

/* The system message, behind what opens the list of messages. */
static void system_write(struct buf *out, const struct buf *words)
{
	buf_add_str(out, ",\"messages\":[");
	prompt_message_add("system", words, out);
}

static void head_write(struct prompt_round *r, const struct buf *words)
{
	buf_add(&r->head, r->model.data, r->model.size);
	prompt_round_limits_add(r, r->llm->max_tokens, &r->head);
	if (r->llm->logprobs && !r->dialect.no_logprobs)
		buf_printf(&r->head, ",\"logprobs\":true,\"top_logprobs\":%d", TOP_LOGPROBS);
	if (r->shape.json)
		schema_add(r, &r->head);
	if (r->shape.choice)
		choice_add(r, &r->head);
	system_write(&r->head, words);
}

static void answers_write(struct prompt_round *r)
{
	for (size_t i = 0; i < r->project->n_labels; i++) {
		struct buf words;
		buf_init(&words, r->answers.size_max);
		prompt_answer_add(r->project->labels[i]->name, &r->shape, &words);
		buf_add_char(&r->answers, ',');
		prompt_message_add("assistant", &words, &r->answers);
		r->answer_ends[i] = r->answers.size;
		buf_done(&words);
	}
}

static enum err round_write(struct prompt_round *r, const char *model)
{
	struct buf words;
	buf_init(&words, PROMPT_BYTES_MAX);
	model_write(r, model);
	names_write(r);
	prompt_system_add(r->project, &r->shape, false, &words);
	head_write(r, &words);
	buf_reset(&words);
	prompt_system_add(r->project, &r->shape, true, &words);
	system_write(&r->system_batch, &words);
	buf_reset(&words);
	prompt_generate_system_add(r->project, &words);
	system_write(&r->system_generate, &words);
	buf_done(&words);
	answers_write(r);
	const struct buf *written[] = {&r->head, &r->system_batch, &r->system_generate, &r->names,
				       &r->answers};
	for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
		if (buf_error(written[i]))
			return buf_error(written[i]);
	}
	return ERR_OK;
}

enum err prompt_round_new(const Freeal__Project *project, const Freeal__Llm *llm, const char *model,
			  const struct dialect *dialect, struct prompt_round **ret_round)
{
	struct prompt_round *r = calloc(1, sizeof *r);
	if (!r)
		return ERR_NO_MEMORY;
	r->project = project;
	r->llm = llm;
	r->dialect = *dialect;
	r->shape = prompt_shape_of(llm, dialect);
	struct buf *bufs[] = {&r->head,	 &r->model,  &r->system_batch, &r->system_generate,
			      &r->names, &r->answers};
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		buf_init(bufs[i], PROMPT_BYTES_MAX);
	r->answer_ends = calloc(project->n_labels + 1, sizeof *r->answer_ends);
	enum err e = r->answer_ends ? prompt_user_init(&r->user, project) : ERR_NO_MEMORY;
	if (!e)
		e = round_write(r, model);
	if (e) {
		prompt_round_free(r);
		return e;
	}
	*ret_round = r;
	return ERR_OK;
}

void prompt_round_free(struct prompt_round *r)
{
	if (!r)
		return;
	struct buf *bufs[] = {&r->head,	 &r->model,  &r->system_batch, &r->system_generate,
			      &r->names, &r->answers};
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		buf_done(bufs[i]);
	prompt_user_done(&r->user);
	free(r->answer_ends);
	free(r);
}
