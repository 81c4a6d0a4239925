/*
 * The answers of a batch job: each line is taken like a reply that came by itself, matched by its
 * custom_id.
 */
#include "annotator/annotator_impl.h"
#include "annotator/batch_job.h"
#include "llm/price.h"

#include <string.h>

static uint64_t batch_price(const Freeal__Endpoint *endpoint, const struct reply *r)
{
	return price_batch_nano_usd(price_nano_usd(endpoint, r->tokens_in, 0, r->tokens_out));
}

/* An answer is understood as any other; without a lease (a bare ask) a label alone counts. */
static void line_understand(struct annotator *a, struct batch_job *j, struct call *call, bool bare,
			    const struct batch_answer *answer)
{
	const struct understanding u = {
	    .project = a->project, .labels = a->labels, .worker = a->worker};
	struct ask *ask = call->asks[0];
	struct reply reply;
	struct meaning m = {.fate = FATE_FAILED, .reason = "malformed"};
	reply_parse(answer->body, strlen(answer->body), &reply);
	ask->usage.requests++;
	ask->usage.tokens_in += reply.tokens_in;
	ask->usage.tokens_out += reply.tokens_out;
	ask->usage.nano_usd += batch_price(j->lane->endpoint, &reply);
	a->requests++;
	if (strcmp(reply.reason, "malformed") != 0) {
		if (call->keyed)
			ask_reply_add(ask, &ask->key, answer->body, strlen(answer->body));
		understand(&u, call, &reply, &m);
	}
	call->asks[0] = NULL;
	if (bare && m.fate != FATE_DONE)
		ask_free(ask);
	else
		ask_meant(a, ask, j->lane->endpoint, &m);
	reply_done(&reply);
}

/* A line that was refused, expired or failed: refused for good, or asked again. */
static void line_failed(struct annotator *a, struct batch_job *j, struct ask *ask,
			const struct batch_answer *answer)
{
	struct reply_error error = {0};
	struct meaning m = {.fate = FATE_UNUSABLE, .text = error.message};
	reply_error_parse(answer->body, strlen(answer->body), &error);
	struct outcome o = {.status = answer->status, .code = error.code};
	struct judgement judged = {VERDICT_RETRY, *answer->error ? answer->error : "no_answer"};
	if (answer->status)
		judged = judgement_of(&o);
	m.reason = judged.reason;
	m.size = strlen(error.message);
	if (judged.verdict == VERDICT_UNUSABLE) {
		ask_meant(a, ask, j->lane->endpoint, &m);
		return;
	}
	a->retries++;
	if (++ask->tries <= llm_of(a, ask)->retries_max)
		queue_push(&a->queues[queue_of(a, ask->work->name)], ask);
	else
		ask_failed(a, ask, j->lane->endpoint, judged.reason, judged.reason);
}

/* The ask of a line whose lease never came. */
static struct ask *ask_bare(const struct batch_line *line)
{
	Freeal__Work work = FREEAL__WORK__INIT;
	Freeal__AnnotateOrder order = FREEAL__ANNOTATE_ORDER__INIT;
	if (line->name.kind != FREEAL__WORK_KIND__ANNOTATE)
		return NULL;
	work.name = (Freeal__WorkName *)&line->name;
	work.attempt = 1;
	work.order_case = FREEAL__WORK__ORDER_ANNOTATE;
	work.annotate = &order;
	return ask_new(&work);
}

static void line_take(struct annotator *a, struct batch_job *j, const char *text, size_t size)
{
	struct batch_answer answer;
	uint32_t ask_no = 0;
	if (batch_answer_parse(text, size, &answer))
		return;
	struct batch_line *line = batch_job_find(j, answer.custom_id, &ask_no);
	bool answered = answer.status / 100 == 2;
	bool bare = line && !line->ask;
	struct ask *ask = NULL;
	if (line)
		ask = bare ? (answered ? ask_bare(line) : NULL) : line->ask;
	struct call *call = ask && answered ? call_new(j->lane, 1) : NULL;
	if (ask) {
		line->answered = true;
		line->ask = NULL;
		ask->ask_no = ask_no;
		ask->key = line->key;
	}
	if (call) {
		call->keyed = line->keyed;
		call->asks[call->ask_count++] = ask;
		line_understand(a, j, call, bare, &answer);
		call_free(call);
	} else if (ask && bare) {
		ask_free(ask);
	} else if (ask) {
		line_failed(a, j, ask, &answer);
	}
	batch_answer_done(&answer);
}

void batch_answers_take(struct annotator *a, struct batch_job *j, const char *body, size_t size)
{
	const char *at = body, *end = at + size;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			stop = end;
		if (stop > at)
			line_take(a, j, at, (size_t)(stop - at));
		at = stop + 1;
	}
}
