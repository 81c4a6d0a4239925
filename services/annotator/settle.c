#include "annotator/annotator_impl.h"

#include "annotator/result.h"
#include "base/log.h"
#include "llm/price.h"

#include <stdio.h>
#include <string.h>

/* What a call came to. */
struct landing {
	struct call *call;
	const struct client_reply *reply;
	struct outcome outcome;
	struct judgement judgement;
	struct reply answer;	  /* of a success */
	struct reply_error error; /* of a failure */
	const char *words;	  /* for people: the server's, or the transfer's */
	uint64_t delay_ms;	  /* before a retry */
};

static struct understanding understanding_of(struct annotator *a)
{
	return (struct understanding){
	    .project = a->project, .labels = a->labels, .worker = a->worker};
}

static struct queue *home_of(struct annotator *a, const struct ask *ask)
{
	return &a->queues[queue_of(a, ask->work->name)];
}

/* Ends an ask without an answer: `reason` is the annotation's. */
static void ask_unusable(struct annotator *a, struct ask *ask, const Freeal__Endpoint *endpoint,
			 const char *reason, const char *text, size_t size)
{
	struct understanding u = understanding_of(a);
	understand_end(&u, ask, endpoint, reason, text, size);
	a->done++;
	ask_free(ask);
}

void ask_failed(struct annotator *a, struct ask *ask, const Freeal__Endpoint *endpoint,
		const char *reason, const char *error)
{
	if (ask->work->attempt >= WORK_ATTEMPTS_MAX) {
		ask_unusable(a, ask, endpoint, reason, error, strlen(error));
		return;
	}
	result_failed(a->worker, ask, error);
	ask_free(ask);
}

/* Puts an ask back for another question. */
static void ask_anew(struct annotator *a, struct ask *ask)
{
	ask->tries = 0;
	ask->due_ms = 0;
	ask_put(a, ask);
}

/* What becomes of an ask whose call was answered. Unusable: it is asked once more while it
 * may be. */
void ask_meant(struct annotator *a, struct ask *ask, const Freeal__Endpoint *endpoint,
	       const struct meaning *m)
{
	switch (m->fate) {
	case FATE_DONE:
		a->done++;
		ask_free(ask);
		break;
	case FATE_MORE:
		ask->slot++;
		ask_anew(a, ask);
		break;
	case FATE_AGAIN:
		if (ask->ask_no < llm_of(a, ask)->attempts_max) {
			ask->ask_no++;
			ask_anew(a, ask);
			break;
		}
		ask_unusable(a, ask, endpoint, m->reason, m->text, m->size);
		break;
	case FATE_ALONE:
		ask->alone = true;
		ask_anew(a, ask);
		break;
	case FATE_UNUSABLE:
		ask_unusable(a, ask, endpoint, m->reason, m->text, m->size);
		break;
	case FATE_FAILED:
		ask_failed(a, ask, endpoint, m->reason, m->reason);
		break;
	}
}

static void call_answered(struct annotator *a, const struct landing *at)
{
	struct call *c = at->call;
	struct meaning meanings[CALL_ASKS_MAX];
	struct understanding u = understanding_of(a);
	if (c->keyed)
		ask_reply_add(c->asks[0], &c->asks[0]->key, at->reply->body, at->reply->body_size);
	understand(&u, c, &at->answer, meanings);
	for (uint32_t i = 0; i < c->ask_count; i++) {
		struct ask *ask = c->asks[i];
		c->asks[i] = NULL;
		ask_meant(a, ask, c->lane->endpoint, &meanings[i]);
	}
}

/* Where none of a queue's endpoints goes on, one ask is kept to probe with and the others are
 * handed back. */
static void queues_return(struct annotator *a)
{
	for (uint32_t i = 0; i < QUEUE_COUNT; i++) {
		struct queue *q = &a->queues[i];
		if (queue_count(q) == 0 || !queue_blocked(a, i))
			continue;
		struct ask *kept = queue_pop(q, UINT64_MAX);
		for (struct ask *other; (other = queue_pop(q, UINT64_MAX));)
			ask_return(a, other, "blocked");
		kept->due_ms = 0;
		queue_push(q, kept);
	}
}

/* People are told that an endpoint is blocked. */
void lane_block_say(struct annotator *a, struct lane *l)
{
	if (l->blocked_said || l->retired)
		return;
	l->blocked_said = true;
	log_error("endpoint_blocked", "probe_ms=%llu reason=\"%s\"",
		  (unsigned long long)a->config.probe_ms, l->blocked);
	status_send(a);
}

void lane_resumed_say(struct annotator *a, struct lane *l)
{
	if (!l->blocked_said || l->throttle.blocked)
		return;
	l->blocked_said = false;
	log_info("endpoint_resumed", "after=\"%s\"", l->blocked);
	status_send(a);
}

static void blocked_note(const struct landing *at)
{
	struct lane *l = at->call->lane;
	if (!l->blocked_said)
		lane_blocked_write(l, at->judgement.reason, at->outcome.status, &at->error,
				   at->reply->error);
}

/* The ask waits for another endpoint, or for a probe: not with the ask that failed last, as it
 * may be at fault. */
static void ask_blocked(struct annotator *a, struct ask *ask)
{
	uint32_t at = queue_of(a, ask->work->name);
	ask->due_ms = 0;
	if (queue_blocked(a, at))
		queue_push(&a->queues[at], ask);
	else
		queue_push_front(&a->queues[at], ask);
}

/* A request failed by itself. Out of tries, either this ask is at fault or, where no
 * answer came to any other since it was first sent, the endpoint is down. */
static void ask_retry(struct annotator *a, struct ask *ask, const struct landing *at)
{
	struct lane *l = at->call->lane;
	const char *reason = at->judgement.reason;
	ask->tries++;
	ask->avoid = l->position;
	if (l->throttle.blocked && !at->call->probe) {
		ask_blocked(a, ask);
		return;
	}
	/* A probe that fails while others answer goes to one of these. */
	bool elsewhere = at->call->probe && !queue_blocked(a, queue_of(a, ask->work->name));
	if ((!at->call->probe || elsewhere) && ask->tries <= llm_of(a, ask)->retries_max) {
		ask->due_ms = a->now_ms + at->delay_ms;
		queue_delay(home_of(a, ask), ask);
		return;
	}
	if (strcmp(reason, "malformed") == 0) {
		ask_unusable(a, ask, l->endpoint, reason, "", 0);
		return;
	}
	if (!at->call->probe && l->throttle.answer_ms < ask->first_ms) {
		throttle_block(&l->throttle, a->now_ms);
		lane_block_say(a, l);
		ask->tries = 0;
		ask_blocked(a, ask);
		return;
	}
	/* A probe that fails is not tried for ever: the next one may be another work. */
	char error[256];
	(void)snprintf(error, sizeof error, "%s after %u tries: %.150s", reason, ask->tries,
		       at->words);
	ask_failed(a, ask, l->endpoint, reason, error);
}

/* All are rejected so far. A probe is not tried for ever: it may be its text after all. */
static void ask_rejected(struct annotator *a, struct ask *ask, const struct landing *at)
{
	if (at->call->probe) {
		ask_failed(a, ask, at->call->lane->endpoint, "rejected", at->words);
		return;
	}
	ask_blocked(a, ask);
}

/* One line for the first request that an endpoint rejects: it may be a setting. */
static void rejected_say(const struct landing *at)
{
	struct lane *l = at->call->lane;
	if (l->rejected_said || strcmp(at->judgement.reason, "rejected") != 0)
		return;
	l->rejected_said = true;
	log_warn("request_rejected", "status=%u code=\"%s\"", at->outcome.status, at->outcome.code);
}

/* What becomes of one ask of a call that was not answered. */
static void ask_unanswered(struct annotator *a, struct ask *ask, const struct landing *at,
			   bool several)
{
	const struct judgement *j = &at->judgement;
	switch (j->verdict) {
	case VERDICT_ANSWER:
		break;
	case VERDICT_UNUSABLE:
		if (throttle_rejects_all(&at->call->lane->throttle, j)) {
			ask_rejected(a, ask, at);
		} else if (several) {
			ask->alone = true;
			ask_anew(a, ask);
		} else {
			ask_unusable(a, ask, at->call->lane->endpoint, j->reason, at->error.message,
				     strlen(at->error.message));
		}
		break;
	case VERDICT_PAUSE:
		a->retries++;
		ask->due_ms = 0;
		queue_push_front(home_of(a, ask), ask);
		break;
	case VERDICT_RETRY:
		a->retries++;
		ask_retry(a, ask, at);
		break;
	case VERDICT_BLOCK:
		ask_blocked(a, ask);
		break;
	}
}

/* What a call that was not answered says about its lane. */
static void lane_unanswered(struct annotator *a, const struct landing *at)
{
	struct lane *l = at->call->lane;
	const struct judgement *j = &at->judgement;
	switch (j->verdict) {
	case VERDICT_ANSWER:
		break;
	case VERDICT_UNUSABLE:
		rejected_say(at);
		if (!throttle_rejects_all(&l->throttle, j))
			break;
		blocked_note(at);
		if (at->call->probe)
			break;
		throttle_block(&l->throttle, a->now_ms);
		lane_block_say(a, l);
		break;
	case VERDICT_PAUSE:
		a->limited += at->outcome.status == 429;
		if (l->throttle.pause_set_ms == a->now_ms)
			log_info("endpoint_paused", "reason=%s ms=%llu window=%.0f", j->reason,
				 (unsigned long long)at->delay_ms, l->throttle.window.size);
		break;
	case VERDICT_RETRY:
		blocked_note(at);
		if (l->throttle.blocked)
			lane_block_say(a, l);
		break;
	case VERDICT_BLOCK:
		blocked_note(at);
		lane_block_say(a, l);
		break;
	}
}

/* The server does not take a parameter: the question is put again without it, at once. */
static bool dialect_learned(struct annotator *a, struct landing *at)
{
	struct call *c = at->call;
	const char *name;
	if ((at->outcome.status != 400 && at->outcome.status != 422) ||
	    !dialect_learn(&c->lane->dialect, &c->dialect, at->reply->body, at->reply->body_size,
			   &name))
		return false;
	if (name)
		log_info("parameter_refused", "endpoint=\"%s\" parameter=%s",
			 c->lane->endpoint->name, name);
	breaker_answered(&c->lane->throttle.breaker);
	for (uint32_t i = c->ask_count; i-- > 0; c->asks[i] = NULL)
		queue_push_front(home_of(a, c->asks[i]), c->asks[i]);
	return true;
}

static void call_judged(struct annotator *a, struct landing *at)
{
	struct call *c = at->call;
	struct lane *l = c->lane;
	at->delay_ms = throttle_note(&l->throttle, &at->judgement, &at->outcome, c->asks[0]->tries,
				     at->reply->sent_ms, a->now_ms);
	lane_resumed_say(a, l);
	if (at->judgement.verdict == VERDICT_ANSWER) {
		throttle_answered(&l->throttle, l->in_flight + 1, at->reply->sent_ms, a->now_ms);
		call_answered(a, at);
		return;
	}
	lane_unanswered(a, at);
	bool several = c->ask_count > 1;
	/* From the last one, as what goes to the front of the queue keeps its order. */
	for (uint32_t i = c->ask_count; i-- > 0;) {
		struct ask *ask = c->asks[i];
		c->asks[i] = NULL;
		ask_unanswered(a, ask, at, several);
	}
	queues_return(a);
}

/* Gives back what a call had taken of its endpoint's limit and did not use. After a transfer
 * without an end nobody knows. */
static void quota_note(const struct landing *at, uint64_t now_ms)
{
	struct call *c = at->call;
	uint64_t used = at->answer.tokens_in + at->answer.tokens_out;
	if (at->outcome.transfer == TRANSFER_DONE && at->outcome.status / 100 != 2)
		used = 0;
	else if (used == 0)
		used = c->tokens;
	quota_settle(&c->lane->quota, c->tokens, used, now_ms);
}

static void usage_add(struct landing *at, uint64_t now_ms)
{
	const struct reply *r = &at->answer;
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	usage.tokens_in = r->tokens_in;
	usage.tokens_out = r->tokens_out;
	usage.tokens_cached = r->tokens_cached;
	usage.tokens_reasoning = r->tokens_reasoning;
	usage.nano_usd =
	    price_nano_usd(at->call->lane->endpoint, r->tokens_in, r->tokens_cached, r->tokens_out);
	call_usage_add(at->call, &usage);
	quota_note(at, now_ms);
}

void annotator_done(void *context, void *cookie, const struct client_reply *reply)
{
	struct annotator *a = context;
	struct landing at = {.call = cookie, .reply = reply, .answer = {.reason = ""}};
	call_landed(a, at.call);
	a->dirty = true;
	bool success = reply->transfer == TRANSFER_DONE && reply->status / 100 == 2;
	if (success)
		reply_parse(reply->body, reply->body_size, &at.answer);
	else if (reply->transfer == TRANSFER_DONE)
		reply_error_parse(reply->body, reply->body_size, &at.error);
	at.outcome = (struct outcome){
	    .transfer = reply->transfer,
	    .status = reply->status,
	    .code = at.error.code,
	    .retry_after_ms = reply->retry_after_ms,
	    .malformed = success && strcmp(at.answer.reason, "malformed") == 0,
	};
	at.judgement = judgement_of(&at.outcome);
	at.words = *at.error.message ? at.error.message : reply->error;
	usage_add(&at, a->now_ms);
	log_debug("reply", "status=%u verdict=%d reason=%s ms=%llu", at.outcome.status,
		  (int)at.judgement.verdict, at.judgement.reason,
		  (unsigned long long)(a->now_ms - reply->sent_ms));
	throttle_spent(&at.call->lane->throttle, reply->spent_ms, a->now_ms);
	if (!dialect_learned(a, &at))
		call_judged(a, &at);
	reply_done(&at.answer);
	call_settled(at.call);
}
