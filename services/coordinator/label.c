#include "coordinator/label.h"

int32_t label_class(const Freeal__Annotation *annotation)
{
	if (!annotation)
		return LABEL_NONE;
	if (annotation->payload_case == FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL)
		return (int32_t)annotation->class_label->class_id;
	if (annotation->payload_case == FREEAL__ANNOTATION__PAYLOAD_CANDIDATES &&
	    annotation->candidates->n_class_ids > 0)
		return LABEL_SET;
	return LABEL_NONE;
}

uint32_t label_class_end(const Freeal__Annotation *annotation)
{
	int32_t class_id = label_class(annotation);
	uint32_t end = class_id >= 0 ? (uint32_t)class_id + 1 : 0;
	for (size_t i = 0; class_id == LABEL_SET && i < annotation->candidates->n_class_ids; i++) {
		if (annotation->candidates->class_ids[i] >= end)
			end = annotation->candidates->class_ids[i] + 1;
	}
	return end;
}

static void llm_take(struct label_resolved *r, const Freeal__LabelEvent *event)
{
	int32_t class_id = label_class(event->annotation);
	r->asked = true;
	if (class_id == LABEL_NONE) {
		bool answered = r->llm_class_id >= 0 || r->candidate_count > 0;
		r->llm_reason = !answered && event->annotation ? event->annotation->reason : NULL;
		return;
	}
	r->llm_reason = NULL;
	r->llm_class_id = class_id == LABEL_SET ? LABEL_NONE : class_id;
	r->candidates = class_id == LABEL_SET ? event->annotation->candidates->class_ids : NULL;
	r->candidate_count = class_id == LABEL_SET ? event->annotation->candidates->n_class_ids : 0;
}

/* The class that the SLM judged the sample with, where it is one of the set. */
static int32_t candidate_of(const struct label_resolved *r, const Freeal__SelectionRow *selection)
{
	for (size_t i = 0; selection && i < r->candidate_count; i++) {
		if (selection->class_id == (int32_t)r->candidates[i])
			return selection->class_id;
	}
	return (int32_t)r->candidates[0];
}

struct label_resolved label_resolve(const Freeal__LabelEvent *const *events, size_t event_count,
				    const Freeal__SelectionRow *selection)
{
	struct label_resolved r = {.class_id = LABEL_NONE, .llm_class_id = LABEL_NONE};
	int32_t human = LABEL_NONE;
	uint32_t human_round = 0, llm_round = 0;
	for (size_t i = 0; i < event_count; i++) {
		const Freeal__LabelEvent *e = events[i];
		int32_t class_id = label_class(e->annotation);
		if (e->source == FREEAL__LABEL_SOURCE__HUMAN && class_id >= 0) {
			human = class_id;
			human_round = e->round;
		}
		if (e->source != FREEAL__LABEL_SOURCE__LLM)
			continue;
		llm_take(&r, e);
		if (class_id != LABEL_NONE)
			llm_round = e->round;
	}
	bool answered = r.llm_class_id >= 0 || r.candidate_count > 0;
	r.confidence = selection ? selection->confidence : 0.0f;
	if (human >= 0) {
		r.class_id = human;
		r.source = FREEAL__LABEL_SOURCE__HUMAN;
		r.round = human_round;
		r.confidence = 1.0f;
	} else if (answered && !(selection && selection->overrule)) {
		r.class_id = r.candidate_count ? candidate_of(&r, selection) : r.llm_class_id;
		r.source = FREEAL__LABEL_SOURCE__LLM;
		r.round = llm_round;
	} else if (selection) {
		r.class_id = selection->slm_label;
		r.source = FREEAL__LABEL_SOURCE__SLM;
	}
	return r;
}
