#include "llm/reply.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Jansson's own limit on nesting (2,048) keeps its recursion within the stack. */
static json_t *body_load(const char *body, size_t size)
{
	static const char bom[] = "\xef\xbb\xbf";
	if (size >= 3 && memcmp(body, bom, 3) == 0) {
		body += 3;
		size -= 3;
	}
	json_error_t error;
	return json_loadb(body ? body : "", size, JSON_ALLOW_NUL, &error);
}

static uint64_t count_get(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	json_int_t count = json_is_integer(value) ? json_integer_value(value) : 0;
	return count > 0 && count < ((json_int_t)1 << 40) ? (uint64_t)count : 0;
}

static bool has_items(const json_t *value)
{
	return json_is_array(value) && json_array_size(value) > 0;
}

static void reasoning_read(struct reply_choice *c, const json_t *message)
{
	const json_t *reasoning = json_object_get(message, "reasoning_content");
	if (!json_is_string(reasoning))
		reasoning = json_object_get(message, "reasoning");
	if (!json_is_string(reasoning))
		return;
	c->reasoning = json_string_value(reasoning);
	c->reasoning_size = json_string_length(reasoning);
}

static void choice_read(struct reply_choice *c, const json_t *choice)
{
	const json_t *message = json_object_get(choice, "message");
	const json_t *content = json_object_get(message, "content");
	const json_t *tokens = json_object_get(json_object_get(choice, "logprobs"), "content");
	const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
	*c = (struct reply_choice){.reason = ""};
	if (!finish)
		finish = "";
	if (!json_is_object(message)) {
		c->reason = "malformed";
		return;
	}
	if (json_is_string(content)) {
		c->content = json_string_value(content);
		c->content_size = json_string_length(content);
	}
	c->logprobs = has_items(tokens) ? tokens : NULL;
	reasoning_read(c, message);
	const char *refusal = json_string_value(json_object_get(message, "refusal"));
	if ((refusal && *refusal) || strcmp(finish, "content_filter") == 0)
		c->reason = "refused";
	else if (strcmp(finish, "length") == 0)
		c->reason = "length";
	else if (has_items(json_object_get(message, "tool_calls")) ||
		 json_is_object(json_object_get(message, "function_call")) ||
		 strcmp(finish, "tool_calls") == 0)
		c->reason = "tool_call";
	else if (!c->content && content && !json_is_null(content))
		c->reason = "malformed";
	else if (c->content_size == 0)
		c->reason = "empty";
}

static void choices_read(struct reply *r, const json_t *choices)
{
	size_t count = json_array_size(choices);
	r->choice_count = count < REPLY_CHOICES_MAX ? (uint32_t)count : REPLY_CHOICES_MAX;
	for (uint32_t i = 0; i < r->choice_count; i++)
		choice_read(&r->choices[i], json_array_get(choices, i));
	if (!json_is_array(choices)) {
		r->reason = "malformed";
	} else if (count == 0) {
		r->reason = "empty";
	} else {
		r->reason = r->choices[0].reason;
		r->content = r->choices[0].content;
		r->content_size = r->choices[0].content_size;
	}
}

/* A part of a count is not more than it. */
static uint64_t part_get(const json_t *object, const char *key, uint64_t whole)
{
	uint64_t count = count_get(object, key);
	return count < whole ? count : whole;
}

static void usage_read(struct reply *r, const json_t *usage)
{
	r->tokens_in = count_get(usage, "prompt_tokens");
	r->tokens_out = count_get(usage, "completion_tokens");
	r->tokens_cached = part_get(json_object_get(usage, "prompt_tokens_details"),
				    "cached_tokens", r->tokens_in);
	r->tokens_reasoning = part_get(json_object_get(usage, "completion_tokens_details"),
				       "reasoning_tokens", r->tokens_out);
}

void reply_parse(const char *body, size_t size, struct reply *ret_reply)
{
	struct reply *r = ret_reply;
	*r = (struct reply){.reason = ""};
	r->root = body_load(body, size);
	usage_read(r, json_object_get(r->root, "usage"));
	choices_read(r, json_object_get(r->root, "choices"));
}

void reply_done(struct reply *r)
{
	json_decref(r->root);
	*r = (struct reply){.reason = ""};
}

static void text_copy(char *to, size_t to_size, const char *from)
{
	snprintf(to, to_size, "%s", from ? from : "");
	for (char *at = to; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	}
}

void reply_error_parse(const char *body, size_t size, struct reply_error *ret_error)
{
	*ret_error = (struct reply_error){0};
	json_t *root = body_load(body, size);
	const json_t *error = json_object_get(root, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *type = json_string_value(json_object_get(error, "type"));
	text_copy(ret_error->code, sizeof ret_error->code, code ? code : type);
	const char *message = json_string_value(json_object_get(error, "message"));
	if (!message)
		message = json_string_value(error); /* {"error": "..."}, as some servers write */
	text_copy(ret_error->message, sizeof ret_error->message, message);
	json_decref(root);
}
