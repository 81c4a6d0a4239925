#include "mockllm/chat.h"

#include "text/utf8.h"

#include <jansson.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct chat_text chat_text_of(const char *c_string)
{
	return (struct chat_text){c_string, strlen(c_string)};
}

int chat_text_equal(struct chat_text a, struct chat_text b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Jansson recurses on nesting up to its own limit of 2,048, which a thread's stack bears. */
static enum err message_content(const json_t *message, struct chat_text *ret_content,
				const char **ret_role, struct err_msg *msg)
{
	const json_t *role = json_object_get(message, "role");
	const json_t *content = json_object_get(message, "content");
	if (!json_is_string(role) || !json_is_string(content))
		return err_set(msg, ERR_INVALID,
			       "a message needs a string 'role' and a string 'content'");
	*ret_role = json_string_value(role);
	*ret_content = (struct chat_text){json_string_value(content), json_string_length(content)};
	return ERR_OK;
}

static bool text_number(struct chat_text t, size_t *at, size_t max, size_t *ret_number)
{
	size_t number = 0;
	size_t start = *at;
	while (*at < t.size && t.data[*at] >= '0' && t.data[*at] <= '9') {
		number = number * 10 + (size_t)(t.data[*at] - '0');
		if (number > max)
			return false;
		(*at)++;
	}
	*ret_number = number;
	return *at > start;
}

static bool text_literal(struct chat_text t, size_t *at, const char *literal)
{
	size_t size = strlen(literal);
	if (t.size - *at < size || memcmp(t.data + *at, literal, size) != 0)
		return false;
	*at += size;
	return true;
}

/* `Write N examples of the label "NAME".`, the name running to the line's last quote. */
static void examples_parse(struct chat_request *r)
{
	size_t at = 0;
	size_t wanted;
	if (!text_literal(r->text, &at, "Write ") ||
	    !text_number(r->text, &at, CHAT_EXAMPLES_MAX, &wanted) || wanted == 0)
		return;
	if (!text_literal(r->text, &at, " examples of the label \"") &&
	    !text_literal(r->text, &at, " example of the label \""))
		return;
	const char *line = r->text.data + at;
	const char *end = memchr(line, '\n', r->text.size - at);
	size_t size = end ? (size_t)(end - line) : r->text.size - at;
	if (size < 2 || memcmp(line + size - 2, "\".", 2) != 0)
		return;
	r->examples_wanted = wanted;
	r->examples_label = (struct chat_text){line, size - 2};
}

static enum err messages_parse(struct chat_request *r, const json_t *messages, struct err_msg *msg)
{
	size_t count = json_array_size(messages);
	struct chat_text pending = {0};
	bool has_pending = false;
	if (count == 0)
		return err_set(msg, ERR_INVALID,
			       "'messages' must be a list with at least one message");
	for (size_t i = 0; i < count; i++) {
		const char *role = NULL;
		struct chat_text content;
		enum err e = message_content(json_array_get(messages, i), &content, &role, msg);
		if (e)
			return e;
		r->prompt_bytes += content.size;
		if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0)
			continue;
		if (strcmp(role, "user") == 0) {
			pending = content;
			has_pending = true;
		} else if (strcmp(role, "assistant") == 0 && has_pending) {
			if (r->turn_count == CHAT_TURNS_MAX)
				return err_set(msg, ERR_INVALID, "more than %d assistant messages",
					       CHAT_TURNS_MAX);
			r->turns[r->turn_count++] = (struct chat_turn){pending, content};
			has_pending = false;
		} else {
			return err_set(msg, ERR_INVALID,
				       "message %zu has the unexpected role '%.40s'", i, role);
		}
	}
	if (!has_pending)
		return err_set(msg, ERR_INVALID, "the last message must be the user's");
	r->text = pending;
	return ERR_OK;
}

enum err chat_request_parse(struct chat_request *ret_request, const char *body, size_t size,
			    struct err_msg *msg)
{
	struct chat_request *r = ret_request;
	json_error_t error;
	r->root = NULL;
	r->turn_count = 0;
	r->examples_wanted = 0;
	r->prompt_bytes = 0;
	r->root = json_loadb(body ? body : "", size, JSON_ALLOW_NUL, &error);
	if (!r->root)
		return err_set(msg, ERR_INVALID, "the body is not JSON: %s", error.text);
	const json_t *model = json_object_get(r->root, "model");
	const json_t *messages = json_object_get(r->root, "messages");
	if (!json_is_string(model))
		return err_set(msg, ERR_INVALID, "'model' must be a string");
	if (json_is_true(json_object_get(r->root, "stream")))
		return err_set(msg, ERR_INVALID, "this mock does not stream");
	r->model = (struct chat_text){json_string_value(model), json_string_length(model)};
	enum err e = messages_parse(r, messages, msg);
	if (e)
		return e;
	examples_parse(r);
	return ERR_OK;
}

void chat_request_done(struct chat_request *r)
{
	json_decref(r->root);
	r->root = NULL;
}

void chat_string_write(struct buf *out, struct chat_text text)
{
	const char *end = text.data + text.size;
	buf_add_char(out, '"');
	for (const char *at = text.data; at < end;) {
		uint32_t c = utf8_next(&at, end);
		char bytes[UTF8_BYTES_MAX];
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else if (c < 0x20)
			buf_printf(out, "\\u%04x", (unsigned)c);
		else
			buf_add(out, bytes, utf8_put(bytes, c));
	}
	buf_add_char(out, '"');
}

static size_t token_count(size_t bytes)
{
	return (bytes + 3) / 4;
}

struct chat_usage chat_usage(const struct chat_request *request, const struct chat_reply *reply)
{
	return (struct chat_usage){token_count(request->prompt_bytes),
				   token_count(reply->content.size)};
}

uint64_t chat_cost(const struct chat_request *r)
{
	const json_t *max = json_object_get(r->root, "max_completion_tokens");
	if (!json_is_integer(max))
		max = json_object_get(r->root, "max_tokens");
	json_int_t tokens = json_is_integer(max) ? json_integer_value(max) : CHAT_TOKENS_DEFAULT;
	return token_count(r->prompt_bytes) + (tokens > 0 ? (uint64_t)tokens : 0);
}

void chat_reply_write(struct buf *out, const struct chat_request *request,
		      const struct chat_reply *reply)
{
	struct chat_usage usage = chat_usage(request, reply);
	buf_printf(out,
		   "{\"id\":\"chatcmpl-mock-%llu\",\"object\":\"chat.completion\",\"created\":0,"
		   "\"system_fingerprint\":\"%s (a mock, not a language model)\",\"model\":",
		   reply->number, reply->id_prefix);
	chat_string_write(out, request->model);
	buf_add_str(out,
		    ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
	chat_string_write(out, reply->content);
	buf_printf(out, "},\"logprobs\":null,\"finish_reason\":\"%s\"}],",
		   reply->finish_reason ? reply->finish_reason : "stop");
	buf_printf(
	    out,
	    "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu}}",
	    usage.prompt_tokens, usage.completion_tokens,
	    usage.prompt_tokens + usage.completion_tokens);
}

void chat_error_write(struct buf *out, const char *message, const char *type, const char *code,
		      const char *param)
{
	buf_add_str(out, "{\"error\":{\"message\":");
	chat_string_write(out, chat_text_of(message));
	buf_add_str(out, ",\"type\":");
	chat_string_write(out, chat_text_of(type));
	buf_add_str(out, ",\"param\":");
	if (param)
		chat_string_write(out, chat_text_of(param));
	else
		buf_add_str(out, "null");
	buf_add_str(out, ",\"code\":");
	chat_string_write(out, chat_text_of(code));
	buf_add_str(out, "}}");
}
