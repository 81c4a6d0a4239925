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
	enum err e = prompt_generate(prompts, order->class_id, order->count, styles,
				     order->n_styles, NULL, out);
	free(styles);
	return e ? err_set(msg, e, "the prompt: %s", err_str(e)) : ERR_OK;
}

static enum err annotate_write(struct orders *o, const struct prompt_round *prompts,
			       struct ask *const *asks, uint64_t *ret_first_id, struct buf *out,
			       struct err_msg *msg)
{
	const Freeal__AnnotateOrder *order = asks[0]->work->annotate;
	const struct prompt_text text = {order->text.data, order->text.len};
	struct prompt_ask ask = {.numbers = order->demonstrations,
				 .number_count = order->n_demonstrations,
				 .texts = &text,
				 .text_count = 1};
	enum err e = ERR_OK;
	if (order->n_demonstrations > SHOTS_MAX)
		return err_set(msg, ERR_LIMIT, "more than %d demonstrations", SHOTS_MAX);
	if (order->n_demonstrations > 0)
		e = pools_get(&o->pools, o->project, order->pool_version, &ask.pool, msg);
	for (size_t i = 0; !e && i < order->n_demonstrations; i++) {
		if (order->demonstrations[i] >= prompt_pool_count(ask.pool))
			e = err_set(msg, ERR_NOT_FOUND, "pool %llu has no demonstration %u",
				    (unsigned long long)order->pool_version,
				    order->demonstrations[i]);
	}
	if (e)
		return e;
	crash_text(order->text.data, order->text.len);
	e = prompt_annotate(prompts, &ask, ret_first_id, out);
	return e ? err_set(msg, e, "the prompt: %s", err_str(e)) : ERR_OK;
}

uint32_t order_asks_max(const Freeal__Llm *llm, const struct ask *ask)
{
	(void)llm;
	(void)ask;
	return 1;
}

bool order_asks_together(const struct ask *first, const struct ask *next)
{
	(void)first;
	(void)next;
	return false;
}

enum err order_body_write(struct orders *o, const struct order_address *to, struct ask *const *asks,
			  uint32_t ask_count, uint64_t *ret_first_id, struct buf *out,
			  struct err_msg *msg)
{
	const struct prompt_round *prompts;
	assert(ask_count == 1);
	enum err e = round_get(o, to, &prompts);
	if (e)
		return err_set(msg, e, "the prompt: %s", err_str(e));
	if (asks[0]->work->order_case == FREEAL__WORK__ORDER_GENERATE)
		return generate_write(o, prompts, asks[0], out, msg);
	return annotate_write(o, prompts, asks, ret_first_id, out, msg);
}
