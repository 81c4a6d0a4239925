#include "annotator/annotator_impl.h"

#include "annotator/result.h"
#include "base/log.h"
#include "llm/price.h"

#include <stdio.h>
#include <string.h>

/* Ends an ask without an answer: `reason` is the annotation's. */
static void ask_unusable(struct annotator *a, struct ask *ask, const char *reason, const char *text,
			 size_t size)
{
	struct answer_texts none = {0};
	if (ask->work->order_case == FREEAL__WORK__ORDER_GENERATE)
		result_texts(a->worker, ask, &none, reason);
	else
		result_annotation(a->worker, ask, endpoint_of(a, ask), ANSWER_NONE, reason, text,
				  size);
	a->done++;
	ask_free(ask);
}

void ask_failed(struct annotator *a, struct ask *ask, const char *reason, const char *error)
{
	if (ask->work->attempt >= WORK_ATTEMPTS_MAX) {
		ask_unusable(a, ask, reason, error, strlen(error));
		return;
	}
	result_failed(a->worker, ask, error);
	ask_free(ask);
}

/* An unusable answer: asked once more while it may be, unless it was a refusal. */
static void ask_again(struct annotator *a, struct ask *ask, const char *reason, const char *text,
		      size_t size)
{
	if (ask->ask_no < llm_of(a, ask)->attempts_max && strcmp(reason, "refused") != 0) {
		ask->ask_no++;
		ask->tries = 0;
		ask->due_ms = 0;
		ask_queue_push(&lane_of(a, ask)->ready, ask);
		return;
	}
	ask_unusable(a, ask, reason, text, size);
}

static void generate_answer(struct annotator *a, struct ask *ask, const struct reply *r)
{
	const char *reason = r->reason;
	struct answer_texts texts = {0};
	bool cut = strcmp(reason, "length") == 0;
	if (r->content && (cut || !*reason)) {
		enum err e = answer_texts(r->content, r->content_size, ask->work->generate->count,
					  cut, &texts, &reason);
		if (e) {
			ask_failed(a, ask, "no_memory", err_str(e));
			return;
		}
	}
	if (texts.count == 0) {
		answer_texts_done(&texts);
		ask_again(a, ask, reason, r->content, r->content_size);
		return;
	}
	result_texts(a->worker, ask, &texts, "");
	answer_texts_done(&texts);
	a->done++;
	ask_free(ask);
}

static void annotate_answer(struct annotator *a, struct ask *ask, const struct reply *r)
{
	const char *reason = r->reason;
	int32_t class_id = ANSWER_NONE;
	if (!*reason)
		class_id = answer_label(a->labels, r->content, r->content_size, &reason);
	if (class_id == ANSWER_NONE) {
		ask_again(a, ask, reason, r->content, r->content ? r->content_size : 0);
		return;
	}
	result_annotation(a->worker, ask, endpoint_of(a, ask), class_id, "", r->content,
			  r->content_size);
	a->done++;
	ask_free(ask);
}

/* The endpoint is blocked: one ask is kept as the probe, the others are handed back. */
static void lane_block(struct annotator *a, struct lane *l, struct ask *ask)
{
	if (!l->blocked_said) {
		l->blocked_said = true;
		log_error("endpoint_blocked", "probe_ms=%llu reason=\"%s\"",
			  (unsigned long long)a->config.probe_ms, l->blocked);
		status_send(a);
	}
	struct ask *kept = lane_pop(l, UINT64_MAX);
	for (struct ask *other; (other = lane_pop(l, UINT64_MAX));)
		ask_return(a, other, "blocked");
	if (kept)
		ask_return(a, ask, "blocked");
	else
		kept = ask;
	kept->due_ms = 0;
	ask_queue_push(&l->ready, kept);
}

static void lane_resumed_say(struct annotator *a, struct lane *l)
{
	if (!l->blocked_said || l->throttle.blocked)
		return;
	l->blocked_said = false;
	log_info("endpoint_resumed", "after=\"%s\"", l->blocked);
	status_send(a);
}

/* A request failed by itself. Out of tries, either this ask is at fault or, where no
 * answer came to any other since it was first sent, the endpoint is down. */
static void ask_retry(struct annotator *a, struct ask *ask, const struct judgement *j,
		      uint64_t delay_ms, const char *words)
{
	struct lane *l = lane_of(a, ask);
	a->retries++;
	ask->tries++;
	if (l->throttle.blocked && !ask->probe) {
		lane_block(a, l, ask);
		return;
	}
	if (!ask->probe && ask->tries <= llm_of(a, ask)->retries_max) {
		ask->due_ms = a->now_ms + delay_ms;
		ask_queue_push(&l->delayed, ask);
		return;
	}
	if (strcmp(j->reason, "malformed") == 0) {
		ask_unusable(a, ask, j->reason, "", 0);
		return;
	}
	if (!ask->probe && l->throttle.answer_ms < ask->first_ms) {
		throttle_block(&l->throttle, a->now_ms);
		lane_block(a, l, ask);
		return;
	}
	/* A probe that fails is not tried for ever: the next one may be another work. */
	char error[256];
	(void)snprintf(error, sizeof error, "%s after %u tries: %.150s", j->reason, ask->tries,
		       words);
	ask_failed(a, ask, j->reason, error);
}

/* All are rejected so far. A probe is not tried for ever: it may be its text after all. */
static void ask_rejected(struct annotator *a, struct ask *ask, const char *words)
{
	struct lane *l = lane_of(a, ask);
	if (ask->probe) {
		ask_failed(a, ask, "rejected", words);
		return;
	}
	throttle_block(&l->throttle, a->now_ms);
	lane_block(a, l, ask);
}

/* One line for the first request that an endpoint rejects: it may be a setting. */
static void rejected_say(struct lane *l, const struct judgement *j, const struct outcome *o)
{
	if (l->rejected_said || strcmp(j->reason, "rejected") != 0)
		return;
	l->rejected_said = true;
	log_warn("request_rejected", "status=%u code=\"%s\"", o->status, o->code);
}

static void usage_add(struct ask *ask, const Freeal__Endpoint *endpoint, const struct reply *r)
{
	Freeal__Usage *u = &ask->usage;
	u->tokens_in += r->tokens_in;
	u->tokens_out += r->tokens_out;
	u->nano_usd += price_nano_usd(endpoint, r->tokens_in, 0, r->tokens_out);
}

static void ask_judged(struct annotator *a, struct ask *ask, const struct judgement *j,
		       const struct outcome *o, const struct client_reply *reply,
		       const struct reply_error *error, const struct reply *answer)
{
	struct lane *l = lane_of(a, ask);
	uint64_t delay_ms =
	    throttle_note(&l->throttle, j, o, ask->tries, reply->sent_ms, a->now_ms);
	lane_resumed_say(a, l);
	const char *words = *error->message ? error->message : reply->error;
	switch (j->verdict) {
	case VERDICT_ANSWER:
		if (ask->work->order_case == FREEAL__WORK__ORDER_GENERATE)
			generate_answer(a, ask, answer);
		else
			annotate_answer(a, ask, answer);
		break;
	case VERDICT_UNUSABLE:
		rejected_say(l, j, o);
		if (throttle_rejects_all(&l->throttle, j)) {
			if (!l->blocked_said)
				lane_blocked_write(l, endpoint_of(a, ask), j->reason, o->status,
						   error, reply->error);
			ask_rejected(a, ask, words);
			break;
		}
		ask_unusable(a, ask, j->reason, error->message, strlen(error->message));
		break;
	case VERDICT_PAUSE:
		if (l->throttle.pause_set_ms == a->now_ms)
			log_info("endpoint_paused", "reason=%s ms=%llu window=%.0f", j->reason,
				 (unsigned long long)delay_ms, l->throttle.window);
		a->retries++;
		ask->due_ms = 0;
		ask_queue_push_front(&l->ready, ask);
		break;
	case VERDICT_RETRY:
		if (!l->blocked_said)
			lane_blocked_write(l, endpoint_of(a, ask), j->reason, o->status, error,
					   reply->error);
		ask_retry(a, ask, j, delay_ms, words);
		break;
	case VERDICT_BLOCK:
		if (!l->blocked_said)
			lane_blocked_write(l, endpoint_of(a, ask), j->reason, o->status, error,
					   reply->error);
		lane_block(a, l, ask);
		break;
	}
}

void annotator_done(void *context, void *cookie, const struct client_reply *reply)
{
	struct annotator *a = context;
	struct ask *ask = cookie;
	ask_landed(a, ask);
	a->dirty = true;
	bool success = reply->transfer == TRANSFER_DONE && reply->status / 100 == 2;
	struct reply answer = {.reason = ""};
	struct reply_error error = {0};
	if (success)
		reply_parse(reply->body, reply->body_size, &answer);
	else if (reply->transfer == TRANSFER_DONE)
		reply_error_parse(reply->body, reply->body_size, &error);
	struct outcome o = {
	    .transfer = reply->transfer,
	    .status = reply->status,
	    .code = error.code,
	    .retry_after_ms = reply->retry_after_ms,
	    .malformed = success && strcmp(answer.reason, "malformed") == 0,
	};
	usage_add(ask, endpoint_of(a, ask), &answer);
	struct judgement j = throttle_judge(&o);
	log_debug("reply", "status=%u verdict=%d reason=%s ms=%llu", o.status, (int)j.verdict,
		  j.reason, (unsigned long long)(a->now_ms - reply->sent_ms));
	ask_judged(a, ask, &j, &o, reply, &error, &answer);
	reply_done(&answer);
}
