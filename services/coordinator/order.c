#include "coordinator/order.h"

#include "base/rng.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

void order_done(struct order *o)
{
	frame_message_free(o->sample);
	frame_message_free(o->nearest);
	frame_message_free(o->pool);
	for (size_t i = 0; i < o->style_count; i++)
		frame_message_free(o->styles[i]);
	free(o->styles);
	free(o->texts);
}

/* Style samples are a draw by seed and class, the same after a restart. */
static enum err order_generate(struct coordinator *c, struct order *o)
{
	uint32_t labels = (uint32_t)c->project->n_labels;
	uint64_t wanted = c->task->generate.style_samples;
	if (wanted > c->state.sample_count)
		wanted = c->state.sample_count;
	freeal__generate_order__init(&o->generate);
	o->generate.class_id = (uint32_t)o->name.item;
	o->generate.count = (c->task->generate.demonstrations + labels - 1) / labels;
	o->styles = calloc(wanted + 1, sizeof *o->styles);
	o->texts = calloc(wanted + 1, sizeof *o->texts);
	if (!o->styles || !o->texts)
		return ERR_NO_MEMORY;
	struct rng rng = rng_make(hash_mix(c->project->seed, o->name.item));
	for (uint64_t i = 0; i < wanted; i++) {
		uint64_t sample_no = rng_below(&rng, c->state.sample_count);
		enum err e = table_get(coordinator_txn(c), TABLE_SAMPLES, store_key_u64(sample_no),
				       &freeal__sample_record__descriptor, &o->styles[i]);
		if (e)
			return e;
		o->texts[i] = o->styles[i]->text;
		o->style_count++;
	}
	o->generate.styles = o->texts;
	o->generate.n_styles = o->style_count;
	o->work.order_case = FREEAL__WORK__ORDER_GENERATE;
	o->work.generate = &o->generate;
	return ERR_OK;
}

static enum err order_augment(struct coordinator *c, struct order *o)
{
	freeal__augment_order__init(&o->augment);
	enum err e = table_get(coordinator_txn(c), TABLE_SAMPLES, store_key_u64(o->name.item),
			       &freeal__sample_record__descriptor, &o->sample);
	if (e)
		return e;
	o->augment.text = o->sample->text;
	o->work.order_case = FREEAL__WORK__ORDER_AUGMENT;
	o->work.augment = &o->augment;
	return ERR_OK;
}

static enum err order_annotate(struct coordinator *c, struct order *o)
{
	freeal__annotate_order__init(&o->annotate);
	struct store_txn *txn = coordinator_txn(c);
	enum err e = table_get(txn, TABLE_SAMPLES, store_key_u64(o->name.item),
			       &freeal__sample_record__descriptor, &o->sample);
	if (e)
		return e;
	o->annotate.text = o->sample->text;
	if (coordinator_round_config(c)->shots > 0 && c->pool) {
		e = table_get(txn, TABLE_NEAREST, store_key_u32_u64(c->state.round, o->name.item),
			      &freeal__nearest_row__descriptor, &o->nearest);
		if (e && e != ERR_NOT_FOUND)
			return e;
		o->annotate.pool_version = c->state.pool_version;
		if (!e) {
			o->annotate.demonstrations = o->nearest->demonstrations;
			o->annotate.n_demonstrations = o->nearest->n_demonstrations;
		}
	}
	o->work.order_case = FREEAL__WORK__ORDER_ANNOTATE;
	o->work.annotate = &o->annotate;
	return ERR_OK;
}

/* The demonstrations of pool 1, which later pools may keep. */
static enum err order_embed_pool(struct coordinator *c, struct order *o)
{
	enum err e = table_get(coordinator_txn(c), TABLE_POOLS, store_key_u64(1),
			       &freeal__pool__descriptor, &o->pool);
	if (e)
		return e;
	size_t n = o->pool->n_demonstrations;
	o->texts = calloc(n + 1, sizeof *o->texts);
	if (!o->texts)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < n; i++)
		o->texts[i] = o->pool->demonstrations[i]->text;
	o->embed.pool_version = o->pool->version;
	o->embed.texts = o->texts;
	o->embed.n_texts = n;
	return ERR_OK;
}

static enum err order_embed(struct coordinator *c, struct order *o)
{
	freeal__embed_order__init(&o->embed);
	o->embed.sample_count = c->state.sample_count;
	o->embed.vocabulary_count = c->state.vocabulary_count;
	o->work.order_case = FREEAL__WORK__ORDER_EMBED;
	o->work.embed = &o->embed;
	if (o->name.slot % ROUND_SLOT_ARRIVALS)
		return order_embed_pool(c, o);
	uint64_t from = round_embed_from(&c->state);
	o->embed.from = o->name.item * ROUND_BLOCK;
	o->embed.to = o->embed.from + ROUND_BLOCK;
	if (o->embed.from < from)
		o->embed.from = from;
	if (o->embed.to > c->state.sample_count)
		o->embed.to = c->state.sample_count;
	return ERR_OK;
}

static enum err order_train(struct coordinator *c, struct order *o)
{
	freeal__train_order__init(&o->train);
	o->train.sample_count = c->state.sample_count;
	o->train.change_count = c->state.change_count;
	o->train.folds = c->project->model->folds;
	o->train.final = c->state.phase == FREEAL__PHASE__FINAL_TRAIN_PHASE;
	o->train.fold = (uint32_t)o->name.item;
	o->train.recipe = c->project->model->recipe;
	o->train.seed = c->project->seed;
	o->train.selection_round = c->state.round;
	o->work.order_case = FREEAL__WORK__ORDER_TRAIN;
	o->work.train = &o->train;
	return ERR_OK;
}

static enum err order_select(struct coordinator *c, struct order *o)
{
	freeal__select_order__init(&o->select);
	bool last = round_is_catch_up(c->project, c->state.round + 1);
	o->select.sample_count = c->state.sample_count;
	o->select.folds = c->project->model->folds;
	o->select.pool_version = c->state.round + 2;
	o->select.pool = c->project->pool;
	o->select.relabel = last ? 0.0 : c->project->rounds[c->state.round + 1]->relabel;
	o->select.seed = c->project->seed;
	o->select.pool_version_old = c->state.pool_version;
	o->select.vocabulary_count = c->state.vocabulary_count;
	o->work.order_case = FREEAL__WORK__ORDER_SELECT;
	o->work.select = &o->select;
	return ERR_OK;
}

static enum err order_retrieve(struct coordinator *c, struct order *o)
{
	freeal__retrieve_order__init(&o->retrieve);
	o->retrieve.sample_count = c->state.sample_count;
	o->retrieve.pool_version = c->state.pool_version;
	o->retrieve.shots = coordinator_round_config(c)->shots;
	o->retrieve.all = !round_asks_again(c->project, &c->state);
	o->retrieve.from = c->state.newcomers_from;
	o->retrieve.vocabulary_count = c->state.vocabulary_count;
	o->retrieve.selection_round = c->state.round > 0 ? c->state.round - 1 : 0;
	o->retrieve.seed = c->project->seed;
	o->work.order_case = FREEAL__WORK__ORDER_RETRIEVE;
	o->work.retrieve = &o->retrieve;
	return ERR_OK;
}

/* Which model the round's final training made. */
static enum err model_checksum(struct coordinator *c, uint64_t *ret_checksum)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__TRAIN;
	name.round = c->state.round;
	name.item = c->project->model->folds;
	Freeal__Result *result;
	enum err e = table_get(coordinator_txn(c), TABLE_RESULTS, table_result_key(&name),
			       &freeal__result__descriptor, &result);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
	if (result->body_case == FREEAL__RESULT__BODY_TRAIN)
		*ret_checksum = result->train->model_checksum;
	frame_message_free(result);
	return ERR_OK;
}

static enum err order_predict(struct coordinator *c, struct order *o)
{
	freeal__predict_order__init(&o->predict);
	o->predict.sample_count = c->state.sample_count;
	o->predict.from = o->name.item * ROUND_BLOCK;
	o->predict.to = o->predict.from + ROUND_BLOCK;
	if (o->predict.to > c->state.sample_count)
		o->predict.to = c->state.sample_count;
	o->work.order_case = FREEAL__WORK__ORDER_PREDICT;
	o->work.predict = &o->predict;
	return model_checksum(c, &o->predict.model_checksum);
}

enum err order_make(struct coordinator *c, struct order *o, uint64_t index, uint32_t attempt)
{
	*o = (struct order){0};
	freeal__work__init(&o->work);
	o->name = round_work_name(c->project, &c->state, index);
	o->work.name = &o->name;
	o->work.attempt = attempt;
	o->work.ttr_ms = c->ttr_ms;
	switch (o->name.kind) {
	case FREEAL__WORK_KIND__GENERATE:
		return order_generate(c, o);
	case FREEAL__WORK_KIND__AUGMENT:
		return order_augment(c, o);
	case FREEAL__WORK_KIND__ANNOTATE:
		return order_annotate(c, o);
	case FREEAL__WORK_KIND__EMBED:
		return order_embed(c, o);
	case FREEAL__WORK_KIND__TRAIN:
		return order_train(c, o);
	case FREEAL__WORK_KIND__SELECT:
		return order_select(c, o);
	case FREEAL__WORK_KIND__RETRIEVE:
		return order_retrieve(c, o);
	default:
		return order_predict(c, o);
	}
}
