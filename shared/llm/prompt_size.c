#include "llm/prompt_size.h"

#include "llm/prompt.h"

#include <string.h>

/* freeal's own words and the parameters of any request, and of a message; generously. */
#define WORDS_BYTES 2048u
#define MESSAGE_BYTES 64u
/* An unusable answer that is shown again, all of it escaped. */
#define CORRECTION_BYTES (6u * 512u)
#define NAME_BYTES 16u /* around a name or its description, in all the places that have it */
#define ANSWER_BYTES 64u
#define TOKENS_AUGMENT 256u

/* In a JSON string; a name within an answer that is JSON is escaped once more. */
static uint64_t escaped(const void *data, size_t size)
{
	const unsigned char *text = data;
	uint64_t bytes = 0;
	for (size_t i = 0; i < size; i++)
		bytes += text[i] < 0x20 ? 6 : text[i] == '"' || text[i] == '\\' ? 2 : 1;
	return bytes;
}

static uint64_t string_size(const char *text)
{
	return text ? escaped(text, strlen(text)) : 0;
}

static uint64_t count_of(const char *text, const char *word)
{
	uint64_t count = 0;
	for (const char *at = text; (at = strstr(at, word)); at++)
		count++;
	return count;
}

/* What a template comes to, without what stands in the place of `own`; how often that is there.
 * Braces that are meant literally are taken for places, too. */
static uint64_t template_size(const char *text, const char *own, uint64_t task,
			      uint64_t *ret_copies)
{
	*ret_copies = count_of(text, own);
	return string_size(text) + (count_of(text, "{") - *ret_copies) * task;
}

void prompt_size_init(struct prompt_size *s, const Freeal__Project *project, const Freeal__Llm *llm)
{
	const Freeal__Prompt *p = project->prompt;
	uint64_t copies, names = 0, longest = 0, model = 0;
	*s = (struct prompt_size){.project = project, .llm = llm};
	s->task = string_size(project->description) + NAME_BYTES;
	for (size_t i = 0; i < project->n_labels; i++) {
		uint64_t name = 2 * string_size(project->labels[i]->name) + NAME_BYTES;
		longest = name > longest ? name : longest;
		names += name;
		s->task += name + string_size(project->labels[i]->description) + NAME_BYTES;
	}
	for (size_t i = 0; i < llm->n_endpoints; i++) {
		uint64_t size = string_size(project->endpoints[llm->endpoints[i]]->model);
		model = size > model ? size : model;
	}
	s->answer = longest + ANSWER_BYTES + MESSAGE_BYTES;
	/* The names also as the schema's or, twice, as the choice's. */
	s->fixed = WORDS_BYTES + model + string_size(llm->effort) + s->task + 2 * names;
	if (p && p->system && *p->system)
		s->fixed += template_size(p->system, "{text}", s->task, &copies);
	if (llm->attempts_max > 1)
		s->fixed += CORRECTION_BYTES + names;
	s->text_copies = 1;
	if (p && p->user && *p->user)
		s->around = template_size(p->user, "{text}", s->task, &s->text_copies);
}

static uint64_t text_size(const struct prompt_size *s, const ProtobufCBinaryData *text)
{
	return s->around + s->text_copies * escaped(text->data, text->len) + MESSAGE_BYTES;
}

uint64_t prompt_size_annotate(const struct prompt_size *s, const Freeal__AnnotateOrder *order,
			      const Freeal__Pool *pool)
{
	uint64_t size = s->fixed + text_size(s, &order->text);
	for (size_t i = 0; pool && i < order->n_demonstrations; i++) {
		uint32_t number = order->demonstrations[i];
		if (number < pool->n_demonstrations)
			size += text_size(s, &pool->demonstrations[number]->text) + s->answer;
	}
	return size;
}

uint64_t prompt_size_generate(const struct prompt_size *s, const Freeal__GenerateOrder *order)
{
	const Freeal__Prompt *p = s->project->prompt;
	uint64_t styles = 0, copies = 1, size = s->fixed;
	for (size_t i = 0; i < order->n_styles; i++)
		styles += escaped(order->styles[i].data, order->styles[i].len) + NAME_BYTES;
	if (p && p->generate_system && *p->generate_system)
		size += template_size(p->generate_system, "{styles}", s->task, &copies);
	copies = 1;
	if (p && p->generate_user && *p->generate_user)
		size += template_size(p->generate_user, "{styles}", s->task, &copies);
	return size + (copies + 1) * styles + 2 * s->task;
}

uint64_t prompt_size_augment(const struct prompt_size *s, const Freeal__AugmentOrder *order)
{
	return s->fixed + escaped(order->text.data, order->text.len);
}

uint32_t prompt_size_annotate_tokens(const struct prompt_size *s)
{
	return s->llm->max_tokens;
}

uint32_t prompt_size_generate_tokens(const struct prompt_size *s,
				     const Freeal__GenerateOrder *order)
{
	return prompt_generate_tokens_max(s->llm, order->count);
}

uint32_t prompt_size_augment_tokens(const struct prompt_size *s, const Freeal__AugmentOrder *order)
{
	uint64_t tokens = 2 * (uint64_t)order->text.len + TOKENS_AUGMENT;
	if (tokens > UINT32_MAX)
		tokens = UINT32_MAX;
	return s->llm->max_tokens > tokens ? s->llm->max_tokens : (uint32_t)tokens;
}
