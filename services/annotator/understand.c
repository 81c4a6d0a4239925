#include "annotator/understand.h"

#include "annotator/result.h"

#include <string.h>

static struct meaning unusable(const char *reason, const struct reply *r)
{
	return (struct meaning){
	    .fate = strcmp(reason, "refused") == 0 ? FATE_UNUSABLE : FATE_AGAIN,
	    .reason = reason,
	    .text = r->content,
	    .size = r->content ? r->content_size : 0,
	};
}

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
			return (struct meaning){.fate = FATE_FAILED, .reason = "no_memory"};
	}
	if (texts.count == 0) {
		answer_texts_done(&texts);
		return unusable(reason, r);
	}
	result_texts(u->worker, ask, &texts, "");
	answer_texts_done(&texts);
	return (struct meaning){.fate = FATE_DONE, .reason = ""};
}

static struct meaning label_understand(const struct understanding *u, struct ask *ask,
				       const Freeal__Endpoint *endpoint, const struct reply *r)
{
	const char *reason = r->reason;
	int32_t class_id = ANSWER_NONE;
	if (!*reason)
		class_id = answer_label(u->labels, r->content, r->content_size, &reason);
	if (class_id == ANSWER_NONE)
		return unusable(reason, r);
	result_annotation(u->worker, ask, endpoint, class_id, "", r->content, r->content_size);
	return (struct meaning){.fate = FATE_DONE, .reason = ""};
}

void understand(const struct understanding *u, const struct call *call, const struct reply *reply,
		struct meaning *ret_meanings)
{
	for (uint32_t i = 0; i < call->ask_count; i++) {
		struct ask *ask = call->asks[i];
		if (ask->work->order_case == FREEAL__WORK__ORDER_GENERATE)
			ret_meanings[i] = texts_understand(u, ask, reply);
		else
			ret_meanings[i] = label_understand(u, ask, call->lane->endpoint, reply);
	}
}

void understand_end(const struct understanding *u, struct ask *ask,
		    const Freeal__Endpoint *endpoint, const char *reason, const char *text,
		    size_t size)
{
	struct answer_texts none = {0};
	if (ask->work->order_case == FREEAL__WORK__ORDER_GENERATE)
		result_texts(u->worker, ask, &none, reason);
	else
		result_annotation(u->worker, ask, endpoint, ANSWER_NONE, reason, text, size);
}
