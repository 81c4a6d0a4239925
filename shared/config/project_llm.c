#include "config/project_llm.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t nano_usd(double usd)
{
	return (uint64_t)llround(usd * 1e9);
}

/* An endpoint without a name is called after its model and server. */
static bool name_set(Freeal__Endpoint *e, const struct task_endpoint *from)
{
	char name[512];
	const char *host = from->url ? strstr(from->url, "://") : NULL;
	host = host ? host + 3 : "";
	(void)snprintf(name, sizeof name, "%s at %.*s", from->model ? from->model : "",
		       (int)strcspn(host, "/"), host);
	return project_string_set(&e->name, from->name ? from->name : name);
}

Freeal__Endpoint *project_endpoint_from(const struct task_endpoint *from)
{
	Freeal__Endpoint *e = malloc(sizeof *e);
	if (!e)
		return NULL;
	freeal__endpoint__init(e);
	e->timeout_ms = (uint32_t)llround(from->timeout_s * 1000.0);
	e->concurrency = from->concurrency;
	e->requests_per_minute = from->requests_per_minute;
	e->tokens_per_minute = from->tokens_per_minute;
	e->nano_usd_per_million_in = nano_usd(from->usd_per_million_in);
	e->nano_usd_per_million_cached = nano_usd(from->usd_per_million_cached);
	e->nano_usd_per_million_out = nano_usd(from->usd_per_million_out);
	if (!name_set(e, from) || !project_string_set(&e->url, from->url) ||
	    !project_string_set(&e->model, from->model) ||
	    !project_string_set(&e->key_env, from->key_env) ||
	    !project_string_set(&e->key_file, from->key_file) ||
	    !project_string_set(&e->api_version, from->api_version)) {
		freeal__endpoint__free_unpacked(e, NULL);
		return NULL;
	}
	return e;
}

static bool endpoint_equal(const Freeal__Endpoint *a, const Freeal__Endpoint *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->url, b->url) == 0 &&
	       strcmp(a->model, b->model) == 0 && strcmp(a->key_env, b->key_env) == 0 &&
	       strcmp(a->key_file, b->key_file) == 0 &&
	       strcmp(a->api_version, b->api_version) == 0 && a->timeout_ms == b->timeout_ms &&
	       a->concurrency == b->concurrency &&
	       a->requests_per_minute == b->requests_per_minute &&
	       a->tokens_per_minute == b->tokens_per_minute &&
	       a->nano_usd_per_million_in == b->nano_usd_per_million_in &&
	       a->nano_usd_per_million_cached == b->nano_usd_per_million_cached &&
	       a->nano_usd_per_million_out == b->nano_usd_per_million_out;
}

/* Takes `e` over; its position in the project is appended to the LLM's. */
static bool endpoint_add(Freeal__Project *p, Freeal__Llm *l, Freeal__Endpoint *e)
{
	if (!e)
		return false;
	uint32_t at = 0;
	while (at < p->n_endpoints && !endpoint_equal(p->endpoints[at], e))
		at++;
	if (at < p->n_endpoints) {
		freeal__endpoint__free_unpacked(e, NULL);
	} else {
		Freeal__Endpoint **grown =
		    realloc(p->endpoints, (p->n_endpoints + 1) * sizeof(Freeal__Endpoint *));
		if (!grown) {
			freeal__endpoint__free_unpacked(e, NULL);
			return false;
		}
		p->endpoints = grown;
		p->endpoints[p->n_endpoints++] = e;
	}
	l->endpoints[l->n_endpoints++] = at;
	return true;
}

static const struct task_endpoint *named(const struct task *t, const char *name)
{
	for (size_t i = 0; i < t->endpoint_count; i++) {
		if (strcmp(t->endpoints[i].name, name) == 0)
			return &t->endpoints[i];
	}
	assert(!"the task file was checked for names without an endpoint");
	return NULL;
}

static bool endpoints_set(Freeal__Project *p, const struct task *t, const struct task_llm *from,
			  Freeal__Llm *l)
{
	size_t count = from->endpoints.count;
	l->endpoints = calloc(count + 1, sizeof *l->endpoints);
	if (!l->endpoints)
		return false;
	if (count == 0)
		return endpoint_add(p, l, project_endpoint_from(&from->own));
	for (size_t i = 0; i < count; i++) {
		const struct task_endpoint *e = named(t, from->endpoints.items[i]);
		if (!endpoint_add(p, l, project_endpoint_from(e)))
			return false;
	}
	return true;
}

bool project_llm_set(Freeal__Project *p, const struct task *t, const struct task_llm *from,
		     Freeal__Llm **ret_llm)
{
	Freeal__Llm *l = malloc(sizeof *l);
	if (!l)
		return false;
	freeal__llm__init(l);
	*ret_llm = l;
	l->temperature = from->temperature;
	l->max_tokens = from->max_tokens;
	l->attempts_max = from->attempts;
	l->retries_max = from->retries;
	l->form = (Freeal__AnswerForm)from->answers;
	l->logprobs = from->logprobs;
	l->candidates = from->candidates;
	l->samples = from->samples;
	l->reasoning = from->reasoning;
	l->reasoning_tokens = from->reasoning_tokens;
	l->batch = from->batch;
	l->batch_api = from->batch_api;
	return project_string_set(&l->effort, from->effort) && endpoints_set(p, t, from, l);
}
