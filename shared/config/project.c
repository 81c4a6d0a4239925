#include "config/project.h"

#include "config/project_llm.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The pieces are allocated with malloc, as protobuf-c's own allocator does, so that
 * free_unpacked frees the whole. Lists are counted up as they fill, so that a half-built
 * message can be freed as well. */

bool project_string_set(char **ret, const char *value)
{
	*ret = strdup(value ? value : "");
	return *ret != NULL;
}

static bool strings_set(char ***ret, size_t *ret_count, const struct task_strings *from)
{
	if (from->count == 0)
		return true;
	*ret = calloc(from->count, sizeof **ret);
	if (!*ret)
		return false;
	for (; *ret_count < from->count; (*ret_count)++) {
		if (!project_string_set(&(*ret)[*ret_count], from->items[*ret_count]))
			return false;
	}
	return true;
}

static bool examples_set(Freeal__Label *l, const struct task_strings *from)
{
	if (from->count == 0)
		return true;
	l->examples = calloc(from->count, sizeof *l->examples);
	if (!l->examples)
		return false;
	for (; l->n_examples < from->count; l->n_examples++) {
		ProtobufCBinaryData *b = &l->examples[l->n_examples];
		b->data = (uint8_t *)strdup(from->items[l->n_examples]);
		if (!b->data)
			return false;
		b->len = strlen((const char *)b->data);
	}
	return true;
}

static bool label_add(Freeal__Project *p, const struct task_label *from)
{
	Freeal__Label *l = malloc(sizeof *l);
	if (!l)
		return false;
	freeal__label__init(l);
	p->labels[p->n_labels++] = l;
	return project_string_set(&l->name, from->name) &&
	       project_string_set(&l->description, from->description) &&
	       strings_set(&l->aliases, &l->n_aliases, &from->aliases) &&
	       strings_set(&l->keywords, &l->n_keywords, &from->keywords) &&
	       examples_set(l, &from->examples);
}

static bool round_add(Freeal__Project *p, const struct task *from_task,
		      const struct task_round *from)
{
	Freeal__RoundConfig *r = malloc(sizeof *r);
	if (!r)
		return false;
	freeal__round_config__init(r);
	p->rounds[p->n_rounds++] = r;
	r->shots = from->shots;
	r->relabel = from->relabel;
	return project_llm_set(p, from_task, &from->llm, &r->llm);
}

static bool model_set(Freeal__Project *p, const struct task_model *from)
{
	static const char *const precisions[] = {"auto", "fp32", "bf16"};
	p->model = malloc(sizeof *p->model);
	if (!p->model)
		return false;
	freeal__model__init(p->model);
	Freeal__Model *m = p->model;
	bool encoder = from->type == TASK_MODEL_ENCODER;
	m->folds = from->folds;
	m->epochs = from->epochs;
	if (!project_string_set(&m->type, encoder ? "encoder" : "ngram") ||
	    !project_string_set(&m->recipe,
				from->recipe == TASK_RECIPE_PAPER ? "paper" : "default"))
		return false;
	if (!encoder)
		return true;
	m->tokens = from->tokens;
	m->freeze = from->freeze;
	m->batch = from->batch;
	m->rate = from->rate;
	m->views = from->views;
	m->mixup = (Freeal__Choice)from->mixup;
	m->consistency = (Freeal__Choice)from->consistency;
	m->second_views = (uint32_t)from->second_views;
	return project_string_set(&m->path, from->path) &&
	       project_string_set(&m->precision, precisions[from->precision]);
}

static bool prompt_set(Freeal__Project *p, const struct task_prompt *from)
{
	if (!from->system && !from->user && !from->generate_system && !from->generate_user)
		return true;
	p->prompt = malloc(sizeof *p->prompt);
	if (!p->prompt)
		return false;
	freeal__prompt__init(p->prompt);
	return project_string_set(&p->prompt->system, from->system) &&
	       project_string_set(&p->prompt->user, from->user) &&
	       project_string_set(&p->prompt->generate_system, from->generate_system) &&
	       project_string_set(&p->prompt->generate_user, from->generate_user);
}

static bool embeddings_set(Freeal__Project *p, const struct task_embeddings *from)
{
	if (!from->endpoint.url)
		return true;
	p->embeddings = malloc(sizeof *p->embeddings);
	if (!p->embeddings)
		return false;
	freeal__embeddings__init(p->embeddings);
	p->embeddings->dimensions = from->dimensions;
	p->embeddings->batch = from->batch;
	p->embeddings->endpoint = project_endpoint_from(&from->endpoint);
	return p->embeddings->endpoint != NULL;
}

static bool augment_set(Freeal__Project *p, const struct task *from)
{
	if (!from->augment.on)
		return true;
	p->augment = malloc(sizeof *p->augment);
	if (!p->augment)
		return false;
	freeal__augment__init(p->augment);
	return project_string_set(&p->augment->language, from->augment.language) &&
	       project_llm_set(p, from, &from->augment.llm, &p->augment->llm);
}

Freeal__Project *project_from_task(const struct task *t, uint64_t version)
{
	Freeal__Project *p = malloc(sizeof *p);
	if (!p)
		return NULL;
	freeal__project__init(p);
	p->version = version;
	p->stop_early = t->early_stop;
	p->pool = t->pool;
	p->seed = t->seed;
	p->cache = t->cache;
	p->labels = calloc(t->label_count, sizeof *p->labels);
	p->rounds = calloc(t->round_count, sizeof *p->rounds);
	bool ok = p->labels && p->rounds && project_string_set(&p->task, t->name) &&
		  project_string_set(&p->description, t->description) && model_set(p, &t->model);
	for (size_t i = 0; ok && i < t->label_count; i++)
		ok = label_add(p, &t->labels[i]);
	for (size_t i = 0; ok && i < t->round_count; i++)
		ok = round_add(p, t, &t->rounds[i]);
	ok = ok && prompt_set(p, &t->prompt) && embeddings_set(p, &t->embeddings) &&
	     augment_set(p, t);
	if (!ok) {
		freeal__project__free_unpacked(p, NULL);
		return NULL;
	}
	return p;
}

uint32_t project_config_of(const Freeal__Project *project, uint32_t round)
{
	assert(project->n_rounds > 0);
	return round < project->n_rounds ? round : (uint32_t)project->n_rounds - 1;
}
