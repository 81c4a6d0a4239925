/*
 * Demonstration pools: what the LLM wrote, and what SELECT picked, made into records.
 */
#include "base/limits.h"
#include "coordinator/coordinator.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

enum err pool_load(struct coordinator *c)
{
	frame_message_free(c->pool);
	c->pool = NULL;
	if (c->state.pool_version == 0)
		return ERR_OK;
	return table_get(coordinator_txn(c), TABLE_POOLS, store_key_u64(c->state.pool_version),
			 &freeal__pool__descriptor, &c->pool);
}

static bool demonstration_known(Freeal__Demonstration **list, size_t count,
				const ProtobufCBinaryData *text)
{
	for (size_t i = 0; i < count; i++)
		if (list[i]->text.len == text->len &&
		    memcmp(list[i]->text.data, text->data, text->len) == 0)
			return true;
	return false;
}

/* Appends a generated demonstration unless its text is there. */
static void pool_add(Freeal__Demonstration *items, Freeal__Demonstration **list, size_t *count,
		     uint32_t class_id, ProtobufCBinaryData text)
{
	if (*count >= POOL_MAX || demonstration_known(list, *count, &text))
		return;
	Freeal__Demonstration *d = &items[*count];
	freeal__demonstration__init(d);
	d->text = text;
	d->class_id = class_id;
	d->generated = true;
	d->sample_no = *count;
	list[(*count)++] = d;
}

/* Pool 1: the task file's examples, then what the LLM wrote, class by class. */
enum err pool_generated_put(struct coordinator *c, uint64_t *ret_count)
{
	struct store_txn *txn = coordinator_txn(c);
	Freeal__Demonstration *items = calloc(POOL_MAX, sizeof *items);
	Freeal__Demonstration **list = calloc(POOL_MAX, sizeof *list);
	Freeal__Result **results = calloc(c->project->n_labels, sizeof *results);
	size_t count = 0;
	enum err e = items && list && results ? ERR_OK : ERR_NO_MEMORY;
	for (uint32_t k = 0; !e && k < c->project->n_labels; k++) {
		const Freeal__Label *label = c->project->labels[k];
		for (size_t i = 0; i < label->n_examples; i++)
			pool_add(items, list, &count, k, label->examples[i]);
		Freeal__WorkName name = round_work_name(c->project, &c->state, k);
		e = table_get(txn, TABLE_RESULTS, table_result_key(&name),
			      &freeal__result__descriptor, &results[k]);
		if (e || results[k]->body_case != FREEAL__RESULT__BODY_GENERATE)
			continue;
		for (size_t i = 0; i < results[k]->generate->n_texts; i++)
			pool_add(items, list, &count, k, results[k]->generate->texts[i]);
	}
	if (!e && count > 0) {
		Freeal__Pool pool = FREEAL__POOL__INIT;
		pool.version = 1;
		pool.demonstrations = list;
		pool.n_demonstrations = count;
		e = table_put(txn, TABLE_POOLS, store_key_u64(1), &pool.base);
	}
	for (uint32_t k = 0; results && k < c->project->n_labels; k++)
		frame_message_free(results[k]);
	free(results);
	free(list);
	free(items);
	*ret_count = count;
	return e;
}

/* One member of a selected pool: kept from the old one, or a sample. */
static enum err member_fill(struct coordinator *c, const Freeal__PoolMember *m,
			    Freeal__Demonstration *d, Freeal__SampleRecord **ret_sample)
{
	freeal__demonstration__init(d);
	d->class_id = m->class_id;
	if (m->from_pool) {
		if (!c->pool || m->number >= c->pool->n_demonstrations)
			return ERR_PROTOCOL;
		const Freeal__Demonstration *old = c->pool->demonstrations[m->number];
		d->text = old->text;
		d->generated = old->generated;
		d->sample_no = old->sample_no;
		return ERR_OK;
	}
	enum err e = table_get(coordinator_txn(c), TABLE_SAMPLES, store_key_u64(m->sample_no),
			       &freeal__sample_record__descriptor, ret_sample);
	if (!e) {
		d->text = (*ret_sample)->text;
		d->sample_no = m->sample_no;
	}
	return e;
}

enum err pool_selected_put(struct coordinator *c, const Freeal__SelectResult *select)
{
	size_t n = select->n_pool;
	if (n == 0)
		return ERR_OK;
	Freeal__Demonstration *items = calloc(n, sizeof *items);
	Freeal__Demonstration **list = calloc(n, sizeof *list);
	Freeal__SampleRecord **samples = calloc(n, sizeof *samples);
	enum err e = items && list && samples ? ERR_OK : ERR_NO_MEMORY;
	for (size_t i = 0; !e && i < n; i++) {
		e = member_fill(c, select->pool[i], &items[i], &samples[i]);
		list[i] = &items[i];
	}
	if (!e) {
		Freeal__Pool pool = FREEAL__POOL__INIT;
		pool.version = c->state.round + 2;
		pool.demonstrations = list;
		pool.n_demonstrations = n;
		e = table_put(coordinator_txn(c), TABLE_POOLS, store_key_u64(pool.version),
			      &pool.base);
	}
	for (size_t i = 0; samples && i < n; i++)
		frame_message_free(samples[i]);
	free(samples);
	free(list);
	free(items);
	return e;
}
