#include "annotator/annotator_impl.h"

#include "annotator/batch.h"
#include "base/log.h"
#include "llm/prompt.h"

#include <assert.h>

#define URL_BYTES_MAX 2048
#define UNGRANTED_MS 5000 /* without a grant, before people are told */
/* Leases behind those in flight, so that the bus never keeps an endpoint waiting. */
#define CREDIT_SPARE 32

void call_flies(struct annotator *a, struct call *call)
{
	assert(a->in_flight < a->config.concurrency_max);
	call->flying_at = a->in_flight;
	a->flying[a->in_flight++] = call;
	call->lane->in_flight++;
}

void call_landed(struct annotator *a, struct call *call)
{
	assert(a->flying[call->flying_at] == call && call->lane->in_flight > 0);
	struct call *last = a->flying[--a->in_flight];
	a->flying[call->flying_at] = last;
	last->flying_at = call->flying_at;
	call->lane->in_flight--;
}

void call_settled(struct call *call)
{
	struct lane *l = call->lane;
	call_free(call);
	lane_settled(l);
}

/* The lane that the next ask of a queue goes to: with the largest share free, and if there is
 * a choice not the one that failed the ask last. NULL: none has room. */
static struct lane *lane_choose(const struct annotator *a, const Freeal__Llm *llm,
				const struct ask *ask)
{
	struct lane *best = NULL;
	double best_share = 0;
	for (size_t i = 0; i < llm->n_endpoints; i++) {
		struct lane *l = a->lanes[llm->endpoints[i]];
		double share = lane_free_share(l, a->now_ms);
		if (share <= 0)
			continue;
		bool avoided = best && best->position == ask->avoid;
		if (!best || avoided || (l->position != ask->avoid && share > best_share)) {
			best = l;
			best_share = share;
		}
	}
	return best;
}

/* No request could be made of the asks: each of several is tried alone. */
static void call_not_written(struct annotator *a, struct call *call, const struct err_msg *msg)
{
	bool several = call->ask_count > 1;
	for (uint32_t i = call->ask_count; i-- > 0; call->asks[i] = NULL) {
		struct ask *ask = call->asks[i];
		if (several) {
			ask->alone = true;
			queue_push_front(&a->queues[queue_of(a, ask->work->name)], ask);
		} else {
			ask_failed(a, ask, call->lane->endpoint, "malformed", msg->text);
		}
	}
	call_settled(call);
}

/* A key that is not set blocks the endpoint as a refused one does. */
static void call_not_sent(struct annotator *a, struct call *call, enum err e)
{
	struct client_reply none = {.transfer = TRANSFER_UNREACHABLE,
				    .retry_after_ms = RETRY_AFTER_NONE,
				    .error = err_str(e),
				    .body = "",
				    .sent_ms = a->now_ms};
	if (e == ERR_NOT_FOUND) {
		none.transfer = TRANSFER_NO_KEY;
		none.error = "";
	}
	call_flies(a, call);
	annotator_done(a, call, &none);
}

/* Hands the body over to the client. */
static enum err call_post(struct annotator *a, struct call *call, struct buf *body)
{
	const Freeal__Endpoint *endpoint = call->lane->endpoint;
	char url[URL_BYTES_MAX];
	struct client_request request = {.url = url,
					 .key_env = endpoint->key_env,
					 .key_file = endpoint->key_file,
					 .key_header = *endpoint->api_version != '\0',
					 .body = body,
					 .timeout_ms = endpoint->timeout_ms,
					 .cookie = call};
	enum err e = client_url_write(endpoint, "/chat/completions", url, sizeof url);
	return e ? e : client_send(a->client, &request);
}

/* The most tokens that the answers of a call may have. */
static uint64_t tokens_max(const struct annotator *a, const struct call *call)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < call->ask_count; i++) {
		const Freeal__Llm *llm = llm_of(a, call->asks[i]);
		const Freeal__Work *work = call->asks[i]->work;
		bool generate = work->order_case == FREEAL__WORK__ORDER_GENERATE;
		uint64_t tokens = generate ? prompt_generate_tokens_max(llm, work->generate->count)
					   : llm->max_tokens;
		tokens += llm->reasoning || *llm->effort ? llm->reasoning_tokens : 0;
		bool several = work->order_case == FREEAL__WORK__ORDER_ANNOTATE &&
			       llm->samples > 1 && !call->lane->dialect.no_n;
		sum += several ? tokens * llm->samples : tokens;
	}
	return sum;
}

/* Takes the call over. */
static void call_send(struct annotator *a, struct call *call)
{
	struct lane *l = call->lane;
	struct err_msg msg;
	buf_reset(&a->body);
	const struct order_address to = {llm_of(a, call->asks[0]), l->endpoint, &l->dialect};
	enum err e = order_body_write(&a->orders, &to, call->asks, call->ask_count, &call->first_id,
				      &a->body, &msg);
	if (e) {
		call_not_written(a, call, &msg);
		return;
	}
	call->keyed = call->ask_count == 1 && ask_key_set(a, call->asks[0], l);
	call->probe = l->throttle.blocked;
	call->dialect = l->dialect;
	throttle_sent(&l->throttle, a->now_ms);
	call->tokens = quota_tokens_of(a->body.size) + tokens_max(a, call);
	e = call_post(a, call, &a->body);
	if (e) {
		call_not_sent(a, call, e);
		return;
	}
	quota_take(&l->quota, call->tokens, a->now_ms);
	for (uint32_t i = 0; i < call->ask_count; i++) {
		if (!call->asks[i]->first_ms)
			call->asks[i]->first_ms = a->now_ms;
	}
	call->asks[0]->usage.requests++;
	a->requests++;
	call_flies(a, call);
}

/* The next call of a queue: its first ask, and those behind it that go into one request with
 * it. NULL: no ask is due, no endpoint has room, or there is no memory. */
static struct call *call_next(struct annotator *a, struct queue *q, const Freeal__Llm *llm)
{
	struct ask *first = queue_peek(q, a->now_ms);
	struct lane *l = first ? lane_choose(a, llm, first) : NULL;
	if (!l)
		return NULL;
	uint32_t wanted = first->alone ? 1 : order_asks_max(llm, first);
	assert(wanted > 0 && wanted <= CALL_ASKS_MAX);
	struct call *call = call_new(l, wanted);
	if (!call)
		return NULL;
	call->asks[call->ask_count++] = queue_pop(q, a->now_ms);
	while (call->ask_count < wanted) {
		const struct ask *next = queue_peek(q, a->now_ms);
		if (!next || next->alone || !order_asks_together(first, next))
			break;
		call->asks[call->ask_count++] = queue_pop(q, a->now_ms);
	}
	return call;
}

/* Whether the queue's endpoints are granted, but only shares of nothing. */
static bool queue_empty_handed(const struct annotator *a, const Freeal__Llm *llm)
{
	for (size_t i = 0; i < llm->n_endpoints; i++) {
		if (!quota_empty(&a->lanes[llm->endpoints[i]]->quota, a->now_ms))
			return false;
	}
	return true;
}

static void queue_return(struct annotator *a, struct queue *q, const char *reason)
{
	for (struct ask *ask; (ask = queue_pop(q, UINT64_MAX));)
		ask_return(a, ask, reason);
}

/* Asks wait for a grant of this endpoint. A grant is renewed in time and lost ones are sent
 * again; after a while people are told. Returns when. */
static uint64_t ungranted_say(struct annotator *a, struct lane *l)
{
	if (l->ungranted_ms == 0)
		l->ungranted_ms = a->now_ms;
	if (l->ungranted_said)
		return UINT64_MAX;
	if (a->now_ms - l->ungranted_ms < UNGRANTED_MS)
		return l->ungranted_ms + UNGRANTED_MS;
	l->ungranted_said = true;
	log_error("endpoint_ungranted", "endpoint=\"%s\"", l->endpoint->name);
	status_send(a);
	return UINT64_MAX;
}

/* Sends what may be sent of a queue; returns when there may be more by time alone. */
static uint64_t queue_send(struct annotator *a, uint32_t at)
{
	struct queue *q = &a->queues[at];
	const Freeal__Llm *llm = queue_llm(a, at);
	if (!llm)
		return UINT64_MAX;
	if (llm->batch_api) {
		batch_collect(a, at);
		return lane_due_ms(a->lanes[llm->endpoints[0]], a->now_ms);
	}
	for (;;) {
		/* A reply makes room then. */
		if (a->in_flight == a->config.concurrency_max)
			return UINT64_MAX;
		struct call *call = call_next(a, q, llm);
		if (!call)
			break;
		call_send(a, call);
	}
	uint64_t due_ms = queue_due_ms(q);
	if (due_ms > a->now_ms)
		return due_ms;
	if (queue_empty_handed(a, llm)) {
		queue_return(a, q, "no share of the limits");
		return UINT64_MAX;
	}
	due_ms = UINT64_MAX;
	for (size_t i = 0; i < llm->n_endpoints; i++) {
		struct lane *l = a->lanes[llm->endpoints[i]];
		uint64_t lane_ms = quota_valid(&l->quota, a->now_ms) ? lane_due_ms(l, a->now_ms)
								     : ungranted_say(a, l);
		due_ms = lane_ms < due_ms ? lane_ms : due_ms;
	}
	return due_ms;
}

/* Leases to hold: the requests in flight and as many again. Blocked: one, to probe with. */
static uint32_t credit_of(const struct annotator *a)
{
	const Freeal__Llm *llm = a->project ? queue_llm(a, a->queue) : NULL;
	if (!llm)
		return 0;
	uint32_t held = worker_lease_count(a->worker);
	uint32_t wanted = 1;
	if (!queue_blocked(a, a->queue)) {
		wanted = 0;
		for (size_t i = 0; i < llm->n_endpoints; i++) {
			wanted += lane_depth(a->lanes[llm->endpoints[i]], a->now_ms);
		}
		if (wanted > a->config.concurrency_max)
			wanted = a->config.concurrency_max;
		wanted += wanted < CREDIT_SPARE ? wanted : wanted + CREDIT_SPARE;
		if (llm->batch_api)
			wanted = batch_leases_max();
	}
	return wanted > held ? wanted - held : 0;
}

uint64_t annotator_pump(struct annotator *a)
{
	uint64_t due_ms = UINT64_MAX;
	a->dirty = false;
	for (uint32_t i = 0; a->project && i < QUEUE_COUNT; i++) {
		uint64_t queue_ms = queue_count(&a->queues[i]) > 0 ? queue_send(a, i) : UINT64_MAX;
		due_ms = queue_ms < due_ms ? queue_ms : due_ms;
	}
	uint64_t batch_ms = batch_pump(a);
	due_ms = batch_ms < due_ms ? batch_ms : due_ms;
	uint64_t recall_ms = recall_pump(&a->recall, a->worker, a->now_ms);
	due_ms = recall_ms < due_ms ? recall_ms : due_ms;
	worker_credit_set(a->worker, credit_of(a));
	worker_progress_set(a->worker, a->done, 0);
	if (a->project && a->now_ms >= a->status_due_ms && a->in_flight > 0)
		status_send(a);
	return due_ms;
}
