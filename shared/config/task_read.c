#include "config/task_read.h"

#include "base/limits.h"
#include "config/task_llm.h"
#include "text/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SHOTS_DEFAULT 10
#define RELABEL_DEFAULT 0.4
#define ROUNDS_DEFAULT 2
#define SEED_MAX 9007199254740991.0 /* exact in a double, and in every JSON reader */

static enum err read_labels(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_input(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_llm(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_price(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_rounds(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_generate(const struct fields_file *f, yaml_node_t *node, void *base);

/* In the order they are read in: `rounds` builds upon `llm`. */
static const struct field task_fields[] = {
    {.name = "task",
     .type = FIELD_STRING,
     .offset = offsetof(struct task, name),
     .max = NAME_BYTES_MAX},
    {.name = "description",
     .type = FIELD_STRING,
     .offset = offsetof(struct task, description),
     .max = DESCRIPTION_BYTES_MAX},
    {.name = "labels",
     .type = FIELD_READ,
     .read = read_labels,
     .required = "list at least two labels"},
    {.name = "input", .type = FIELD_READ, .read = read_input},
    {.name = "llm",
     .type = FIELD_READ,
     .read = read_llm,
     .required = "give at least its url and model"},
    {.name = "model", .type = FIELD_READ, .read = task_read_model},
    {.name = "rounds", .type = FIELD_READ, .read = read_rounds},
    {.name = "pool",
     .type = FIELD_UINT,
     .offset = offsetof(struct task, pool),
     .min = 1,
     .max = POOL_MAX},
    {.name = "generate", .type = FIELD_READ, .read = read_generate},
    {.name = "seed", .type = FIELD_UINT64, .offset = offsetof(struct task, seed), .max = SEED_MAX},
};

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

static const struct field input_fields[] = {
    {.name = "text",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_input, text),
     .max = NAME_BYTES_MAX},
    {.name = "id",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_input, id),
     .max = NAME_BYTES_MAX},
    {.name = "gold",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_input, gold),
     .max = NAME_BYTES_MAX},
    {.name = "augmented",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_input, augmented),
     .max = NAME_BYTES_MAX},
};

static const struct field llm_fields[] = {
    {.name = "url",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_llm, own.url),
     .max = NAME_BYTES_MAX * 4},
    {.name = "model",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_llm, own.model),
     .max = NAME_BYTES_MAX},
    {.name = "key_env",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_llm, own.key_env),
     .max = NAME_BYTES_MAX},
    {.name = "temperature",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_llm, temperature),
     .max = 2},
    {.name = "max_tokens",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, max_tokens),
     .min = 1,
     .max = 32768},
    {.name = "timeout_s",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_llm, own.timeout_s),
     .min = 0.1,
     .max = 3600},
    {.name = "concurrency",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, own.concurrency),
     .min = 1,
     .max = 1024},
    {.name = "retries",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, retries),
     .max = 20},
    {.name = "attempts",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, attempts),
     .min = 1,
     .max = 20},
    {.name = "usd_per_million", .type = FIELD_READ, .read = read_price},
};

static const struct field price_fields[] = {
    {.name = "in",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_endpoint, usd_per_million_in),
     .max = 1e6},
    {.name = "out",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_endpoint, usd_per_million_out),
     .max = 1e6},
};

static const struct field round_fields[] = {
    {.name = "shots",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_round, shots),
     .max = SHOTS_MAX},
    {.name = "relabel",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_round, relabel),
     .max = 1},
};

static const struct field generate_fields[] = {
    {.name = "demonstrations",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_generate, demonstrations),
     .min = 1,
     .max = POOL_MAX},
    {.name = "style_samples",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_generate, style_samples),
     .max = 1000},
};

static enum err no_memory(const struct fields_file *f)
{
	return err_set(f->msg, ERR_NO_MEMORY, "%s: %s", f->name, err_str(ERR_NO_MEMORY));
}

static bool has_control(const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return true;
	}
	return false;
}

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
	if (!*l->name || has_control(l->name))
		return fields_fail(f, node,
				   "a label's name is empty or has line breaks in it; "
				   "give it a name of one line");
	if (!l->description)
		l->description = strdup("");
	return l->description ? ERR_OK : no_memory(f);
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
			return no_memory(f);
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
		return no_memory(f);
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

static enum err read_labels(const struct fields_file *f, yaml_node_t *node, void *base)
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
		return no_memory(f);
	t->label_count = count;
	for (size_t i = 0; i < count; i++) {
		err = read_label(f, fields_node(f, items[i]), &t->labels[i]);
		if (err)
			return err;
	}
	return check_labels(f, t, items);
}

static enum err read_input(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	struct field_set set = {input_fields, COUNT(input_fields), &t->input};
	enum err err = fields_read(f, node, "\"input\"", &set, 1);
	const char *names[] = {t->input.text, t->input.id, t->input.gold, t->input.augmented};
	for (size_t i = 0; i < COUNT(names) && !err; i++) {
		if (names[i] && !*names[i])
			err = fields_fail(f, node,
					  "a column's name is empty; name it, or give its "
					  "number where there is no header");
	}
	return err;
}

static enum err read_price(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct field_set set = {price_fields, COUNT(price_fields), base};
	return fields_read(f, node, "\"usd_per_million\"", &set, 1);
}

static enum err check_llm(const struct fields_file *f, const yaml_node_t *node, struct task_llm *l)
{
	if (!l->own.url || !*l->own.url)
		return fields_fail(f, node,
				   "\"llm\" has no \"url\"; give the address of an "
				   "OpenAI-compatible server, https://.../v1");
	if (!l->own.model || !*l->own.model)
		return fields_fail(f, node, "\"llm\" has no \"model\"; give the model's name");
	bool scheme =
	    strncmp(l->own.url, "http://", 7) == 0 || strncmp(l->own.url, "https://", 8) == 0;
	if (!scheme || has_control(l->own.url) || strchr(l->own.url, ' '))
		return fields_fail(f, node, "\"url\" is %s; it must begin with http:// or https://",
				   l->own.url);
	for (size_t size = strlen(l->own.url); size > 8 && l->own.url[size - 1] == '/'; size--)
		l->own.url[size - 1] = '\0';
	/* An empty name stands for no key, so that a round can take it back. */
	if (l->own.key_env && !*l->own.key_env) {
		free(l->own.key_env);
		l->own.key_env = NULL;
	}
	const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	if (l->own.key_env && strspn(l->own.key_env, allowed) != strlen(l->own.key_env))
		return fields_fail(f, node,
				   "\"key_env\" must be the name of an environment "
				   "variable, such as OPENAI_API_KEY; never the key itself");
	return ERR_OK;
}

static enum err read_llm(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	struct field_set set = {llm_fields, COUNT(llm_fields), &t->llm};
	enum err err = fields_read(f, node, "\"llm\"", &set, 1);
	return err ? err : check_llm(f, node, &t->llm);
}

static enum err read_generate(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	struct field_set set = {generate_fields, COUNT(generate_fields), &t->generate};
	return fields_read(f, node, "\"generate\"", &set, 1);
}

/* A round with the defaults and a copy of `llm`. */
static enum err round_init(const struct fields_file *f, const struct task *t, size_t number,
			   struct task_round *ret_round)
{
	struct task_llm llm;
	if (task_llm_copy(&t->llm, &llm) != ERR_OK)
		return no_memory(f);
	*ret_round = (struct task_round){
	    .llm = llm,
	    .shots = SHOTS_DEFAULT,
	    .relabel = number == 0 ? 1.0 : RELABEL_DEFAULT,
	};
	return ERR_OK;
}

static enum err rounds_init(const struct fields_file *f, struct task *t, size_t count)
{
	assert(t->llm.own.url && t->llm.own.model);
	t->rounds = calloc(count, sizeof *t->rounds);
	if (!t->rounds)
		return no_memory(f);
	for (size_t i = 0; i < count; i++) {
		enum err err = round_init(f, t, i, &t->rounds[i]);
		if (err)
			return err;
		t->round_count++;
	}
	return ERR_OK;
}

static enum err read_round(const struct fields_file *f, yaml_node_t *node, size_t number,
			   struct task_round *r)
{
	struct field_set sets[] = {
	    {round_fields, COUNT(round_fields), r},
	    {llm_fields, COUNT(llm_fields), &r->llm},
	};
	enum err err = fields_read(f, node, "a round", sets, COUNT(sets));
	if (err)
		return err;
	if (number == 0 && r->relabel < 1.0)
		return fields_fail(f, node,
				   "the first round asks for every sample; give "
				   "\"relabel\" in later rounds alone");
	return check_llm(f, node, &r->llm);
}

static enum err read_rounds(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	if (node->type == YAML_SCALAR_NODE) {
		uint64_t rounds = 0;
		enum err err = fields_uint(f, node, "rounds", 1, ROUND_COUNT_MAX, &rounds);
		return err ? err : rounds_init(f, t, (size_t)rounds);
	}
	yaml_node_item_t *items = NULL;
	size_t count = 0;
	enum err err = fields_list(f, node, "rounds", &items, &count);
	if (err)
		return err;
	if (count < 1 || count > ROUND_COUNT_MAX)
		return fields_fail(f, node, "%zu rounds; there must be between 1 and %d", count,
				   ROUND_COUNT_MAX);
	t->early_stop = false;
	err = rounds_init(f, t, count);
	for (size_t i = 0; i < count && !err; i++)
		err = read_round(f, fields_node(f, items[i]), i, &t->rounds[i]);
	return err;
}

enum err task_read(const struct fields_file *f, yaml_node_t *root, struct task *t)
{
	struct field_set set = {task_fields, COUNT(task_fields), t};
	enum err err = fields_read(f, root, "the task file", &set, 1);
	if (!err && t->round_count == 0)
		err = rounds_init(f, t, ROUNDS_DEFAULT);
	return err;
}
