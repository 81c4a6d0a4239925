#include "llm/prompt.h"

#include "base/limits.h"
#include "llm/prompt_round_impl.h"
#include "text/escape.h"
#include "text/utf8.h"

#include <jansson.h>

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Tokens of one written demonstration, generously, and the most that common models write. */
#define GENERATED_TOKENS 100u
#define GENERATED_TOKENS_MAX 4096u
/* IDs end here. */
#define ID_MAX 1000000u
/* Names in one schema, all its members together, that servers take. */
#define SCHEMA_NAMES_MAX 1000u

static void demonstrations_add(const struct prompt_round *r, const struct prompt_ask *ask,
			       struct buf *out)
{
	for (size_t i = 0; i < ask->number_count; i++) {
		uint32_t class_id = prompt_pool_class(ask->pool, ask->numbers[i]);
		assert(class_id < r->project->n_labels);
		size_t from = class_id ? r->answer_ends[class_id - 1] : 0;
		prompt_pool_add(ask->pool, ask->numbers[i], out);
		buf_add(out, r->answers.data + from, r->answer_ends[class_id] - from);
	}
}

/* The answer that was unusable, and the words about it. */
static void correction_add(const struct prompt_text *answer, const struct buf *words,
			   struct buf *out)
{
	struct buf bad;
	size_t size = answer->size < PROMPT_BAD_BYTES_MAX ? answer->size : PROMPT_BAD_BYTES_MAX;
	buf_init(&bad, PROMPT_BAD_BYTES_MAX + 16);
	if (answer->data)
		buf_add(&bad, answer->data, utf8_valid_size(answer->data, size));
	/* An empty message is refused by some servers. */
	if (bad.size == 0)
		buf_add_str(&bad, "(no answer)");
	buf_add_char(out, ',');
	prompt_message_add("assistant", &bad, out);
	buf_add_char(out, ',');
	prompt_message_add("user", words, out);
	buf_done(&bad);
}

/* What ends a request: parameters that the requests of one round differ in. */
static void end_add(const struct prompt_round *r, const struct prompt_ask *ask, struct buf *out)
{
	buf_add_char(out, ']');
	if (ask->answers > 1 && !r->dialect.no_n)
		buf_printf(out, ",\"n\":%u", ask->answers);
	if (ask->seed > 0 && !r->dialect.no_seed)
		buf_printf(out, ",\"seed\":%u", ask->seed);
	buf_add_char(out, '}');
}

/* The largest number below ID_MAX that stands in the text as an ID would. */
static uint64_t id_imitated(const struct prompt_text *text)
{
	uint64_t largest = 0;
	const char *at = text->data, *end = at + text->size;
	while (at < end && (at = memmem(at, (size_t)(end - at), "###", 3))) {
		for (at += 3; at < end && (*at == '#' || *at == ' ' || *at == '\t'); at++)
			;
		uint64_t number = 0;
		for (; at < end && isdigit((unsigned char)*at) && number <= ID_MAX; at++)
			number = 10 * number + (uint64_t)(*at - '0');
		if (number <= ID_MAX && number > largest)
			largest = number;
	}
	return largest;
}

static enum err first_id_choose(const struct prompt_ask *ask, uint64_t *ret_first_id)
{
	uint64_t largest = 0;
	for (size_t i = 0; i < ask->text_count; i++) {
		uint64_t imitated = id_imitated(&ask->texts[i]);
		largest = imitated > largest ? imitated : largest;
	}
	if (largest + ask->text_count >= ID_MAX)
		return ERR_LIMIT;
	*ret_first_id = largest + 1;
	return ERR_OK;
}

static void batch_schema_add(const struct prompt_round *r, size_t count, uint64_t first_id,
			     struct buf *out)
{
	if (r->project->n_labels * count > SCHEMA_NAMES_MAX) {
		buf_add_str(out, ",\"response_format\":{\"type\":\"json_object\"}");
		return;
	}
	buf_add_str(out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
			 "{\"name\":\"labels\",\"strict\":true,\"schema\":"
			 "{\"type\":\"object\",\"properties\":{");
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, "%s\"%llu\":%s{\"type\":\"string\",\"enum\":[", i ? "," : "",
			   (unsigned long long)first_id + i,
			   r->shape.candidates ? "{\"type\":\"array\",\"items\":" : "");
		buf_add(out, r->names.data, r->names.size);
		buf_add_str(out, r->shape.candidates ? "]}}" : "]}");
	}
	buf_add_str(out, "},\"required\":[");
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s\"%llu\"", i ? "," : "", (unsigned long long)first_id + i);
	buf_add_str(out, "],\"additionalProperties\":false}}}");
}

static enum err batch_write(const struct prompt_round *r, const struct prompt_ask *ask,
			    uint64_t *ret_first_id, struct buf *out)
{
	uint64_t first_id = 0;
	enum err e = first_id_choose(ask, &first_id);
	if (e)
		return e;
	buf_add(out, r->model.data, r->model.size);
	prompt_round_limits_add(r, (uint64_t)r->llm->max_tokens * ask->text_count, out);
	if (r->shape.json)
		batch_schema_add(r, ask->text_count, first_id, out);
	buf_add(out, r->system_batch.data, r->system_batch.size);
	demonstrations_add(r, ask, out);
	buf_printf(out, ",{\"role\":\"user\",\"content\":\"Label each of these %zu texts.\\n",
		   ask->text_count);
	for (size_t i = 0; i < ask->text_count; i++) {
		buf_printf(out, "\\n### %llu\\n", (unsigned long long)first_id + i);
		prompt_user_add(&r->user, ask->texts[i].data, ask->texts[i].size, out);
		buf_add_str(out, "\\n");
	}
	buf_add_str(out, "\"}");
	*ret_first_id = first_id;
	return ERR_OK;
}

enum err prompt_annotate(const struct prompt_round *r, const struct prompt_ask *ask,
			 uint64_t *ret_first_id, struct buf *out)
{
	assert(ask->text_count > 0 && ask->text_count <= PROMPT_BATCH_MAX);
	for (size_t i = 0; i < ask->text_count; i++) {
		if (!utf8_is_valid(ask->texts[i].data, ask->texts[i].size))
			return ERR_INVALID;
	}
	if (ask->text_count > 1) {
		enum err e = batch_write(r, ask, ret_first_id, out);
		if (e)
			return e;
	} else {
		buf_add(out, r->head.data, r->head.size);
		demonstrations_add(r, ask, out);
		buf_add_str(out, ",{\"role\":\"user\",\"content\":\"");
		prompt_user_add(&r->user, ask->texts[0].data, ask->texts[0].size, out);
		buf_add_str(out, "\"}");
	}
	if (ask->correction) {
		struct buf words;
		buf_init(&words, PROMPT_BYTES_MAX);
		prompt_correction_add(r->project, &r->shape, ask->correction->reason, &words);
		correction_add(&ask->correction->answer, &words, out);
		buf_done(&words);
	}
	end_add(r, ask, out);
	return buf_error(out);
}

uint32_t prompt_generate_tokens_max(const Freeal__Llm *llm, uint32_t count)
{
	uint64_t tokens = (uint64_t)GENERATED_TOKENS * count + GENERATED_TOKENS;
	if (tokens > GENERATED_TOKENS_MAX)
		tokens = GENERATED_TOKENS_MAX;
	return llm->max_tokens > tokens ? llm->max_tokens : (uint32_t)tokens;
}

enum err prompt_generate(const struct prompt_round *r, uint32_t class_id, uint32_t count,
			 const struct prompt_text *styles, size_t style_count,
			 const struct prompt_correction *correction, struct buf *out)
{
	assert(class_id < r->project->n_labels);
	for (size_t i = 0; i < style_count; i++) {
		if (!utf8_is_valid(styles[i].data, styles[i].size))
			return ERR_INVALID;
	}
	struct buf words;
	buf_init(&words, PROMPT_BYTES_MAX);
	buf_add(out, r->model.data, r->model.size);
	prompt_round_limits_add(r, prompt_generate_tokens_max(r->llm, count), out);
	buf_add(out, r->system_generate.data, r->system_generate.size);
	buf_add_char(out, ',');
	prompt_generate_user_add(r->project, class_id, count, styles, style_count, &words);
	prompt_message_add("user", &words, out);
	if (correction) {
		buf_reset(&words);
		prompt_generate_correction_add(count, correction->reason, &words);
		correction_add(&correction->answer, &words, out);
	}
	buf_done(&words);
	buf_add_str(out, "]}");
	return buf_error(out);
}

enum err prompt_augment(const struct prompt_round *r, const struct prompt_text *text,
			const struct prompt_correction *correction, struct buf *out)
{
	struct buf words;
	if (!utf8_is_valid(text->data, text->size))
		return ERR_INVALID;
	buf_init(&words, PROMPT_BYTES_MAX);
	buf_add(out, r->model.data, r->model.size);
	prompt_round_limits_add(r, prompt_tokens_max(r->llm), out);
	buf_add_str(out, ",\"messages\":[");
	prompt_augment_system_add(r->project, &words);
	prompt_message_add("system", &words, out);
	buf_reset(&words);
	buf_add_char(out, ',');
	buf_add(&words, text->data, text->size);
	prompt_message_add("user", &words, out);
	if (correction) {
		buf_reset(&words);
		buf_add_str(&words,
			    "Your last answer can't be used. Answer with the rewritten text "
			    "alone.");
		correction_add(&correction->answer, &words, out);
	}
	buf_done(&words);
	buf_add_str(out, "]}");
	return buf_error(out);
}

static int buf_write(const char *data, size_t size, void *context)
{
	struct buf *out = context;
	buf_add(out, data, size);
	return buf_error(out) ? -1 : 0;
}

enum err prompt_indent(const struct buf *body, struct buf *out)
{
	json_t *root = json_loadb(buf_str(body), body->size, JSON_ALLOW_NUL, NULL);
	if (!root)
		return ERR_INVALID;
	size_t flags = JSON_REAL_PRECISION(6) | JSON_INDENT(2);
	enum err e = ERR_OK;
	if (json_dump_callback(root, buf_write, out, flags) != 0)
		e = buf_error(out) ? buf_error(out) : ERR_NO_MEMORY;
	json_decref(root);
	return e;
}
