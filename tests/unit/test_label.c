/* libs: freeal-coordinator-lib */
/* label_resolve: who wins, table by table. */
#include "coordinator/label.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct history {
	Freeal__LabelEvent events[8];
	Freeal__Annotation annotations[8];
	Freeal__ClassPayload payloads[8];
	const Freeal__LabelEvent *list[8];
	size_t count;
};

static void history_add(struct history *h, Freeal__LabelSource source, uint32_t round, int class_id,
			const char *reason)
{
	size_t i = h->count++;
	freeal__label_event__init(&h->events[i]);
	freeal__annotation__init(&h->annotations[i]);
	freeal__class_payload__init(&h->payloads[i]);
	h->events[i].source = source;
	h->events[i].round = round;
	h->events[i].annotation = &h->annotations[i];
	if (class_id >= 0) {
		h->payloads[i].class_id = (uint32_t)class_id;
		h->annotations[i].payload_case = FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL;
		h->annotations[i].class_label = &h->payloads[i];
	} else {
		h->annotations[i].reason = (char *)reason;
	}
	h->list[i] = &h->events[i];
}

static Freeal__SelectionRow selection_make(int slm, bool overrule)
{
	Freeal__SelectionRow s = FREEAL__SELECTION_ROW__INIT;
	s.slm_label = slm;
	s.confidence = 0.75f;
	s.overrule = overrule;
	return s;
}

static void nothing_known_is_no_label(void **state)
{
	(void)state;
	struct label_resolved r = label_resolve(NULL, 0, NULL);
	assert_int_equal(r.class_id, -1);
	assert_int_equal(r.source, FREEAL__LABEL_SOURCE__SOURCE_NONE);
	assert_false(r.asked);
}

static void the_latest_usable_answer_stands(void **state)
{
	(void)state;
	struct history h = {.count = 0};
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 0, 1, NULL);
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 1, 2, NULL);
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 2, -1, "not_a_label");
	Freeal__SelectionRow s = selection_make(0, false);
	struct label_resolved r = label_resolve(h.list, h.count, &s);
	assert_int_equal(r.class_id, 2);
	assert_int_equal(r.round, 1);
	assert_int_equal(r.source, FREEAL__LABEL_SOURCE__LLM);
	assert_null(r.llm_reason);
}

static void an_unusable_answer_is_filled_by_the_slm(void **state)
{
	(void)state;
	struct history h = {.count = 0};
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 0, -1, "empty");
	struct label_resolved r = label_resolve(h.list, h.count, NULL);
	assert_int_equal(r.class_id, -1);
	Freeal__SelectionRow s = selection_make(3, false);
	r = label_resolve(h.list, h.count, &s);
	assert_int_equal(r.class_id, 3);
	assert_int_equal(r.source, FREEAL__LABEL_SOURCE__SLM);
	assert_int_equal(r.llm_class_id, -1);
	assert_string_equal(r.llm_reason, "empty");
	assert_true(r.asked);
}

static void the_selector_may_overrule_the_llm_but_no_human(void **state)
{
	(void)state;
	struct history h = {.count = 0};
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 0, 1, NULL);
	Freeal__SelectionRow s = selection_make(0, true);
	struct label_resolved r = label_resolve(h.list, h.count, &s);
	assert_int_equal(r.class_id, 0);
	assert_int_equal(r.source, FREEAL__LABEL_SOURCE__SLM);
	assert_int_equal(r.llm_class_id, 1);
	history_add(&h, FREEAL__LABEL_SOURCE__HUMAN, 0, 2, NULL);
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 1, 1, NULL);
	r = label_resolve(h.list, h.count, &s);
	assert_int_equal(r.class_id, 2);
	assert_int_equal(r.source, FREEAL__LABEL_SOURCE__HUMAN);
}

static void of_a_set_the_label_is_the_likeliest_of_it(void **state)
{
	(void)state;
	uint32_t set[] = {3, 1};
	Freeal__CandidatePayload payload = FREEAL__CANDIDATE_PAYLOAD__INIT;
	payload.class_ids = set;
	payload.n_class_ids = 2;
	struct history h = {.count = 0};
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 0, 2, NULL);
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 1, -1, "");
	h.annotations[1].payload_case = FREEAL__ANNOTATION__PAYLOAD_CANDIDATES;
	h.annotations[1].candidates = &payload;
	assert_int_equal(label_class(&h.annotations[1]), LABEL_SET);
	assert_int_equal(label_class_end(&h.annotations[1]), 4);

	struct label_resolved r = label_resolve(h.list, h.count, NULL);
	assert_int_equal(r.class_id, 3);
	assert_int_equal(r.llm_class_id, -1);
	assert_int_equal(r.candidate_count, 2);
	assert_null(r.llm_reason);
	Freeal__SelectionRow s = selection_make(0, false);
	s.class_id = 1;
	r = label_resolve(h.list, h.count, &s);
	assert_int_equal(r.class_id, 1);
	assert_int_equal(r.source, FREEAL__LABEL_SOURCE__LLM);
	assert_int_equal(r.round, 1);
	s.class_id = 2; /* judged with an older label */
	assert_int_equal(label_resolve(h.list, h.count, &s).class_id, 3);
	/* What is unusable replaces no set, a class does. */
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 2, -1, "empty");
	assert_int_equal(label_resolve(h.list, h.count, &s).candidate_count, 2);
	history_add(&h, FREEAL__LABEL_SOURCE__LLM, 3, 0, NULL);
	r = label_resolve(h.list, h.count, &s);
	assert_int_equal(r.class_id, 0);
	assert_int_equal(r.candidate_count, 0);
	payload.n_class_ids = 0;
	assert_int_equal(label_class(&h.annotations[1]), LABEL_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_known_is_no_label),
	    cmocka_unit_test(the_latest_usable_answer_stands),
	    cmocka_unit_test(an_unusable_answer_is_filled_by_the_slm),
	    cmocka_unit_test(the_selector_may_overrule_the_llm_but_no_human),
	    cmocka_unit_test(of_a_set_the_label_is_the_likeliest_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
