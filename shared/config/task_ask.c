/* Whom to ask and how, in a task file: `llm`, what rounds override of it, and `augment`. */
#include "config/task_read.h"

#include "base/limits.h"
#include "config/task_llm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
/* A second view is a text, not a label. */
#define AUGMENT_TOKENS 1000

static const struct field llm_fields[] = {
    {.name = "endpoints",
     .type = FIELD_STRINGS,
     .offset = offsetof(struct task_llm, endpoints),
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
    {.name = "retries",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, retries),
     .max = 20},
    {.name = "attempts",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, attempts),
     .min = 1,
     .max = 20},
    {.name = "effort",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_llm, effort),
     .max = 32},
    {.name = "batch_api", .type = FIELD_BOOL, .offset = offsetof(struct task_llm, batch_api)},
};

static const struct field label_fields[] = {
    {.name = "answers",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct task_llm, answers),
     .choices = {"text", "json", "choice"}},
    {.name = "logprobs", .type = FIELD_BOOL, .offset = offsetof(struct task_llm, logprobs)},
    {.name = "candidates", .type = FIELD_BOOL, .offset = offsetof(struct task_llm, candidates)},
    {.name = "samples",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, samples),
     .min = 1,
     .max = 40},
    {.name = "reasoning", .type = FIELD_BOOL, .offset = offsetof(struct task_llm, reasoning)},
    {.name = "reasoning_tokens",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, reasoning_tokens),
     .min = 1,
     .max = 32768},
    {.name = "batch",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_llm, batch),
     .min = 1,
     .max = 50},
};

/* Named endpoints or an own one: what stands here takes the place of what was there before. */
static enum err servers_choose(const struct fields_file *f, const yaml_node_t *node,
			       const char *what, struct task_llm *l)
{
	const struct field_set set = task_endpoint_set(&l->own);
	const yaml_node_t *names = fields_value(f, node, "endpoints");
	const yaml_node_t *own = NULL;
	const char *key = NULL;
	for (size_t i = 0; i < set.count && !own; i++) {
		key = set.fields[i].name;
		own = fields_value(f, node, key);
	}
	if (names && own)
		return fields_fail(f, own,
				   "%s has both \"endpoints\" and \"%s\"; put \"%s\" to the "
				   "endpoints, or ask by url and model alone",
				   what, key, key);
	if (names) {
		task_endpoint_done(&l->own);
		task_endpoint_init(&l->own);
	}
	if (!own || l->endpoints.count == 0)
		return ERR_OK;
	if (!fields_value(f, node, "url") || !fields_value(f, node, "model"))
		return fields_fail(f, own,
				   "%s has \"%s\", but \"llm\" asks endpoints by name; give both "
				   "url and model, or list other endpoints",
				   what, key);
	task_strings_done(&l->endpoints);
	return ERR_OK;
}

static bool endpoint_known(const struct task *t, const char *name)
{
	for (size_t i = 0; i < t->endpoint_count; i++) {
		if (strcmp(t->endpoints[i].name, name) == 0)
			return true;
	}
	return false;
}

static enum err names_check(const struct fields_file *f, const yaml_node_t *node,
			    const struct task *t, const struct task_llm *l)
{
	char list[300] = "";
	size_t used = 0;
	for (size_t i = 0; i < t->endpoint_count && used < sizeof list; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
					 t->endpoints[i].name);
	for (size_t i = 0; i < l->endpoints.count; i++) {
		const char *name = l->endpoints.items[i];
		if (!endpoint_known(t, name))
			return fields_fail(f, node, "there is no endpoint \"%s\"; %s%s", name,
					   *list ? "there are: " : "list it under \"endpoints\"",
					   list);
		for (size_t j = 0; j < i; j++) {
			if (strcmp(l->endpoints.items[j], name) == 0)
				return fields_fail(f, node, "the endpoint \"%s\" is listed twice",
						   name);
		}
	}
	return ERR_OK;
}

/* Settings that make no sense together. */
static enum err sense_check(const struct fields_file *f, const yaml_node_t *node,
			    const struct task_llm *l)
{
	const char *text = NULL;
	bool choice = l->answers == TASK_ANSWER_CHOICE;
	if (l->batch > 1 && l->samples > 1)
		text = "\"batch\" and \"samples\" above 1: a sample's answers come one a request; "
		       "set one of them to 1";
	else if (l->batch > 1 && l->logprobs)
		text =
		    "\"logprobs\" needs a request of its own for each sample; set \"batch\" to 1";
	else if (l->batch > 1 && choice)
		text =
		    "\"answers: choice\" lets the LLM say one label alone; set \"batch\" to 1, or "
		    "\"answers\" to json";
	else if (l->candidates && choice)
		text = "\"answers: choice\" lets the LLM say one label alone, so it can't name "
		       "candidates; set \"answers\" to text or json";
	else if (l->reasoning && choice)
		text = "\"answers: choice\" lets the LLM say one label alone, so it can't reason "
		       "before; set \"answers\" to text or json";
	else if (l->samples > 1 && l->temperature == 0 && !l->effort)
		text = "\"samples\" above 1 at temperature 0 is the same answer again; give a "
		       "\"temperature\", such as 0.7";
	return text ? fields_fail(f, node, "%s", text) : ERR_OK;
}

static enum err effort_check(const struct fields_file *f, const yaml_node_t *node,
			     struct task_llm *l)
{
	if (l->effort && !*l->effort) {
		free(l->effort);
		l->effort = NULL;
	}
	if (l->effort && l->effort[strspn(l->effort, "abcdefghijklmnopqrstuvwxyz")])
		return fields_fail(f, node,
				   "\"effort\" must be a word such as low, medium or high");
	return ERR_OK;
}

/* `more` are two sets of keys that stand beside those of every request. */
static enum err asks_read(const struct fields_file *f, yaml_node_t *node, const char *what,
			  const struct field_set more[2], const struct task *t, struct task_llm *l)
{
	const struct field_set sets[] = {
	    more[0],
	    task_endpoint_set(&l->own),
	    {llm_fields, COUNT(llm_fields), l},
	    more[1],
	};
	enum err err = servers_choose(f, node, what, l);
	if (!err)
		err = task_endpoint_prepare(f, node, &l->own);
	if (!err)
		err = fields_read(f, node, what, sets, COUNT(sets));
	const yaml_node_t *names = fields_value(f, node, "endpoints");
	if (!err && names && l->endpoints.count == 0)
		err = fields_fail(f, names, "\"endpoints\" is empty; name one at least");
	if (!err && names)
		err = names_check(f, names, t, l);
	if (!err && l->endpoints.count == 0)
		err = task_endpoint_check(f, node, what, &l->own);
	return err ? err : effort_check(f, node, l);
}

enum err task_llm_read(const struct fields_file *f, yaml_node_t *node, const char *what,
		       const struct field_set *more, const struct task *t, struct task_llm *l)
{
	const struct field_set sets[2] = {
	    more ? *more : (struct field_set){NULL, 0, NULL},
	    {label_fields, COUNT(label_fields), l},
	};
	enum err err = asks_read(f, node, what, sets, t, l);
	return err ? err : sense_check(f, node, l);
}

enum err task_read_llm(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	return task_llm_read(f, node, "\"llm\"", NULL, t, &t->llm);
}

/* What is about labels in `llm` is of no use to a second view. */
static enum err augment_init(const struct fields_file *f, struct task *t)
{
	struct task_llm llm;
	if (task_llm_copy(&t->llm, &llm) != ERR_OK)
		return task_no_memory(f);
	llm.max_tokens = AUGMENT_TOKENS;
	llm.answers = TASK_ANSWER_TEXT;
	llm.logprobs = llm.candidates = llm.reasoning = false;
	llm.samples = llm.batch = 1;
	task_llm_done(&t->augment.llm);
	t->augment.llm = llm;
	t->augment.on = true;
	return ERR_OK;
}

static bool scalar_is(const yaml_node_t *node, const char *word)
{
	return node->type == YAML_SCALAR_NODE &&
	       strcmp((const char *)node->data.scalar.value, word) == 0;
}

enum err task_read_augment(const struct fields_file *f, yaml_node_t *node, void *base)
{
	static const struct field fields[] = {
	    {.name = "language",
	     .type = FIELD_STRING,
	     .offset = offsetof(struct task_augment, language),
	     .max = NAME_BYTES_MAX},
	};
	struct task *t = base;
	if (scalar_is(node, "off") || scalar_is(node, "false"))
		return ERR_OK;
	bool paraphrase = scalar_is(node, "paraphrase");
	if (!paraphrase && node->type != YAML_MAPPING_NODE)
		return fields_fail(f, node,
				   "\"augment\" must be paraphrase, off, or a mapping such as "
				   "{language: French}");
	enum err err = augment_init(f, t);
	if (err || paraphrase)
		return err;
	const struct field_set sets[2] = {
	    {fields, COUNT(fields), &t->augment},
	    {NULL, 0, NULL},
	};
	err = asks_read(f, node, "\"augment\"", sets, t, &t->augment.llm);
	const char *language = t->augment.language;
	if (!err && language && (!*language || task_has_control(language)))
		err = fields_fail(f, node,
				  "\"language\" is empty or has line breaks in it; name one, or "
				  "remove it for a paraphrase");
	return err;
}
