#include "mockllm/examples.h"

#include "config/task.h"
#include "text/source.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { EXAMPLES_MAX = 100000 };

struct example {
	char *text;
	size_t size;
	int32_t label; /* number in the task */
};

struct examples {
	const struct task *task;
	struct example *items; /* in the file's order */
	size_t count;
	size_t capacity;
};

static enum err example_add(struct examples *x, const struct source_row *row)
{
	if (x->count == EXAMPLES_MAX)
		return ERR_LIMIT;
	if (x->count == x->capacity) {
		size_t capacity = x->capacity ? x->capacity * 2 : 64;
		struct example *items = realloc(x->items, capacity * sizeof(*items));
		if (!items)
			return ERR_NO_MEMORY;
		x->items = items;
		x->capacity = capacity;
	}
	char *text = malloc(row->text_size + 1);
	if (!text)
		return ERR_NO_MEMORY;
	memcpy(text, row->text, row->text_size);
	x->items[x->count++] = (struct example){text, row->text_size, row->gold};
	return ERR_OK;
}

static enum err source_read(struct examples *x, struct source *source, struct err_msg *msg)
{
	for (;;) {
		struct source_row row;
		enum err e = source_next(source, &row, msg);
		if (e)
			return e;
		if (!row.text)
			return ERR_OK;
		if (row.gold < 0)
			continue;
		e = example_add(x, &row);
		if (e)
			return err_set(msg, e, "no room for the examples");
	}
}

static bool is_name(const char *column)
{
	return column && strspn(column, "0123456789") != strlen(column);
}

enum err examples_new(const char *path, const struct task *task, struct examples **ret_examples,
		      struct err_msg *msg)
{
	struct examples *x = calloc(1, sizeof(*x));
	const char **labels = task_label_names(task);
	struct source *source = NULL;
	enum err e = ERR_OK;
	if (!x || !labels)
		e = err_set(msg, ERR_NO_MEMORY, "out of memory");
	if (!e) {
		struct source_options options = {
		    .columns = {.text = is_name(task->input.text) ? task->input.text : "text",
				.gold = is_name(task->input.gold) ? task->input.gold : "label"},
		    .labels = labels,
		    .label_count = task->label_count,
		};
		x->task = task;
		e = source_open(path, &options, &source, msg);
	}
	if (!e)
		e = source_read(x, source, msg);
	source_free(source);
	free(labels);
	if (e) {
		examples_free(x);
		return e;
	}
	*ret_examples = x;
	return ERR_OK;
}

void examples_free(struct examples *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->count; i++)
		free(x->items[i].text);
	free(x->items);
	free(x);
}

enum err examples_answer(const struct examples *x, const struct chat_request *request,
			 struct buf *out, struct err_msg *msg)
{
	struct chat_text name = request->examples_label;
	int32_t label = -1;
	for (size_t i = 0; i < x->task->label_count; i++) {
		const char *other = x->task->labels[i].name;
		if (strlen(other) == name.size && strncasecmp(other, name.data, name.size) == 0)
			label = (int32_t)i;
	}
	if (label < 0)
		return err_set(msg, ERR_INVALID, "the task has no label of that name");
	size_t given = 0;
	buf_add_char(out, '[');
	for (size_t i = 0; i < x->count && given < request->examples_wanted; i++) {
		if (x->items[i].label != label)
			continue;
		if (given++ > 0)
			buf_add_char(out, ',');
		chat_string_write(out, (struct chat_text){x->items[i].text, x->items[i].size});
	}
	buf_add_char(out, ']');
	return ERR_OK;
}
