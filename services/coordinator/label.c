#include "coordinator/label.h"

int32_t label_class(const Freeal__Annotation *annotation)
{
	if (annotation && annotation->payload_case == FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL)
		return (int32_t)annotation->class_label->class_id;
	return -1;
}

struct label_resolved label_resolve(const Freeal__LabelEvent *const *events, size_t event_count,
				    const Freeal__SelectionRow *selection)
{
	struct label_resolved r = {.class_id = -1, .llm_class_id = -1};
	int32_t human = -1;
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
		r.asked = true;
		if (class_id >= 0) {
			r.llm_class_id = class_id;
			llm_round = e->round;
		}
		r.llm_reason = r.llm_class_id < 0 && e->annotation ? e->annotation->reason : NULL;
	}
	r.confidence = selection ? selection->confidence : 0.0f;
	if (human >= 0) {
		r.class_id = human;
		r.source = FREEAL__LABEL_SOURCE__HUMAN;
		r.round = human_round;
		r.confidence = 1.0f;
	} else if (r.llm_class_id >= 0 && !(selection && selection->overrule)) {
		r.class_id = r.llm_class_id;
		r.source = FREEAL__LABEL_SOURCE__LLM;
		r.round = llm_round;
	} else if (selection) {
		r.class_id = selection->slm_label;
		r.source = FREEAL__LABEL_SOURCE__SLM;
	}
	return r;
}
