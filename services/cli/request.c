#include "cli/request.h"

#include <jansson.h>

#include <assert.h>
#include <stdio.h>

void request_demonstrations_take(const Freeal__Project *project, uint32_t round, bool notes,
				 struct request_demonstrations *ret)
{
	size_t shots = project->rounds[round]->shots;
	assert(shots <= SHOTS_MAX);
	ret->count = 0;
	for (size_t depth = 0; round == 0 && ret->count < shots; depth++) {
		size_t before = ret->count;
		for (uint32_t i = 0; i < project->n_labels && ret->count < shots; i++) {
			const Freeal__Label *l = project->labels[i];
			if (depth < l->n_examples)
				ret->items[ret->count++] = (struct prompt_demonstration){
				    {l->examples[depth].data, l->examples[depth].len}, i};
		}
		if (ret->count == before)
			break;
	}
	const char *origin = round == 0 ? "written by the LLM" : "a sample with a clean label";
	for (uint32_t i = 0; ret->count < shots; i++, ret->count++) {
		char *note = ret->notes[ret->count];
		int size = 0;
		if (notes)
			size = snprintf(note, sizeof ret->notes[0], "<demonstration %zu: %s>",
					ret->count + 1, origin);
		ret->items[ret->count] = (struct prompt_demonstration){
		    {note, (size_t)size}, i % (uint32_t)project->n_labels};
	}
}

static enum err prompts_make(const Freeal__Project *project, uint32_t round,
			     struct prompt_round **ret_prompts)
{
	static const struct dialect whole;
	const Freeal__Llm *llm = project->rounds[round]->llm;
	const char *model = project->endpoints[llm->endpoints[0]]->model;
	return prompt_round_new(project, llm, model, &whole, ret_prompts);
}

/* Takes the body over. */
static enum err body_end(enum err e, struct buf *body, bool pretty, struct buf *out)
{
	if (!e && pretty)
		e = prompt_indent(body, out);
	else if (!e)
		buf_add(out, body->data, body->size);
	buf_done(body);
	return e ? e : buf_error(out);
}

enum err request_annotate_write(const Freeal__Project *project, uint32_t round,
				const struct request_demonstrations *demonstrations,
				const struct prompt_text *texts, size_t text_count, bool pretty,
				struct buf *out)
{
	uint32_t numbers[SHOTS_MAX];
	struct prompt_round *prompts = NULL;
	struct prompt_pool *pool = NULL;
	struct buf body;
	struct err_msg msg;
	uint64_t first_id;
	for (uint32_t i = 0; i < demonstrations->count; i++)
		numbers[i] = i;
	buf_init(&body, PROMPT_BYTES_MAX);
	enum err e = prompts_make(project, round, &prompts);
	if (!e)
		e = prompt_pool_new(project, demonstrations->items, demonstrations->count, &pool,
				    &msg);
	if (!e) {
		const struct prompt_ask ask = {.pool = pool,
					       .numbers = numbers,
					       .number_count = demonstrations->count,
					       .texts = texts,
					       .text_count = text_count,
					       .answers = project->rounds[round]->llm->samples};
		e = prompt_annotate(prompts, &ask, &first_id, &body);
	}
	prompt_pool_free(pool);
	prompt_round_free(prompts);
	return body_end(e, &body, pretty, out);
}

enum err request_generate_write(const Freeal__Project *project, uint32_t class_id, uint32_t count,
				const struct prompt_text *styles, size_t style_count, bool pretty,
				struct buf *out)
{
	struct prompt_round *prompts = NULL;
	struct buf body;
	buf_init(&body, PROMPT_BYTES_MAX);
	enum err e = prompts_make(project, 0, &prompts);
	if (!e)
		e = prompt_generate(prompts, class_id, count, styles, style_count, NULL, &body);
	prompt_round_free(prompts);
	return body_end(e, &body, pretty, out);
}

enum err request_measure(const struct buf *body, struct request_size *ret_size)
{
	json_t *request = json_loadb(body->data, body->size, JSON_ALLOW_NUL, NULL);
	if (!request)
		return ERR_INVALID;
	struct request_size size = {0};
	size_t i;
	json_t *message;
	json_array_foreach(json_object_get(request, "messages"), i, message)
	{
		uint64_t bytes = json_string_length(json_object_get(message, "content"));
		size.bytes_first = i == 0 ? bytes : size.bytes_first;
		size.bytes += bytes;
		size.messages++;
	}
	const json_t *most = json_object_get(request, "max_tokens");
	if (!most)
		most = json_object_get(request, "max_completion_tokens");
	size.answer_tokens = (uint64_t)json_integer_value(most);
	json_decref(request);
	*ret_size = size;
	return ERR_OK;
}
