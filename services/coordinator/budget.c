/*
 * The budget: the task's limits and --max-requests, what was spent, and the reservations of the
 * leases that are out (reserve.h).
 */
#include "coordinator/order.h"
#include "llm/price.h"

#include <string.h>

enum err budget_open(struct coordinator *c)
{
	const Freeal__CounterRecord *n = &c->counters;
	c->reserve = reserve_new();
	if (!c->reserve)
		return ERR_NO_MEMORY;
	const struct amount unclaimed = {n->reserved_requests, n->reserved_tokens,
					 n->reserved_nano_usd};
	const struct amount lost = {n->lost_requests, n->lost_tokens, n->lost_nano_usd};
	reserve_load(c->reserve, &unclaimed, &lost);
	return ERR_OK;
}

bool budget_is_durable(const struct coordinator *c)
{
	const struct task_budget *b = &c->task->budget;
	return b->nano_usd || b->tokens || b->requests;
}

struct amount budget_limits(const struct coordinator *c)
{
	const struct task_budget *b = &c->task->budget;
	struct amount limits = {b->requests, b->tokens, b->nano_usd};
	uint64_t requests = c->state.requests_max;
	if (requests && (limits.requests == 0 || requests < limits.requests))
		limits.requests = requests;
	return limits;
}

const char *budget_stop_reason(const struct coordinator *c)
{
	return lease_count(c->leases) == 0 ? c->budget_out : NULL;
}

/* The most that the work may cost. */
static struct amount work_amount(struct coordinator *c, const Freeal__Work *work)
{
	const Freeal__Llm *llm = dispatch_llm(c);
	const struct prompt_size *size = &c->question_size;
	uint64_t bytes;
	uint32_t tokens;
	if (c->question_llm != llm)
		prompt_size_init(&c->question_size, c->project, llm);
	c->question_llm = llm;
	switch (work->order_case) {
	case FREEAL__WORK__ORDER_GENERATE:
		bytes = prompt_size_generate(size, work->generate);
		tokens = prompt_size_generate_tokens(size, work->generate);
		break;
	case FREEAL__WORK__ORDER_AUGMENT:
		bytes = prompt_size_augment(size, work->augment);
		tokens = prompt_size_augment_tokens(size, work->augment);
		break;
	default:
		bytes = prompt_size_annotate(size, work->annotate, c->pool);
		tokens = prompt_size_annotate_tokens(size);
		break;
	}
	struct price_bound bound = price_bound(c->project, llm, bytes, tokens);
	return (struct amount){bound.requests, bound.tokens, bound.nano_usd};
}

static enum err index_amount(struct coordinator *c, uint64_t index, struct amount *ret_amount)
{
	struct order o;
	enum err e = order_make(c, &o, index, 1);
	if (!e)
		*ret_amount = work_amount(c, &o.work);
	order_done(&o);
	return e;
}

enum err budget_reserve(struct coordinator *c, uint64_t index, uint32_t attempt)
{
	struct amount limits = budget_limits(c), amount;
	if (!limits.requests && !limits.tokens && !limits.nano_usd)
		return ERR_OK;
	enum err e = index_amount(c, index, &amount);
	if (e)
		return e;
	const Freeal__CounterRecord *n = &c->counters;
	struct amount spent = {n->requests, n->tokens_in + n->tokens_out, n->nano_usd};
	/* Leases of when there was no limit. */
	spent.requests += (lease_count(c->leases) - reserve_count(c->reserve)) * amount.requests;
	c->budget_out = NULL;
	if (reserve_fits(c->reserve, &limits, &spent, &amount))
		return reserve_add(c->reserve, index, attempt, &amount);
	limits.requests = c->task->budget.requests;
	c->budget_out =
	    reserve_fits(c->reserve, &limits, &spent, &amount) ? "max_requests" : "budget";
	return ERR_LIMIT;
}

void budget_claim(struct coordinator *c, uint64_t index, uint32_t attempt)
{
	struct amount amount;
	if (!reserve_has_unclaimed(c->reserve))
		return;
	enum err e = index_amount(c, index, &amount);
	if (!e)
		e = reserve_claim(c->reserve, index, attempt, &amount);
	if (e)
		coordinator_fatal(c, e, "reservation");
}

void budget_settle(struct coordinator *c, uint64_t index, uint32_t attempt)
{
	struct amount amount;
	if (!dispatch_llm(c) || reserve_settle(c->reserve, index, attempt) ||
	    !reserve_has_unclaimed(c->reserve))
		return;
	enum err e = index_amount(c, index, &amount);
	if (e)
		coordinator_fatal(c, e, "reservation");
	else
		reserve_claim_settled(c->reserve, &amount);
}

void budget_turn(struct coordinator *c)
{
	if (reserve_has_unclaimed(c->reserve) && !holders_awaited(c->holders))
		reserve_unclaimed_lose(c->reserve);
}

void budget_note(struct coordinator *c)
{
	struct amount reserved = reserve_reserved(c->reserve), lost = reserve_lost(c->reserve);
	c->counters.reserved_requests = reserved.requests;
	c->counters.reserved_tokens = reserved.tokens;
	c->counters.reserved_nano_usd = reserved.nano_usd;
	c->counters.lost_requests = lost.requests;
	c->counters.lost_tokens = lost.tokens;
	c->counters.lost_nano_usd = lost.nano_usd;
}
