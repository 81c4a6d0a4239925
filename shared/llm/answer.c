#include "llm/answer_impl.h"

#include "llm/json_members.h"
#include "text/utf8.h"

#include <jansson.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Braces looked at from the end, for the object that words end in. */
#define OBJECT_TRIES_MAX 16
#define FLAGS (JSON_ALLOW_NUL | JSON_DECODE_ANY)

void answer_reasoning_add(struct buf *reasoning, const char *text, size_t size)
{
	utf8_trim(&text, &size);
	if (!reasoning || buf_error(reasoning) || size == 0)
		return;
	bool between = reasoning->size > 0;
	size_t room = reasoning->size_max - reasoning->size;
	if (room < between + 1u)
		return;
	if (between)
		buf_add_char(reasoning, '\n');
	room -= between;
	buf_add(reasoning, text, utf8_valid_size(text, size < room ? size : room));
}

void answer_fence_strip(const char **text, size_t *size)
{
	utf8_trim(text, size);
	if (*size < 3 || memcmp(*text, "```", 3) != 0)
		return;
	const char *line = memchr(*text, '\n', *size);
	if (!line)
		return;
	*size -= (size_t)(line + 1 - *text);
	*text = line + 1;
	utf8_trim(text, size);
	if (*size >= 3 && memcmp(*text + *size - 3, "```", 3) == 0)
		*size -= 3;
	utf8_trim(text, size);
}

void answer_think_strip(const char **text, size_t *size, struct buf *reasoning)
{
	static const char open[] = "<think>", close[] = "</think>";
	utf8_trim(text, size);
	const char *from = *text, *end = from + *size;
	bool opened = *size >= sizeof open - 1 && memcmp(from, open, sizeof open - 1) == 0;
	if (opened)
		from += sizeof open - 1;
	/* Some models' templates open it in the prompt. */
	const char *closed = NULL;
	for (const char *at = from;
	     at < end && (at = memmem(at, (size_t)(end - at), close, sizeof close - 1)); at++)
		closed = at;
	if (!opened && !closed)
		return;
	answer_reasoning_add(reasoning, from, (size_t)((closed ? closed : end) - from));
	*text = closed ? closed + sizeof close - 1 : end;
	*size = (size_t)(end - *text);
	utf8_trim(text, size);
}

static void answer_set(struct answer *a, const char *reason)
{
	*a = (struct answer){.reason = reason};
}

static void class_add(struct answer *a, uint32_t class_id)
{
	for (uint32_t i = 0; i < a->count && i < CANDIDATES_MAX; i++) {
		if (a->class_ids[i] == class_id)
			return;
	}
	if (a->count < CANDIDATES_MAX)
		a->class_ids[a->count] = class_id;
	a->count++;
}

/* Whether so many labels are an answer. */
static void count_check(const struct answer_labels *l, const struct answer_form *form,
			struct answer *a)
{
	const char *label = a->label;
	if (a->count > 1 && !form->candidates)
		answer_set(a, "several_labels");
	else if (a->count > CANDIDATES_MAX || (a->count > 1 && a->count == l->class_count))
		answer_set(a, "undecided");
	a->label = label;
}

/* The first label of a list with commas; a name may have commas itself, so that the longest one
 * is taken. `*size` becomes what is left of the text. ANSWER_NONE: it is none. */
static int32_t list_take(const struct answer_labels *l, const char **text, size_t *size)
{
	const char *reason;
	size_t end = *size;
	for (;;) {
		int32_t class_id = answer_label(l, *text, end, &reason);
		if (class_id != ANSWER_NONE) {
			size_t taken = end < *size ? end + 1 : end;
			*text += taken;
			*size -= taken;
			return class_id;
		}
		const char *comma = memrchr(*text, ',', end);
		if (!comma)
			return ANSWER_NONE;
		end = (size_t)(comma - *text);
	}
}

static bool list_read(const struct answer_labels *l, const char *text, size_t size,
		      struct answer *a)
{
	while (size > 0) {
		int32_t class_id = list_take(l, &text, &size);
		if (class_id == ANSWER_NONE)
			return false;
		class_add(a, (uint32_t)class_id);
	}
	return a->count > 0;
}

/* Names in plain words. */
static void words_read(const struct answer_labels *l, const struct answer_form *form,
		       const char *text, size_t size, struct answer *a)
{
	answer_set(a, "");
	utf8_trim(&text, &size);
	int32_t class_id = answer_label(l, text, size, &a->reason);
	const char *reason = a->reason;
	bool cut = size > ANSWER_BYTES_MAX;
	if (class_id != ANSWER_NONE) {
		class_add(a, (uint32_t)class_id);
	} else if (!form->candidates || cut || !list_read(l, text, size, a)) {
		answer_set(a, reason);
		return;
	}
	a->reason = "";
	a->label = text;
	count_check(l, form, a);
}

static void array_read(const struct answer_labels *l, const struct answer_form *form,
		       const json_t *list, struct answer *a)
{
	size_t i;
	json_t *item;
	const char *reason;
	answer_set(a, "");
	json_array_foreach(list, i, item)
	{
		int32_t class_id = ANSWER_NONE;
		if (json_is_string(item))
			class_id = answer_label(l, json_string_value(item),
						json_string_length(item), &reason);
		if (class_id == ANSWER_NONE) {
			answer_set(a, "not_a_label");
			return;
		}
		class_add(a, (uint32_t)class_id);
	}
	if (a->count == 0)
		answer_set(a, "empty");
	count_check(l, form, a);
}

/* A JSON value that says the label. */
static void value_read(const struct answer_labels *l, const struct answer_form *form,
		       const json_t *value, struct answer *a)
{
	answer_set(a, "not_a_label");
	if (json_is_string(value))
		words_read(l, form, json_string_value(value), json_string_length(value), a);
	else if (json_is_array(value))
		array_read(l, form, value, a);
	a->label = NULL; /* in what is decoded, not in the text */
}

/* Where the words of a member's value begin: behind brackets and quotes. */
static const char *words_begin(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n[\"", *at))
		at++;
	return at < end ? at : NULL;
}

static void object_read(const struct answer_labels *l, const struct answer_form *form,
			const json_t *object, const char *text, size_t size, struct buf *reasoning,
			struct answer *a)
{
	const json_t *label = json_object_get(object, "label");
	const json_t *labels = json_object_get(object, "labels");
	const json_t *thought = json_object_get(object, "reasoning");
	const char *key = label ? "label" : "labels";
	answer_set(a, "not_a_label");
	if (json_is_string(thought))
		answer_reasoning_add(reasoning, json_string_value(thought),
				     json_string_length(thought));
	if (!label == !labels)
		return;
	value_read(l, form, label ? label : labels, a);
	struct json_member member = {0};
	while (json_members_next(text, size, &member)) {
		if (json_member_is(&member, key))
			a->label = words_begin(member.value, text + size);
	}
}

/* The value of the last line `Label: NAME`; asterisks, which make it bold, are forgiven. False:
 * there is none. */
static bool label_line_find(const char *text, size_t size, const char **ret_value, size_t *ret_size,
			    const char **ret_line)
{
	static const char word[] = "label:";
	const char *end = text + size;
	bool found = false;
	for (const char *line = text; line < end;) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		const char *stop = next ? next : end, *at = line;
		while (at < stop && strchr(" \t*", *at))
			at++;
		if ((size_t)(stop - at) >= sizeof word - 1 &&
		    strncasecmp(at, word, sizeof word - 1) == 0) {
			at += sizeof word - 1;
			while (at < stop && strchr(" \t*", *at))
				at++;
			*ret_line = line;
			*ret_value = at;
			while (stop > at && strchr(" \t\r*", stop[-1]))
				stop--;
			*ret_size = (size_t)(stop - at);
			found = true;
		}
		line = next ? next + 1 : end;
	}
	return found;
}

void answer_parse(const struct answer_labels *l, const struct answer_form *form, const char *text,
		  size_t size, struct buf *reasoning, struct answer *ret_answer)
{
	const char *line;
	answer_think_strip(&text, &size, reasoning);
	answer_fence_strip(&text, &size);
	if (size > 0 && (text[0] == '{' || text[0] == '[')) {
		json_t *root = json_loadb(text, size, FLAGS | JSON_REJECT_DUPLICATES, NULL);
		bool read = root != NULL;
		if (json_is_object(root))
			object_read(l, form, root, text, size, reasoning, ret_answer);
		else if (root)
			value_read(l, form, root, ret_answer);
		json_decref(root);
		if (read && (ret_answer->count > 0 || text[0] == '{'))
			return;
	}
	if (form->reasoning) {
		const char *from = text;
		if (label_line_find(text, size, &text, &size, &line))
			answer_reasoning_add(reasoning, from, (size_t)(line - from));
	}
	words_read(l, form, text, size, ret_answer);
}

/* The object that an answer is or, with words before it, ends in. */
static json_t *items_load(bool words, const char **text, size_t *size)
{
	const char *end = *text + *size;
	json_t *root = json_loadb(*text, *size, FLAGS, NULL);
	for (int tries = 0; !root && words && tries < OBJECT_TRIES_MAX; tries++) {
		const char *brace = memrchr(*text, '{', (size_t)(end - *text));
		if (!brace)
			break;
		size_t left = (size_t)(*text + *size - brace);
		root = json_loadb(brace, left, FLAGS | JSON_DISABLE_EOF_CHECK, NULL);
		end = brace;
		if (root) {
			*text = brace;
			*size = left;
		}
	}
	if (!json_is_object(root)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static void item_read(const struct answer_labels *l, const struct answer_form *form,
		      const json_t *root, const char *text, size_t size, const char *id,
		      struct answer *a)
{
	uint32_t found = 0;
	struct json_member member = {0};
	while (json_members_next(text, size, &member))
		found += json_member_is(&member, id);
	const json_t *value = json_object_get(root, id);
	if (found == 0 || !value)
		answer_set(a, "missing");
	else if (found > 1)
		answer_set(a, "duplicate");
	else if (json_is_object(value))
		object_read(l, form, value, "", 0, NULL, a);
	else
		value_read(l, form, value, a);
}

void answer_parse_items(const struct answer_labels *l, const struct answer_form *form,
			const char *text, size_t size, uint64_t first_id, uint32_t count,
			struct buf *reasoning, struct answer *ret_answers)
{
	answer_think_strip(&text, &size, reasoning);
	answer_fence_strip(&text, &size);
	const char *from = text, *reason = "malformed";
	json_t *root = items_load(form->reasoning, &text, &size);
	if (root)
		answer_reasoning_add(reasoning, from, (size_t)(text - from));
	else if (answer_label(l, text, size, &reason) != ANSWER_NONE ||
		 (strcmp(reason, "refused") != 0 && strcmp(reason, "empty") != 0))
		reason = "malformed";
	for (uint32_t i = 0; i < count; i++) {
		char id[24];
		(void)snprintf(id, sizeof id, "%llu", (unsigned long long)(first_id + i));
		if (root)
			item_read(l, form, root, text, size, id, &ret_answers[i]);
		else
			answer_set(&ret_answers[i], reason);
	}
	json_decref(root);
}
