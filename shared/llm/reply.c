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

static void choice_read(struct reply *r, const json_t *choice)
{
	const json_t *message = json_object_get(choice, "message");
	const json_t *content = json_object_get(message, "content");
	const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
	if (!finish)
		finish = "";
	if (!json_is_object(message)) {
		r->reason = "malformed";
		return;
	}
	if (json_is_string(content)) {
		r->content = json_string_value(content);
		r->content_size = json_string_length(content);
	}
	const char *refusal = json_string_value(json_object_get(message, "refusal"));
	if ((refusal && *refusal) || strcmp(finish, "content_filter") == 0)
		r->reason = "refused";
	else if (strcmp(finish, "length") == 0)
		r->reason = "length";
	else if (has_items(json_object_get(message, "tool_calls")) ||
		 json_is_object(json_object_get(message, "function_call")) ||
		 strcmp(finish, "tool_calls") == 0)
		r->reason = "tool_call";
	else if (!r->content && content && !json_is_null(content))
		r->reason = "malformed";
	else if (r->content_size == 0)
		r->reason = "empty";
}

void reply_parse(const char *body, size_t size, struct reply *ret_reply)
{
	struct reply *r = ret_reply;
	*r = (struct reply){.reason = ""};
	r->root = body_load(body, size);
	const json_t *usage = json_object_get(r->root, "usage");
	r->tokens_in = count_get(usage, "prompt_tokens");
	r->tokens_out = count_get(usage, "completion_tokens");
	const json_t *choices = json_object_get(r->root, "choices");
	if (!json_is_array(choices))
		r->reason = "malformed";
	else if (json_array_size(choices) == 0)
		r->reason = "empty";
	else
		choice_read(r, json_array_get(choices, 0));
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
