#include "annotator/pools.h"

#include "wire/frame.h"

#include <stdlib.h>

void pools_renew(struct pools *p)
{
	for (size_t i = 0; i < POOLS_MAX; i++) {
		prompt_pool_free(p->prompts[i]);
		p->prompts[i] = NULL;
	}
}

void pools_done(struct pools *p)
{
	pools_renew(p);
	for (size_t i = 0; i < POOLS_MAX; i++) {
		if (p->pools[i])
			freeal__pool__free_unpacked(p->pools[i], NULL);
		p->pools[i] = NULL;
	}
}

enum err pools_add(struct pools *p, const Freeal__Pool *pool)
{
	Freeal__Pool *copy = frame_message_copy(&pool->base);
	if (!copy)
		return ERR_NO_MEMORY;
	size_t at = 0;
	for (size_t i = 0; i < POOLS_MAX; i++) {
		const Freeal__Pool *held = p->pools[i];
		if (held && held->version == pool->version) {
			at = i;
			break;
		}
		if (p->pools[at] && (!held || held->version < p->pools[at]->version))
			at = i;
	}
	if (p->pools[at])
		freeal__pool__free_unpacked(p->pools[at], NULL);
	p->pools[at] = copy;
	prompt_pool_free(p->prompts[at]);
	p->prompts[at] = NULL;
	return ERR_OK;
}

static enum err prompts_make(const Freeal__Pool *pool, const Freeal__Project *project,
			     struct prompt_pool **ret_prompts, struct err_msg *msg)
{
	struct prompt_demonstration *list = calloc(pool->n_demonstrations + 1, sizeof *list);
	if (!list)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the demonstrations");
	for (size_t i = 0; i < pool->n_demonstrations; i++) {
		const Freeal__Demonstration *d = pool->demonstrations[i];
		list[i] = (struct prompt_demonstration){{d->text.data, d->text.len}, d->class_id};
	}
	enum err e = prompt_pool_new(project, list, pool->n_demonstrations, ret_prompts, msg);
	free(list);
	return e;
}

enum err pools_get(struct pools *p, const Freeal__Project *project, uint64_t version,
		   const struct prompt_pool **ret_pool, struct err_msg *msg)
{
	for (size_t i = 0; i < POOLS_MAX; i++) {
		if (!p->pools[i] || p->pools[i]->version != version)
			continue;
		enum err e = p->prompts[i]
				 ? ERR_OK
				 : prompts_make(p->pools[i], project, &p->prompts[i], msg);
		if (e)
			return err_prefix(msg, e, "pool %llu", (unsigned long long)version);
		*ret_pool = p->prompts[i];
		return ERR_OK;
	}
	return err_set(msg, ERR_NOT_FOUND, "pool %llu has not been sent",
		       (unsigned long long)version);
}
