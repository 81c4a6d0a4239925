/* The task file's key `labels`. */
#include "config/task_read.h"

#include "base/limits.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct field label_fields[] = {
    {.name = "name",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_label, name),
     .max = NAME_BYTES_MAX,
     .required = "give it one"},
    {.name = "description",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_label, description),
     .max = DESCRIPTION_BYTES_MAX},
    {.name = "aliases",
     .type = FIELD_STRINGS,
     .offset = offsetof(struct task_label, aliases),
     .max = NAME_BYTES_MAX},
    {.name = "keywords",
     .type = FIELD_STRINGS,
     .offset = offsetof(struct task_label, keywords),
     .max = NAME_BYTES_MAX},
    {.name = "examples",
     .type = FIELD_STRINGS,
     .offset = offsetof(struct task_label, examples),
     .max = DESCRIPTION_BYTES_MAX},
};

/* A label is a mapping, or its name alone. */
static enum err read_label(const struct fields_file *f, yaml_node_t *node, struct task_label *l)
{
	enum err err;
	if (node->type == YAML_SCALAR_NODE) {
		err = fields_string(f, node, "name", NAME_BYTES_MAX, &l->name);
	} else {
		struct field_set set = {label_fields, COUNT(label_fields), l};
		err = fields_read(f, node, "a label", &set, 1);
	}
	if (err)
		return err;
	if (!*l->name || task_has_control(l->name))
		return fields_fail(f, node,
				   "a label's name is empty or has line breaks in it; "
				   "give it a name of one line");
	if (!l->description)
		l->description = strdup("");
	return l->description ? ERR_OK : task_no_memory(f);
}

/* A name or alias as answers are compared with it: folded, without a full stop at its end. */
struct answer {
	struct buf folded;
	size_t label;
	const char *text;
	const yaml_node_t *node;
};

static int answer_compare(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;
	int order = strcmp(buf_str(&x->folded), buf_str(&y->folded));
	if (order)
		return order;
	return x->label < y->label ? -1 : x->label > y->label;
}

static void answer_init(struct answer *a, const char *text, size_t label, const yaml_node_t *node)
{
	size_t size = strlen(text);
	if (size > 1 && text[size - 1] == '.')
		size--;
	*a = (struct answer){.label = label, .text = text, .node = node};
	buf_init(&a->folded, NAME_BYTES_MAX * 2);
	utf8_fold_add(&a->folded, text, size);
}

static enum err answers_check(const struct fields_file *f, struct answer *answers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (buf_error(&answers[i].folded))
			return task_no_memory(f);
	}
	qsort(answers, count, sizeof *answers, answer_compare);
	for (size_t i = 1; i < count; i++) {
		const struct answer *a = &answers[i - 1], *b = &answers[i];
		bool same = strcmp(buf_str(&a->folded), buf_str(&b->folded)) == 0;
		if (same && a->label != b->label)
			return fields_fail(
			    f, b->node,
			    "the label \"%s\" is given twice (first in line %zu; names "
			    "and aliases, case ignored); rename or remove one",
			    b->text, a->node->start_mark.line + 1);
	}
	return ERR_OK;
}

/* No answer may mean two labels. */
static enum err check_labels(const struct fields_file *f, const struct task *t,
			     const yaml_node_item_t *items)
{
	size_t count = t->label_count, used = 0;
	for (size_t i = 0; i < t->label_count; i++)
		count += t->labels[i].aliases.count;
	struct answer *answers = calloc(count, sizeof *answers);
	if (!answers)
		return task_no_memory(f);
	for (size_t i = 0; i < t->label_count; i++) {
		const struct task_label *l = &t->labels[i];
		const yaml_node_t *node = fields_node(f, items[i]);
		answer_init(&answers[used++], l->name, i, node);
		for (size_t a = 0; a < l->aliases.count; a++)
			answer_init(&answers[used++], l->aliases.items[a], i, node);
	}
	enum err err = answers_check(f, answers, count);
	for (size_t i = 0; i < count; i++)
		buf_done(&answers[i].folded);
	free(answers);
	return err;
}

enum err task_read_labels(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	yaml_node_item_t *items = NULL;
	size_t count = 0;
	enum err err = fields_list(f, node, "labels", &items, &count);
	if (err)
		return err;
	if (count < 2)
		return fields_fail(f, node, "there must be at least two labels; here %s",
				   count ? "is one" : "are none");
	if (count > LABEL_COUNT_MAX)
		return fields_fail(f, node, "%zu labels, more than the %d allowed", count,
				   LABEL_COUNT_MAX);
	t->labels = calloc(count, sizeof *t->labels);
	if (!t->labels)
		return task_no_memory(f);
	t->label_count = count;
	for (size_t i = 0; i < count; i++) {
		err = read_label(f, fields_node(f, items[i]), &t->labels[i]);
		if (err)
			return err;
	}
	return check_labels(f, t, items);
}
