/* libs: freeal-coordinator-lib */
/* What the rounds' answers did, counted from samples' histories. */
#include "coordinator/rungs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct answer {
	Freeal__LabelEvent event;
	Freeal__Annotation annotation;
	Freeal__ClassPayload label;
	Freeal__CandidatePayload set;
	uint32_t candidates[2];
	char reason[32];
};

/* One of `class_id`; LABEL_NONE: unusable, LABEL_SET: of two. */
static void answer_init(struct answer *a, uint32_t round, int32_t class_id, const char *model,
			const char *reason)
{
	freeal__label_event__init(&a->event);
	freeal__annotation__init(&a->annotation);
	freeal__class_payload__init(&a->label);
	freeal__candidate_payload__init(&a->set);
	snprintf(a->reason, sizeof a->reason, "%s", reason);
	a->event.source = FREEAL__LABEL_SOURCE__LLM;
	a->event.round = round;
	a->event.annotation = &a->annotation;
	a->annotation.endpoint = "http://h";
	a->annotation.model = (char *)model;
	a->annotation.reason = a->reason;
	if (class_id >= 0) {
		a->label.class_id = (uint32_t)class_id;
		a->annotation.payload_case = FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL;
		a->annotation.class_label = &a->label;
	} else if (class_id == LABEL_SET) {
		a->candidates[1] = 1;
		a->set.class_ids = a->candidates;
		a->set.n_class_ids = 2;
		a->annotation.payload_case = FREEAL__ANNOTATION__PAYLOAD_CANDIDATES;
		a->annotation.candidates = &a->set;
	}
}

/* A sample whose rounds had these answers. */
static void sample_add(struct rungs *r, int32_t gold, const int32_t *classes, size_t count)
{
	struct answer answers[4];
	const Freeal__LabelEvent *events[4];
	for (size_t i = 0; i < count; i++) {
		answer_init(&answers[i], (uint32_t)i, classes[i], i ? "strong" : "cheap",
			    classes[i] == LABEL_NONE ? "refused" : "");
		events[i] = &answers[i].event;
	}
	struct view_row row = {.gold = gold, .events = events, .event_count = count};
	assert_int_equal(rungs_add(r, &row), ERR_OK);
}

static void test_rounds(void **state)
{
	(void)state;
	struct rungs r;
	rungs_init(&r);
	sample_add(&r, 1, (int32_t[]){0, 1}, 2);	     /* mended */
	sample_add(&r, 0, (int32_t[]){0, 1}, 2);	     /* broken */
	sample_add(&r, 2, (int32_t[]){0, 1}, 2);	     /* changed, wrong both times */
	sample_add(&r, 1, (int32_t[]){1, 1}, 2);	     /* kept */
	sample_add(&r, 1, (int32_t[]){LABEL_NONE, 1}, 2);    /* no label before */
	sample_add(&r, 1, (int32_t[]){0, LABEL_NONE, 1}, 3); /* the label before stood */
	sample_add(&r, 1, (int32_t[]){0, LABEL_SET}, 2);     /* a set is no answer to compare */
	sample_add(&r, -1, (int32_t[]){0, 1}, 2);	     /* changed, no gold */
	assert_int_equal(r.count, 3);
	const struct rung *g = r.items;
	assert_int_equal(g[0].answers, 8);
	assert_int_equal(g[0].changed + g[0].mended + g[0].broken, 0);
	assert_int_equal(g[0].right.samples, 6);
	assert_int_equal(g[0].right.correct, 2);
	assert_int_equal(g[0].reason_count, 1);
	assert_string_equal(g[0].reasons[0].name, "refused");
	assert_int_equal(g[0].reasons[0].count, 1);
	assert_int_equal(g[1].changed, 4);
	assert_int_equal(g[1].mended, 1);
	assert_int_equal(g[1].broken, 1);
	assert_int_equal(g[1].endpoint_count, 1);
	assert_string_equal(g[1].endpoints[0].model, "strong");
	assert_int_equal(g[1].endpoints[0].count, 8);
	assert_int_equal(g[2].mended, 1);
	rungs_done(&r);
}

static void test_many_kinds(void **state)
{
	(void)state;
	struct rungs r;
	rungs_init(&r);
	for (int i = 0; i < 2 * RUNG_KINDS_MAX; i++) {
		struct answer a;
		char reason[16], model[16];
		snprintf(reason, sizeof reason, "reason %d", i);
		snprintf(model, sizeof model, "model %d", i);
		answer_init(&a, 0, LABEL_NONE, model, reason);
		const Freeal__LabelEvent *event = &a.event;
		struct view_row row = {.gold = -1, .events = &event, .event_count = 1};
		assert_int_equal(rungs_add(&r, &row), ERR_OK);
	}
	assert_int_equal(r.items[0].reason_count, RUNG_KINDS_MAX);
	assert_int_equal(r.items[0].endpoint_count, RUNG_KINDS_MAX);
	assert_int_equal(r.items[0].reasons[0].count, 1);
	assert_int_equal(r.items[0].reasons[RUNG_KINDS_MAX - 1].count, RUNG_KINDS_MAX + 1);
	rungs_done(&r);
}

static void test_people_are_no_llm(void **state)
{
	(void)state;
	struct rungs r;
	struct answer a;
	rungs_init(&r);
	answer_init(&a, 0, 1, "m", "");
	a.event.source = FREEAL__LABEL_SOURCE__HUMAN;
	const Freeal__LabelEvent *event = &a.event;
	struct view_row row = {.gold = 1, .events = &event, .event_count = 1};
	assert_int_equal(rungs_add(&r, &row), ERR_OK);
	assert_int_equal(r.count, 0);
	rungs_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rounds),
	    cmocka_unit_test(test_many_kinds),
	    cmocka_unit_test(test_people_are_no_llm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
