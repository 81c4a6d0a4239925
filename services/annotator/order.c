#include "annotator/order.h"

#include "base/crash.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void rounds_drop(struct orders *o)
{
	for (size_t i = 0; i < ORDER_ROUNDS_MAX; i++) {
		prompt_round_free(o->rounds[i].prompts);
		o->rounds[i] = (struct order_round){0};
	}
}

void orders_done(struct orders *o)
{
	rounds_drop(o);
	pools_done(&o->pools);
}

void orders_project_set(struct orders *o, const Freeal__Project *project)
{
	rounds_drop(o);
	pools_renew(&o->pools);
	o->project = project;
}

static enum err round_get(struct orders *o, const struct order_address *to,
			  const struct prompt_round **ret_prompts)
{
	for (size_t i = 0; i < ORDER_ROUNDS_MAX; i++) {
		const struct order_round *r = &o->rounds[i];
		if (!r->prompts || r->llm != to->llm || r->endpoint != to->endpoint ||
		    memcmp(&r->dialect, to->dialect, sizeof r->dialect) != 0)
			continue;
		*ret_prompts = r->prompts;
		return ERR_OK;
	}
	struct order_round *r = &o->rounds[o->next];
	struct prompt_round *prompts = NULL;
	enum err e =
	    prompt_round_new(o->project, to->llm, to->endpoint->model, to->dialect, &prompts);
	if (e)
		return e;
	prompt_round_free(r->prompts);
	*r = (struct order_round){to->llm, to->endpoint, *to->dialect, prompts};
	o->next = (o->next + 1) % ORDER_ROUNDS_MAX;
	*ret_prompts = prompts;
	return ERR_OK;
}

static enum err generate_write(const struct orders *o, const struct prompt_round *prompts,
			       const struct ask *ask, struct buf *out, struct err_msg *msg)
{
	const Freeal__GenerateOrder *order = ask->work->generate;
	if (order->class_id >= o->project->n_labels || order->count == 0)
		return err_set(msg, ERR_INVALID, "%u demonstrations of label %u: no such label",
			       order->count, order->class_id);
	struct prompt_text *styles = calloc(order->n_styles + 1, sizeof *styles);
	if (!styles)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a prompt");
	for (size_t i = 0; i < order->n_styles; i++)
		styles[i] = (struct prompt_text){order->styles[i].data, order->styles[i].len};
	const struct prompt_correction correction = {ask->bad_reason, {ask->bad, ask->bad_size}};
	enum err e =
	    prompt_generate(prompts, order->class_id, order->count, styles, order->n_styles,
			    ask->ask_no > 1 && ask->bad_reason ? &correction : NULL, out);
	free(styles);
	return e ? err_set(msg, e, "the prompt: %s", err_str(e)) : ERR_OK;
}

/* Demonstrations that several samples want. */
struct wanted {
	uint32_t number;
	uint32_t first; /* where it was wanted first */
	uint32_t count;
};

static int by_number(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int by_count(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* The asks' demonstrations: each once, the most often wanted first, of equal ones the one that
 * was wanted first. They are at most twice as many as one ask has. */
static enum err union_make(struct ask *const *asks, uint32_t ask_count,
			   uint32_t ret_numbers[SHOTS_MAX], size_t *ret_count)
{
	size_t sum = 0, most = 0, count = 0;
	for (uint32_t i = 0; i < ask_count; i++) {
		size_t n = asks[i]->work->annotate->n_demonstrations;
		sum += n;
		most = n > most ? n : most;
	}
	most = 2 * most < SHOTS_MAX ? 2 * most : SHOTS_MAX;
	struct wanted *all = calloc(sum + 1, sizeof *all);
	if (!all)
		return ERR_NO_MEMORY;
	for (uint32_t i = 0, n = 0; i < ask_count; i++) {
		const Freeal__AnnotateOrder *order = asks[i]->work->annotate;
		for (size_t j = 0; j < order->n_demonstrations; j++, n++)
			all[n] = (struct wanted){order->demonstrations[j], n, 1};
	}
	qsort(all, sum, sizeof *all, by_number);
	for (size_t i = 0; i < sum; i++) {
		if (count > 0 && all[count - 1].number == all[i].number)
			all[count - 1].count++;
		else
			all[count++] = all[i];
	}
	qsort(all, count, sizeof *all, by_count);
	count = count < most ? count : most;
	for (size_t i = 0; i < count; i++)
		ret_numbers[i] = all[i].number;
	*ret_count = count;
	free(all);
	return ERR_OK;
}

static enum err pool_find(struct orders *o, const Freeal__AnnotateOrder *order,
			  struct prompt_ask *ask, struct err_msg *msg)
{
	if (ask->number_count == 0)
		return ERR_OK;
	enum err e = pools_get(&o->pools, o->project, order->pool_version, &ask->pool, msg);
	for (size_t i = 0; !e && i < ask->number_count; i++) {
		if (ask->numbers[i] >= prompt_pool_count(ask->pool))
			e = err_set(msg, ERR_NOT_FOUND, "pool %llu has no demonstration %u",
				    (unsigned long long)order->pool_version, ask->numbers[i]);
	}
	return e;
}

static enum err annotate_write(struct orders *o, const Freeal__Llm *llm,
			       const struct prompt_round *prompts, struct ask *const *asks,
			       uint32_t ask_count, uint64_t *ret_first_id, struct buf *out,
			       struct err_msg *msg)
{
	uint32_t numbers[SHOTS_MAX];
	struct prompt_text texts[PROMPT_BATCH_MAX];
	const struct ask *first = asks[0];
	const struct prompt_correction correction = {first->bad_reason,
						     {first->bad, first->bad_size}};
	struct prompt_ask ask = {.numbers = numbers, .texts = texts, .text_count = ask_count};
	for (uint32_t i = 0; i < ask_count; i++) {
		const Freeal__AnnotateOrder *order = asks[i]->work->annotate;
		if (order->n_demonstrations > SHOTS_MAX)
			return err_set(msg, ERR_LIMIT, "more than %d demonstrations", SHOTS_MAX);
		texts[i] = (struct prompt_text){order->text.data, order->text.len};
		crash_text(order->text.data, order->text.len);
	}
	if (ask_count == 1) {
		ask.numbers = first->work->annotate->demonstrations;
		ask.number_count = first->work->annotate->n_demonstrations;
		ask.answers =
		    llm->samples > first->votes.count ? llm->samples - first->votes.count : 1;
		ask.seed = first->votes.count > 0 ? first->votes.count + 1 : 0;
		ask.correction = first->ask_no > 1 && first->bad_reason ? &correction : NULL;
	} else if (union_make(asks, ask_count, numbers, &ask.number_count) != ERR_OK) {
		return err_set(msg, ERR_NO_MEMORY, "no memory for a prompt");
	}
	enum err e = pool_find(o, first->work->annotate, &ask, msg);
	if (e)
		return e;
	e = prompt_annotate(prompts, &ask, ret_first_id, out);
	return e ? err_set(msg, e, "the prompt: %s", err_str(e)) : ERR_OK;
}

static enum err augment_write(const struct prompt_round *prompts, const struct ask *ask,
			      struct buf *out, struct err_msg *msg)
{
	const Freeal__AugmentOrder *order = ask->work->augment;
	const struct prompt_text text = {order->text.data, order->text.len};
	crash_text(order->text.data, order->text.len);
	const struct prompt_correction correction = {ask->bad_reason, {ask->bad, ask->bad_size}};
	enum err e = prompt_augment(prompts, &text,
				    ask->ask_no > 1 && ask->bad_reason ? &correction : NULL, out);
	return e ? err_set(msg, e, "the prompt: %s", err_str(e)) : ERR_OK;
}

uint32_t order_asks_max(const Freeal__Llm *llm, const struct ask *ask)
{
	bool may = ask->work->order_case == FREEAL__WORK__ORDER_ANNOTATE && ask->ask_no == 1 &&
		   !ask->alone && llm->batch > 1 && llm->samples <= 1;
	if (!may)
		return 1;
	return llm->batch < PROMPT_BATCH_MAX ? llm->batch : PROMPT_BATCH_MAX;
}

bool order_asks_together(const struct ask *first, const struct ask *next)
{
	return next->work->order_case == FREEAL__WORK__ORDER_ANNOTATE && next->ask_no == 1 &&
	       !next->alone &&
	       first->work->annotate->pool_version == next->work->annotate->pool_version;
}

enum err order_body_write(struct orders *o, const struct order_address *to, struct ask *const *asks,
			  uint32_t ask_count, uint64_t *ret_first_id, struct buf *out,
			  struct err_msg *msg)
{
	const struct prompt_round *prompts;
	assert(ask_count > 0 && ask_count <= PROMPT_BATCH_MAX);
	enum err e = round_get(o, to, &prompts);
	if (e)
		return err_set(msg, e, "the prompt: %s", err_str(e));
	if (asks[0]->work->order_case == FREEAL__WORK__ORDER_GENERATE)
		return generate_write(o, prompts, asks[0], out, msg);
	if (asks[0]->work->order_case == FREEAL__WORK__ORDER_AUGMENT)
		return augment_write(prompts, asks[0], out, msg);
	return annotate_write(o, to->llm, prompts, asks, ask_count, ret_first_id, out, msg);
}
