#include "annotator/understand.h"

#include "annotator/result.h"
#include "config/project.h"
#include "llm/answer_view.h"
#include "llm/probability.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An answer about one text, read. */
struct reading {
	struct answer answer;
	const struct reply_choice *choice; /* NULL: there was none */
	struct buf reasoning;
	float *probabilities; /* NULL: not known */
};

static const Freeal__Llm *llm_of(const struct understanding *u, const struct ask *ask)
{
	return u->project->rounds[project_config_of(u->project, ask->work->name->round)]->llm;
}

static struct answer_form form_of(const Freeal__Llm *llm)
{
	return (struct answer_form){.reasoning = llm->reasoning, .candidates = llm->candidates};
}

/* Noted for the correction that the next question has. */
static struct meaning unusable(struct ask *ask, const char *reason, const char *text, size_t size)
{
	ask_bad_set(ask, reason, text, text ? size : 0);
	return (struct meaning){
	    .fate = strcmp(reason, "refused") == 0 ? FATE_UNUSABLE : FATE_AGAIN,
	    .reason = reason,
	    .text = text,
	    .size = text ? size : 0,
	};
}

static const struct meaning done = {.fate = FATE_DONE, .reason = ""};
static const struct meaning more = {.fate = FATE_MORE, .reason = ""};
static const struct meaning no_memory = {.fate = FATE_FAILED, .reason = "no_memory"};

static struct meaning texts_understand(const struct understanding *u, struct ask *ask,
				       const struct reply *r)
{
	const char *reason = r->reason;
	struct answer_texts texts = {0};
	bool cut = strcmp(reason, "length") == 0;
	if (r->content && (cut || !*reason)) {
		enum err e = answer_texts(r->content, r->content_size, ask->work->generate->count,
					  cut, &texts, &reason);
		if (e)
			return no_memory;
	}
	if (texts.count == 0) {
		answer_texts_done(&texts);
		return unusable(ask, reason, r->content, r->content_size);
	}
	result_texts(u->worker, ask, &texts, "");
	answer_texts_done(&texts);
	return done;
}

static void reading_done(struct reading *r)
{
	buf_done(&r->reasoning);
	free(r->probabilities);
}

static void probabilities_read(const struct understanding *u, struct reading *r)
{
	double seen;
	if (r->answer.count != 1 || !r->answer.label || !r->choice->logprobs)
		return;
	r->probabilities = calloc(u->project->n_labels, sizeof *r->probabilities);
	if (r->probabilities &&
	    !probability_read(u->labels, r->choice, r->answer.label, r->probabilities, &seen)) {
		free(r->probabilities);
		r->probabilities = NULL;
	}
}

/* Reads the i-th of a reply's choices; where there is none, it is the reply that is unusable. */
static void reading_make(const struct understanding *u, const Freeal__Llm *llm,
			 const struct reply *reply, uint32_t i, struct reading *r)
{
	struct answer_form form = form_of(llm);
	*r = (struct reading){.answer = {.reason = reply->reason}};
	buf_init(&r->reasoning, ANSWER_BYTES_MAX);
	if (i >= reply->choice_count)
		return;
	r->choice = &reply->choices[i];
	r->answer.reason = r->choice->reason;
	if (r->choice->reasoning)
		answer_reasoning_add(&r->reasoning, r->choice->reasoning,
				     r->choice->reasoning_size);
	if (*r->choice->reason)
		return;
	answer_parse(u->labels, &form, r->choice->content, r->choice->content_size, &r->reasoning,
		     &r->answer);
	probabilities_read(u, r);
}

static struct result_label label_of(const struct understanding *u, const struct reading *r)
{
	return (struct result_label){
	    .class_ids = r->answer.class_ids,
	    .class_count = r->answer.count,
	    .reason = r->answer.reason,
	    .text = r->choice ? r->choice->content : NULL,
	    .size = r->choice ? r->choice->content_size : 0,
	    .reasoning = r->reasoning.data,
	    .reasoning_size = r->reasoning.size,
	    .probabilities = r->probabilities,
	    .probability_count = r->probabilities ? u->project->n_labels : 0,
	};
}

static struct meaning label_understand(const struct understanding *u, struct ask *ask,
				       const Freeal__Endpoint *endpoint, const struct reply *reply)
{
	struct reading r;
	struct meaning m = done;
	reading_make(u, llm_of(u, ask), reply, 0, &r);
	if (r.answer.count > 0) {
		struct result_label label = label_of(u, &r);
		result_annotation(u->worker, ask, endpoint, &label);
	} else {
		m = unusable(ask, r.answer.reason, reply->content, reply->content_size);
	}
	reading_done(&r);
	return m;
}

static enum err vote_add(const struct understanding *u, struct ask *ask, const struct reply *reply,
			 uint32_t i)
{
	struct reading r;
	reading_make(u, llm_of(u, ask), reply, i, &r);
	const struct votes_words words = {.text = r.choice ? r.choice->content : NULL,
					  .size = r.choice ? r.choice->content_size : 0,
					  .reasoning = r.reasoning.data,
					  .reasoning_size = r.reasoning.size};
	enum err e = votes_add(&ask->votes, &r.answer, r.probabilities, &words);
	if (r.answer.count == 0)
		ask_bad_set(ask, r.answer.reason, words.text, words.text ? words.size : 0);
	reading_done(&r);
	return e;
}

static enum err votes_result(const struct understanding *u, struct ask *ask,
			     const Freeal__Endpoint *endpoint, const struct votes_class *winner)
{
	float *shares = calloc(u->project->n_labels, sizeof *shares);
	if (!shares)
		return ERR_NO_MEMORY;
	votes_shares(&ask->votes, u->project->n_labels, shares);
	struct result_label label = {
	    .class_ids = &winner->class_id,
	    .class_count = 1,
	    .reason = "",
	    .text = winner->words,
	    .size = winner->words_size,
	    .reasoning = winner->reasoning,
	    .reasoning_size = winner->reasoning_size,
	    .probabilities = shares,
	    .probability_count = u->project->n_labels,
	    .votes = ask->votes.usable,
	};
	result_annotation(u->worker, ask, endpoint, &label);
	free(shares);
	return ERR_OK;
}

/* One reply may bring several of the answers that are to be counted, or the next one alone. */
static struct meaning votes_understand(const struct understanding *u, struct ask *ask,
				       const Freeal__Endpoint *endpoint, const struct reply *reply)
{
	uint32_t wanted = llm_of(u, ask)->samples;
	uint32_t there = reply->choice_count > 0 ? reply->choice_count : 1;
	for (uint32_t i = 0; i < there && ask->votes.count < wanted; i++) {
		if (vote_add(u, ask, reply, i) != ERR_OK)
			return no_memory;
	}
	if (ask->votes.count < wanted)
		return more;
	const struct votes_class *winner = votes_winner(&ask->votes);
	if (winner)
		return votes_result(u, ask, endpoint, winner) == ERR_OK ? done : no_memory;
	/* The next ones are answers to another question: with a correction. */
	votes_done(&ask->votes);
	ask->slot = 0;
	const char *reason = ask->bad_reason ? ask->bad_reason : reply->reason;
	return (struct meaning){
	    .fate = strcmp(reason, "refused") == 0 ? FATE_UNUSABLE : FATE_AGAIN,
	    .reason = reason,
	    .text = reply->content,
	    .size = reply->content ? reply->content_size : 0,
	};
}

/* Several texts in one request: whatever is not there for one of them, it is asked alone. */
static void items_understand(const struct understanding *u, const struct call *call,
			     const struct reply *reply, struct meaning *ret_meanings)
{
	struct answer answers[CALL_ASKS_MAX];
	struct answer_form form = form_of(llm_of(u, call->asks[0]));
	struct buf reasoning;
	const struct reply_choice *c = reply->choice_count > 0 ? &reply->choices[0] : NULL;
	bool usable = c && !*c->reason;
	buf_init(&reasoning, ANSWER_BYTES_MAX);
	if (usable && c->reasoning)
		answer_reasoning_add(&reasoning, c->reasoning, c->reasoning_size);
	if (usable)
		answer_parse_items(u->labels, &form, c->content, c->content_size, call->first_id,
				   call->ask_count, &reasoning, answers);
	for (uint32_t i = 0; i < call->ask_count; i++) {
		struct result_label label = {
		    .reason = "",
		    .text = reply->content,
		    .size = reply->content_size,
		    .reasoning = reasoning.data,
		    .reasoning_size = reasoning.size,
		};
		ret_meanings[i] = (struct meaning){
		    .fate = FATE_ALONE, .reason = usable ? answers[i].reason : reply->reason};
		if (!usable || answers[i].count == 0)
			continue;
		label.class_ids = answers[i].class_ids;
		label.class_count = answers[i].count;
		result_annotation(u->worker, call->asks[i], call->lane->endpoint, &label);
		ret_meanings[i] = done;
	}
	buf_done(&reasoning);
}

/* A second view that says nothing new is none. */
static struct meaning view_understand(const struct understanding *u, struct ask *ask,
				      const struct reply *r)
{
	const ProtobufCBinaryData *text = &ask->work->augment->text;
	const char *reason = r->reason;
	size_t size = 0;
	const char *view =
	    *reason ? NULL : answer_view(r->content, r->content_size, &size, &reason);
	if (view && size == text->len && memcmp(view, text->data, size) == 0)
		reason = "same_text";
	if (*reason)
		return unusable(ask, reason, r->content, r->content_size);
	result_view(u->worker, ask, view, size, "");
	return done;
}

void understand(const struct understanding *u, const struct call *call, const struct reply *reply,
		struct meaning *ret_meanings)
{
	struct ask *ask = call->asks[0];
	const Freeal__Endpoint *endpoint = call->lane->endpoint;
	if (call->ask_count > 1)
		items_understand(u, call, reply, ret_meanings);
	else if (ask->work->order_case == FREEAL__WORK__ORDER_GENERATE)
		ret_meanings[0] = texts_understand(u, ask, reply);
	else if (ask->work->order_case == FREEAL__WORK__ORDER_AUGMENT)
		ret_meanings[0] = view_understand(u, ask, reply);
	else if (llm_of(u, ask)->samples > 1)
		ret_meanings[0] = votes_understand(u, ask, endpoint, reply);
	else
		ret_meanings[0] = label_understand(u, ask, endpoint, reply);
}

void understand_end(const struct understanding *u, struct ask *ask,
		    const Freeal__Endpoint *endpoint, const char *reason, const char *text,
		    size_t size)
{
	struct answer_texts none = {0};
	struct result_label label = {.reason = reason, .text = text, .size = size};
	const struct votes_class *winner = votes_winner(&ask->votes);
	if (ask->work->order_case == FREEAL__WORK__ORDER_GENERATE)
		result_texts(u->worker, ask, &none, reason);
	else if (ask->work->order_case == FREEAL__WORK__ORDER_AUGMENT)
		result_view(u->worker, ask, NULL, 0, reason);
	else if (!winner || votes_result(u, ask, endpoint, winner) != ERR_OK)
		result_annotation(u->worker, ask, endpoint, &label);
}
