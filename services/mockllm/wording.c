#include "mockllm/wording.h"

#include "mockllm/mock.h"
#include "mockllm/pieces.h"

#include <jansson.h>

#include <string.h>

enum { WORDING_DEPTH_MAX = 16, WORDING_BYTES_MAX = 16 << 20 };

/* What a value is written from. */
struct source {
	const struct chat_request *request;
	const struct guess *guesses; /* one per item, or one */
	const struct guess *guess;   /* of the item that is being written */
	const char *examples;	     /* a JSON list where demonstrations are asked for, or NULL */
};

static const char THOUGHT[] = "The words of the text were weighed against the names of the labels.";

void wording_init(struct wording *w)
{
	buf_init(&w->content, WORDING_BYTES_MAX);
	buf_init(&w->reasoning, WORDING_BYTES_MAX);
	w->reasoning_tokens = 0;
	w->finish_reason = "stop";
	w->span_count = 0;
}

void wording_done(struct wording *w)
{
	buf_done(&w->content);
	buf_done(&w->reasoning);
}

/* A guess's first `count` names, the answer among them as a span. */
static void names_write(struct wording *w, const struct guess *g, size_t count)
{
	if (w->span_count < CHAT_ITEMS_MAX)
		w->spans[w->span_count++] =
		    (struct wording_span){w->content.size, g->names[0].size, *g};
	for (size_t i = 0; i < count; i++) {
		buf_add_str(&w->content, i ? ", " : "");
		buf_add(&w->content, g->names[i].data, g->names[i].size);
	}
}

static size_t names_wanted(const struct source *from)
{
	return from->request->asks_candidates ? from->guess->likely : 1;
}

/* As a JSON string. */
static void names_quote(struct wording *w, const struct guess *g, size_t count)
{
	struct buf plain;
	buf_init(&plain, WORDING_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		buf_add_str(&plain, i ? ", " : "");
		buf_add(&plain, g->names[i].data, g->names[i].size);
	}
	if (w->span_count < CHAT_ITEMS_MAX)
		w->spans[w->span_count++] =
		    (struct wording_span){w->content.size + 1, g->names[0].size, *g};
	chat_string_write(&w->content, (struct chat_text){buf_str(&plain), plain.size});
	buf_done(&plain);
}

static void value_write(struct wording *w, const struct source *from, const json_t *schema,
			size_t depth);

static void list_write(struct wording *w, const struct source *from, const json_t *items)
{
	const json_t *list = json_object_get(items, "enum");
	if (from->examples) {
		buf_add_str(&w->content, from->examples);
		return;
	}
	buf_add_char(&w->content, '[');
	if (json_is_string(json_array_get(list, 0))) {
		struct guess g = guess_constrain(from->guess, list);
		size_t wanted = names_wanted(from);
		for (size_t i = 0; i < wanted && i < g.likely; i++) {
			struct guess one = guess_of(g.names[i]);
			buf_add_str(&w->content, i ? ", " : "");
			names_quote(w, i ? &one : &g, 1);
		}
	}
	buf_add_char(&w->content, ']');
}

/* The item whose ID is this; NULL where none is. */
static const struct guess *item_guess(const struct source *from, const char *id)
{
	for (size_t i = 0; i < from->request->item_count; i++) {
		if (chat_text_equal(from->request->items[i].id, chat_text_of(id)))
			return &from->guesses[i];
	}
	return NULL;
}

/* An object with a member for each item; `schema` NULL: its names as a string. */
static void items_write(struct wording *w, const struct source *from, const json_t *schema,
			size_t depth)
{
	buf_add_char(&w->content, '{');
	for (size_t i = 0; i < from->request->item_count; i++) {
		struct source item = *from;
		item.guess = &from->guesses[i];
		buf_add_str(&w->content, i ? ", " : "");
		chat_string_write(&w->content, from->request->items[i].id);
		buf_add_str(&w->content, ": ");
		if (schema)
			value_write(w, &item, schema, depth);
		else
			names_quote(w, item.guess, names_wanted(&item));
	}
	buf_add_char(&w->content, '}');
}

static void object_write(struct wording *w, const struct source *from, json_t *schema, size_t depth)
{
	const char *name;
	json_t *value;
	json_t *properties = json_object_get(schema, "properties");
	const json_t *more = json_object_get(schema, "additionalProperties");
	if (json_object_size(properties) == 0 && json_is_object(more)) {
		items_write(w, from, more, depth);
		return;
	}
	size_t count = 0;
	buf_add_char(&w->content, '{');
	json_object_foreach(properties, name, value)
	{
		struct source member = *from;
		const struct guess *guess = item_guess(from, name);
		if (guess)
			member.guess = guess;
		buf_add_str(&w->content, count++ ? ", " : "");
		chat_string_write(&w->content, chat_text_of(name));
		buf_add_str(&w->content, ": ");
		value_write(w, &member, value, depth);
	}
	buf_add_char(&w->content, '}');
}

/* Something that the schema allows: labels where it lists names, plain values elsewhere. */
static void value_write(struct wording *w, const struct source *from, const json_t *schema,
			size_t depth)
{
	const json_t *list = json_object_get(schema, "enum");
	const json_t *type_of = json_object_get(schema, "type");
	const char *type =
	    json_string_value(json_is_array(type_of) ? json_array_get(type_of, 0) : type_of);
	if (depth == WORDING_DEPTH_MAX || !type)
		type = json_object_get(schema, "properties") ? "object" : "string";
	if (json_is_string(json_array_get(list, 0))) {
		struct guess g = guess_constrain(from->guess, list);
		names_quote(w, &g, 1);
	} else if (strcmp(type, "object") == 0 && depth < WORDING_DEPTH_MAX) {
		object_write(w, from, (json_t *)schema, depth + 1);
	} else if (strcmp(type, "array") == 0) {
		list_write(w, from, json_object_get(schema, "items"));
	} else if (strcmp(type, "boolean") == 0 || strcmp(type, "null") == 0) {
		buf_add_str(&w->content, type[0] == 'b' ? "false" : "null");
	} else if (strcmp(type, "integer") == 0) {
		buf_add_str(&w->content, "1");
	} else if (strcmp(type, "number") == 0) {
		buf_printf(&w->content, "%.3f", from->guess->probabilities[0]);
	} else {
		chat_string_write(&w->content, chat_text_of(THOUGHT));
	}
}

static void text_write(struct wording *w, const struct source *from)
{
	if (from->examples) {
		buf_add_str(&w->content, from->examples);
	} else if (from->request->item_count) {
		items_write(w, from, NULL, 0);
	} else {
		if (from->request->asks_reasoning)
			buf_printf(&w->content, "%s\nLabel: ", THOUGHT);
		names_write(w, from->guess, names_wanted(from));
	}
}

static void format_write(struct wording *w, const struct source *from, const struct params *params)
{
	switch (params->format) {
	case PARAMS_TEXT:
		text_write(w, from);
		break;
	case PARAMS_OBJECT:
		if (from->request->item_count) {
			items_write(w, from, NULL, 0);
			break;
		}
		buf_add_str(&w->content, from->examples ? "{\"examples\": " : "{\"label\": ");
		if (from->examples)
			buf_add_str(&w->content, from->examples);
		else
			names_quote(w, from->guess, names_wanted(from));
		buf_add_char(&w->content, '}');
		break;
	case PARAMS_SCHEMA:
		value_write(w, from, params->schema, 0);
		break;
	case PARAMS_CHOICE: {
		struct guess g = guess_constrain(from->guess, params->schema);
		names_write(w, &g, 1);
		break;
	}
	}
}

/* Reasoning before the content, as long as the effort asks for. */
static void reasoning_write(struct wording *w, const struct params *params)
{
	struct chat_text thought = chat_text_of(THOUGHT);
	for (uint32_t left = params->reasoning_tokens; left > 0;) {
		size_t size = pieces_bytes(thought, left);
		size_t count = pieces_count((struct chat_text){thought.data, size});
		if (w->reasoning.size > 0)
			buf_add_char(&w->reasoning, '\n');
		buf_add(&w->reasoning, thought.data, size);
		left -= (uint32_t)count;
	}
	w->reasoning_tokens = params->reasoning_tokens;
}

/* The text's words in another order: the last one first. */
static void rewrite_write(struct wording *w, struct chat_text text)
{
	for (size_t end = text.size; end > 0;) {
		size_t from = end;
		while (from > 0 && text.data[from - 1] != ' ')
			from--;
		if (from < end && w->content.size > 0)
			buf_add_char(&w->content, ' ');
		buf_add(&w->content, text.data + from, end - from);
		end = from > 0 ? from - 1 : 0;
	}
}

enum err wording_write(struct wording *w, const struct mock *mock,
		       const struct chat_request *request, const struct params *params,
		       uint64_t draw, struct err_msg *msg)
{
	struct guess guesses[CHAT_ITEMS_MAX];
	struct guess none = guess_of(chat_text_of("unknown"));
	struct source from = {.request = request, .guesses = guesses, .guess = &none};
	struct buf examples;
	enum err e = ERR_OK;
	buf_init(&examples, WORDING_BYTES_MAX);
	if (request->asks_rewriting) {
		rewrite_write(w, request->text);
		buf_done(&examples);
		return ERR_OK;
	}
	if (request->examples_wanted) {
		e = mock_examples(mock, request, &examples, msg);
		from.examples = buf_str(&examples);
	} else if (request->item_count == 0) {
		e = mock_guess(mock, request, request->text, draw, &guesses[0], msg);
		from.guess = &guesses[0];
	}
	for (size_t i = 0; !e && i < request->item_count; i++) {
		e = mock_guess(mock, request, request->items[i].text, draw, &guesses[i], msg);
		if (e)
			e = err_prefix(msg, e, "text %zu", i + 1);
		from.guess = &guesses[0];
	}
	if (!e) {
		reasoning_write(w, params);
		format_write(w, &from, params);
	}
	buf_done(&examples);
	return e;
}

void wording_cut(struct wording *w, const struct params *params)
{
	for (size_t i = 0; i < params->stop_count; i++) {
		struct chat_text stop = params->stops[i];
		const char *found =
		    w->content.size ? memmem(w->content.data, w->content.size, stop.data, stop.size)
				    : NULL;
		if (found)
			w->content.size = (size_t)(found - w->content.data);
	}
	if (params->tokens_max == 0)
		return;
	/* Reasoning comes first and may leave nothing for the content. */
	uint64_t left = params->tokens_max;
	if (w->reasoning_tokens >= left)
		w->reasoning_tokens = (size_t)left;
	left -= w->reasoning_tokens;
	struct chat_text content = {buf_str(&w->content), w->content.size};
	size_t size = pieces_bytes(content, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
	if (size < w->content.size) {
		w->content.size = size;
		w->finish_reason = "length";
	}
}
