#include "annotator/result.h"

#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

/* The replies behind the result, as far as there is memory. */
static Freeal__KeptReply **replies_list(const struct ask *a, size_t *ret_count)
{
	size_t count = 0;
	for (const struct ask_reply *r = a->replies; r; r = r->next)
		count++;
	Freeal__KeptReply **list =
	    count ? calloc(count, sizeof *list + sizeof(Freeal__KeptReply)) : NULL;
	Freeal__KeptReply *replies = list ? (Freeal__KeptReply *)(list + count) : NULL;
	size_t n = 0;
	for (const struct ask_reply *r = a->replies; list && r; r = r->next, n++) {
		freeal__kept_reply__init(&replies[n]);
		replies[n].key =
		    (ProtobufCBinaryData){sizeof r->key.bytes, (uint8_t *)r->key.bytes};
		replies[n].body = (ProtobufCBinaryData){r->size, (uint8_t *)r->body};
		list[n] = &replies[n];
	}
	*ret_count = n;
	return list;
}

static void result_send(struct worker *w, struct ask *a, Freeal__Result *r)
{
	r->name = a->work->name;
	r->attempt = a->work->attempt;
	r->replies = replies_list(a, &r->n_replies);
	enum err e = worker_result(w, r);
	free(r->replies);
	/* Late answers and second ones are the worker's matter; without memory the lease
	 * runs out and the work is leased again. */
	if (e == ERR_NO_MEMORY)
		log_error("result_lost", "error=\"%s\"", err_str(e));
}

static ProtobufCBinaryData words_cut(const char *text, size_t size)
{
	size = text ? size : 0;
	return (ProtobufCBinaryData){size < ANSWER_BYTES_MAX ? size : ANSWER_BYTES_MAX,
				     (uint8_t *)text};
}

void result_annotation(struct worker *w, struct ask *a, const Freeal__Endpoint *endpoint,
		       const struct result_label *label)
{
	Freeal__Annotation annotation = FREEAL__ANNOTATION__INIT;
	Freeal__ClassPayload payload = FREEAL__CLASS_PAYLOAD__INIT;
	Freeal__CandidatePayload candidates = FREEAL__CANDIDATE_PAYLOAD__INIT;
	if (label->class_count == 1) {
		payload.class_id = label->class_ids[0];
		annotation.payload_case = FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL;
		annotation.class_label = &payload;
	} else if (label->class_count > 1) {
		candidates.class_ids = (uint32_t *)label->class_ids;
		candidates.n_class_ids = label->class_count;
		annotation.payload_case = FREEAL__ANNOTATION__PAYLOAD_CANDIDATES;
		annotation.candidates = &candidates;
	} else {
		annotation.reason = (char *)label->reason;
	}
	annotation.answer = words_cut(label->text, label->size);
	annotation.reasoning = words_cut(label->reasoning, label->reasoning_size);
	annotation.probabilities = (float *)label->probabilities;
	annotation.n_probabilities = label->probability_count;
	annotation.votes = label->votes;
	annotation.endpoint = endpoint->url;
	annotation.model = endpoint->model;
	annotation.usage = &a->usage;
	const Freeal__AnnotateOrder *order = a->work->annotate;
	annotation.pool_version = order->pool_version;
	annotation.demonstrations = order->demonstrations;
	annotation.n_demonstrations = order->n_demonstrations;
	Freeal__Result r = FREEAL__RESULT__INIT;
	r.body_case = FREEAL__RESULT__BODY_ANNOTATE;
	r.annotate = &annotation;
	result_send(w, a, &r);
}

void result_texts(struct worker *w, struct ask *a, const struct answer_texts *texts,
		  const char *reason)
{
	Freeal__GenerateResult body = FREEAL__GENERATE_RESULT__INIT;
	ProtobufCBinaryData *items = calloc(texts->count ? texts->count : 1, sizeof *items);
	if (!items) {
		result_failed(w, a, "no memory");
		return;
	}
	for (size_t i = 0; i < texts->count; i++) {
		items[i].data = (uint8_t *)texts->items[i];
		items[i].len = texts->sizes[i];
	}
	body.texts = items;
	body.n_texts = texts->count;
	body.reason = (char *)reason;
	body.usage = &a->usage;
	Freeal__Result r = FREEAL__RESULT__INIT;
	r.body_case = FREEAL__RESULT__BODY_GENERATE;
	r.generate = &body;
	result_send(w, a, &r);
	free(items);
}

void result_view(struct worker *w, struct ask *a, const char *text, size_t size, const char *reason)
{
	Freeal__AugmentResult body = FREEAL__AUGMENT_RESULT__INIT;
	body.text.data = (uint8_t *)text;
	body.text.len = size;
	body.reason = (char *)reason;
	body.usage = &a->usage;
	Freeal__Result r = FREEAL__RESULT__INIT;
	r.body_case = FREEAL__RESULT__BODY_AUGMENT;
	r.augment = &body;
	result_send(w, a, &r);
}

void result_failed(struct worker *w, struct ask *a, const char *error)
{
	Freeal__Result r = FREEAL__RESULT__INIT;
	r.error = (char *)error;
	r.usage = &a->usage;
	result_send(w, a, &r);
}
