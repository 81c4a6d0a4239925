#include "annotator/pools.h"

#include "wire/frame.h"

void pools_done(struct pools *p)
{
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
	return ERR_OK;
}

enum err pools_find(const struct pools *p, uint64_t version, const uint32_t *numbers, size_t count,
		    size_t class_count, struct prompt_demonstration *ret_demonstrations,
		    struct err_msg *msg)
{
	const Freeal__Pool *pool = NULL;
	for (size_t i = 0; i < POOLS_MAX; i++) {
		if (p->pools[i] && p->pools[i]->version == version)
			pool = p->pools[i];
	}
	if (!pool && count > 0)
		return err_set(msg, ERR_NOT_FOUND, "pool %llu has not been sent",
			       (unsigned long long)version);
	for (size_t i = 0; i < count; i++) {
		if (numbers[i] >= pool->n_demonstrations)
			return err_set(msg, ERR_NOT_FOUND, "pool %llu has no demonstration %u",
				       (unsigned long long)version, numbers[i]);
		const Freeal__Demonstration *d = pool->demonstrations[numbers[i]];
		if (d->class_id >= class_count)
			return err_set(msg, ERR_NOT_FOUND,
				       "pool %llu: demonstration %u has no label",
				       (unsigned long long)version, numbers[i]);
		ret_demonstrations[i] = (struct prompt_demonstration){
		    .text = {d->text.data, d->text.len}, .class_id = d->class_id};
	}
	return ERR_OK;
}
