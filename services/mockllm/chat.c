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

/* The parts' texts one after the other; NULL where they aren't all texts. */
static json_t *parts_join(const json_t *parts)
{
	size_t i;
	const json_t *part;
	struct buf joined;
	buf_init(&joined, CHAT_BODY_MAX);
	json_array_foreach(parts, i, part)
	{
		const char *type = json_string_value(json_object_get(part, "type"));
		const json_t *text = json_object_get(part, "text");
		if (!type || strcmp(type, "text") != 0 || !json_is_string(text)) {
			buf_done(&joined);
			return NULL;
		}
		buf_add(&joined, json_string_value(text), json_string_length(text));
	}
	json_t *string = buf_error(&joined) ? NULL : json_stringn(buf_str(&joined), joined.size);
	buf_done(&joined);
	return string;
}

/* Puts a string in the place of a list of parts. */
static enum err message_content(json_t *message, struct chat_text *ret_content,
				const char **ret_role, struct err_msg *msg)
{
	const json_t *role = json_object_get(message, "role");
	const json_t *content = json_object_get(message, "content");
	if (json_array_size(content) > 0) {
		json_t *joined = parts_join(content);
		if (!joined || json_object_set_new(message, "content", joined) != 0)
			return err_set(msg, ERR_INVALID,
				       "a list of parts must hold objects of type 'text'");
		content = joined;
	}
	if (!json_is_string(role) || !json_is_string(content))
		return err_set(msg, ERR_INVALID,
			       "a message needs a string 'role', and a string or a list of parts "
			       "as 'content'");
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

/* The line that begins at `*at`, without its end; `*at` moves behind it. */
static struct chat_text line_next(struct chat_text t, size_t *at)
{
	const char *line = t.data + *at;
	const char *end = memchr(line, '\n', t.size - *at);
	size_t size = end ? (size_t)(end - line) : t.size - *at;
	*at += size + (end != NULL);
	return (struct chat_text){line, size};
}

/* `Label each of these N texts.`, then N times `### ID` and lines of text. */
static enum err items_parse(struct chat_request *r, struct err_msg *msg)
{
	size_t at = 0;
	size_t wanted;
	if (!text_literal(r->text, &at, "Label each of these ") ||
	    !text_number(r->text, &at, CHAT_ITEMS_MAX, &wanted) || wanted == 0 ||
	    !text_literal(r->text, &at, " texts.\n"))
		return ERR_OK;
	struct chat_item *item = NULL;
	while (at < r->text.size) {
		struct chat_text line = line_next(r->text, &at);
		if (line.size > 4 && memcmp(line.data, "### ", 4) == 0) {
			if (r->item_count == wanted)
				return err_set(msg, ERR_INVALID, "more than %zu texts", wanted);
			item = &r->items[r->item_count++];
			item->id = (struct chat_text){line.data + 4, line.size - 4};
			item->text = (struct chat_text){r->text.data + at, 0};
		} else if (item && line.size > 0) {
			item->text.size = (size_t)(line.data + line.size - item->text.data);
		}
	}
	if (r->item_count < wanted)
		return err_set(msg, ERR_INVALID, "%zu texts were announced and %zu are there",
			       wanted, r->item_count);
	return ERR_OK;
}

static void system_read(struct chat_request *r, struct chat_text t)
{
	static const char candidates[] =
	    "If you are not sure, name all labels that are possible, separated by commas.";
	static const char reasoning[] = "end with a line \"Label: NAME\"";
	static const char rewriting[] = "Rewrite the user's text";
	if (t.size >= sizeof rewriting - 1 && memcmp(t.data, rewriting, sizeof rewriting - 1) == 0)
		r->asks_rewriting = true;
	if (memmem(t.data, t.size, candidates, sizeof candidates - 1))
		r->asks_candidates = true;
	if (memmem(t.data, t.size, reasoning, sizeof reasoning - 1))
		r->asks_reasoning = true;
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
		if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0) {
			system_read(r, content);
		} else if (strcmp(role, "user") == 0) {
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
	/* A correction of the last answer: the text is the one before it. */
	static const char correction[] = "Your last answer can't be used: ";
	r->text = pending;
	if (r->turn_count > 0 && pending.size >= sizeof correction - 1 &&
	    memcmp(pending.data, correction, sizeof correction - 1) == 0)
		r->text = r->turns[--r->turn_count].text;
	return ERR_OK;
}

enum err chat_request_parse(struct chat_request *ret_request, const char *body, size_t size,
			    const char *deployment, struct err_msg *msg)
{
	struct chat_request *r = ret_request;
	json_error_t error;
	r->root = NULL;
	r->turn_count = 0;
	r->examples_wanted = 0;
	r->item_count = 0;
	r->asks_candidates = false;
	r->asks_reasoning = false;
	r->prompt_bytes = 0;
	/* Jansson recurses on nesting up to its own limit of 2,048, which a thread's stack bears.
	 */
	r->root = json_loadb(body ? body : "", size, JSON_ALLOW_NUL, &error);
	if (!r->root)
		return err_set(msg, ERR_INVALID, "the body is not JSON: %s", error.text);
	const json_t *model = json_object_get(r->root, "model");
	const json_t *messages = json_object_get(r->root, "messages");
	if (!json_is_string(model) && !deployment)
		return err_set(msg, ERR_INVALID, "'model' must be a string");
	r->model = deployment
		       ? chat_text_of(deployment)
		       : (struct chat_text){json_string_value(model), json_string_length(model)};
	enum err e = messages_parse(r, messages, msg);
	if (e)
		return e;
	examples_parse(r);
	return items_parse(r, msg);
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
