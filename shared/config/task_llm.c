#include "config/task_llm.h"

#include <stdlib.h>
#include <string.h>

void task_endpoint_init(struct task_endpoint *e)
{
	*e = (struct task_endpoint){.timeout_s = 60};
}

void task_endpoint_done(struct task_endpoint *e)
{
	free(e->name);
	free(e->url);
	free(e->model);
	free(e->key_env);
	free(e->key_file);
	free(e->api_version);
}

void task_llm_init(struct task_llm *l)
{
	*l = (struct task_llm){
	    .max_tokens = 20,
	    .retries = 5,
	    .attempts = 1,
	    .samples = 1,
	    .reasoning_tokens = 1000,
	    .batch = 1,
	};
	task_endpoint_init(&l->own);
}

static bool string_copy(char **string)
{
	if (*string)
		*string = strdup(*string);
	return *string != NULL;
}

enum err task_llm_copy(const struct task_llm *from, struct task_llm *ret_copy)
{
	struct task_llm copy = *from;
	char **const strings[] = {&copy.own.name,    &copy.own.url,	 &copy.own.model,
				  &copy.own.key_env, &copy.own.key_file, &copy.own.api_version,
				  &copy.effort};
	bool ok = true;
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		bool given = *strings[i] != NULL;
		ok = (string_copy(strings[i]) || !given) && ok;
	}
	copy.endpoints = (struct task_strings){0};
	if (from->endpoints.count > 0)
		copy.endpoints.items = calloc(from->endpoints.count, sizeof *copy.endpoints.items);
	for (size_t i = 0; copy.endpoints.items && i < from->endpoints.count; i++) {
		copy.endpoints.items[i] = strdup(from->endpoints.items[i]);
		if (!copy.endpoints.items[i])
			break;
		copy.endpoints.count++;
	}
	if (!ok || copy.endpoints.count != from->endpoints.count) {
		task_llm_done(&copy);
		return ERR_NO_MEMORY;
	}
	*ret_copy = copy;
	return ERR_OK;
}

void task_llm_done(struct task_llm *l)
{
	task_endpoint_done(&l->own);
	task_strings_done(&l->endpoints);
	free(l->effort);
}
