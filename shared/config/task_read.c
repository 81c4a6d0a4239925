#include "config/task_read.h"

#include "base/limits.h"
#include "config/task_llm.h"
#include "text/prompt_template.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SHOTS_DEFAULT 10
#define RELABEL_DEFAULT 0.4
#define ROUNDS_DEFAULT 2
#define COUNT_MAX 1e15
#define SEED_MAX 9007199254740991.0 /* exact in a double, and in every JSON reader */

static enum err read_input(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_rounds(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_generate(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_budget(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_cache(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_prompt(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_usd(const struct fields_file *f, yaml_node_t *node, void *base);

/* In the order they are read in: `rounds` and `augment` build upon `llm`, that on `endpoints`. */
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
     .read = task_read_labels,
     .required = "list at least two labels"},
    {.name = "input", .type = FIELD_READ, .read = read_input},
    {.name = "endpoints", .type = FIELD_READ, .read = task_read_endpoints},
    {.name = "llm",
     .type = FIELD_READ,
     .read = task_read_llm,
     .required = "give at least its url and model"},
    {.name = "model", .type = FIELD_READ, .read = task_read_model},
    {.name = "rounds", .type = FIELD_READ, .read = read_rounds},
    {.name = "pool",
     .type = FIELD_UINT,
     .offset = offsetof(struct task, pool),
     .min = 1,
     .max = POOL_MAX},
    {.name = "generate", .type = FIELD_READ, .read = read_generate},
    {.name = "budget", .type = FIELD_READ, .read = read_budget},
    {.name = "cache", .type = FIELD_READ, .read = read_cache},
    {.name = "prompt", .type = FIELD_READ, .read = read_prompt},
    {.name = "embeddings", .type = FIELD_READ, .read = task_read_embeddings},
    {.name = "augment", .type = FIELD_READ, .read = task_read_augment},
    {.name = "seed", .type = FIELD_UINT64, .offset = offsetof(struct task, seed), .max = SEED_MAX},
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

static const struct field budget_fields[] = {
    {.name = "usd", .type = FIELD_READ, .read = read_usd},
    {.name = "tokens",
     .type = FIELD_UINT64,
     .offset = offsetof(struct task_budget, tokens),
     .min = 1,
     .max = COUNT_MAX},
    {.name = "requests",
     .type = FIELD_UINT64,
     .offset = offsetof(struct task_budget, requests),
     .min = 1,
     .max = COUNT_MAX},
};

static const struct field prompt_fields[] = {
    {.name = "system",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_prompt, system),
     .max = DESCRIPTION_BYTES_MAX},
    {.name = "user",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_prompt, user),
     .max = DESCRIPTION_BYTES_MAX},
    {.name = "generate_system",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_prompt, generate_system),
     .max = DESCRIPTION_BYTES_MAX},
    {.name = "generate_user",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_prompt, generate_user),
     .max = DESCRIPTION_BYTES_MAX},
};

enum err task_no_memory(const struct fields_file *f)
{
	return err_set(f->msg, ERR_NO_MEMORY, "%s: %s", f->name, err_str(ERR_NO_MEMORY));
}

bool task_has_control(const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return true;
	}
	return false;
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
		return task_no_memory(f);
	*ret_round = (struct task_round){
	    .llm = llm,
	    .shots = SHOTS_DEFAULT,
	    .relabel = number == 0 ? 1.0 : RELABEL_DEFAULT,
	};
	return ERR_OK;
}

static enum err rounds_init(const struct fields_file *f, struct task *t, size_t count)
{
	assert(t->llm.endpoints.count > 0 || (t->llm.own.url && t->llm.own.model));
	t->rounds = calloc(count, sizeof *t->rounds);
	if (!t->rounds)
		return task_no_memory(f);
	for (size_t i = 0; i < count; i++) {
		enum err err = round_init(f, t, i, &t->rounds[i]);
		if (err)
			return err;
		t->round_count++;
	}
	return ERR_OK;
}

static enum err read_round(const struct fields_file *f, yaml_node_t *node, const struct task *t,
			   size_t number, struct task_round *r)
{
	const struct field_set set = {round_fields, COUNT(round_fields), r};
	enum err err = task_llm_read(f, node, "a round", &set, t, &r->llm);
	if (err)
		return err;
	if (number == 0 && r->relabel < 1.0)
		return fields_fail(f, node,
				   "the first round asks for every sample; give "
				   "\"relabel\" in later rounds alone");
	return ERR_OK;
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
		err = read_round(f, fields_node(f, items[i]), t, i, &t->rounds[i]);
	return err;
}

static enum err read_usd(const struct fields_file *f, yaml_node_t *node, void *base)
{
	return fields_nano(f, node, "usd", &((struct task_budget *)base)->nano_usd);
}

static enum err read_budget(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	struct field_set set = {budget_fields, COUNT(budget_fields), &t->budget};
	enum err err = fields_read(f, node, "\"budget\"", &set, 1);
	if (!err && !t->budget.nano_usd && !t->budget.tokens && !t->budget.requests)
		err = fields_fail(f, node,
				  "\"budget\" is empty; give usd, tokens or requests, or remove "
				  "it");
	return err;
}

static enum err read_cache(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	if (node->type != YAML_MAPPING_NODE)
		return fields_bool(f, node, "cache", &t->cache);
	uint64_t mib = 0;
	static const struct field fields[] = {
	    {.name = "mib",
	     .type = FIELD_UINT64,
	     .min = 1,
	     .max = 1 << 20,
	     .required = "or say off"},
	};
	struct field_set set = {fields, COUNT(fields), &mib};
	enum err err = fields_read(f, node, "\"cache\"", &set, 1);
	if (!err)
		t->cache_bytes_max = mib << 20;
	return err;
}

static enum err read_prompt(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	struct field_set set = {prompt_fields, COUNT(prompt_fields), &t->prompt};
	enum err err = fields_read(f, node, "\"prompt\"", &set, 1);
	static_assert(COUNT(prompt_fields) == PROMPT_TEMPLATE_GENERATE_USER + 1, "in its order");
	char *const texts[] = {t->prompt.system, t->prompt.user, t->prompt.generate_system,
			       t->prompt.generate_user};
	for (size_t i = 0; i < COUNT(texts) && !err; i++) {
		const char *name = prompt_fields[i].name;
		const yaml_node_t *value = fields_value(f, node, name);
		struct err_msg why;
		if (value && !*texts[i])
			err = fields_fail(f, value, "\"%s\" is empty; remove it for freeal's own",
					  name);
		else if (value && prompt_template_check(texts[i], (enum prompt_template)i, &why))
			err = fields_fail(f, value, "\"%s\": %s", name, why.text);
	}
	return err;
}

static const char *unpriced(const struct task_endpoint *e)
{
	return e->priced ? NULL : e->name ? e->name : e->model;
}

/* One of an LLM's endpoints without a price; NULL: there is none. */
static const char *llm_unpriced(const struct task *t, const struct task_llm *l)
{
	if (l->endpoints.count == 0)
		return unpriced(&l->own);
	for (size_t n = 0; n < l->endpoints.count; n++) {
		for (size_t i = 0; i < t->endpoint_count; i++) {
			const char *name = t->endpoints[i].name;
			if (strcmp(name, l->endpoints.items[n]) == 0 && !t->endpoints[i].priced)
				return name;
		}
	}
	return NULL;
}

/* Money can be counted only where there are prices. */
static enum err check_prices(const struct fields_file *f, const yaml_node_t *root,
			     const struct task *t)
{
	if (t->budget.nano_usd == 0)
		return ERR_OK;
	const char *without = NULL;
	for (size_t i = 0; i < t->round_count && !without; i++)
		without = llm_unpriced(t, &t->rounds[i].llm);
	if (!without && t->augment.on)
		without = llm_unpriced(t, &t->augment.llm);
	if (!without && t->embeddings.endpoint.url)
		without = unpriced(&t->embeddings.endpoint);
	if (!without)
		return ERR_OK;
	return fields_fail(f, fields_value(f, root, "budget"),
			   "\"usd\" can't be kept without the price of %s; give its "
			   "usd_per_million: {in: ..., out: ...} (0 where it is free)",
			   without);
}

enum err task_read(const struct fields_file *f, yaml_node_t *root, struct task *t)
{
	struct field_set set = {task_fields, COUNT(task_fields), t};
	enum err err = fields_read(f, root, "the task file", &set, 1);
	if (!err && t->round_count == 0)
		err = rounds_init(f, t, ROUNDS_DEFAULT);
	return err ? err : check_prices(f, root, t);
}
