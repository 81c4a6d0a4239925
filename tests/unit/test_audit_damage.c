/* libs: freeal-coordinator-lib audit_project.c */
/* Each way to break a project's store or its model is told, under the invariant that it breaks. */
#include "audit_project.h"

#include "coordinator/kept.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

static void event_lose(struct store_txn *t)
{
	struct store_key key = store_key_u64_u32_u32(1, 0, 0);
	assert_int_equal(store_delete(t, TABLE_EVENTS, key.bytes, key.size), ERR_OK);
}

static void sample_lose(struct store_txn *t)
{
	struct store_key key = store_key_u64(1);
	assert_int_equal(store_delete(t, TABLE_SAMPLES, key.bytes, key.size), ERR_OK);
}

static void last_sample_lose(struct store_txn *t)
{
	struct store_key key = store_key_u64(3);
	assert_int_equal(store_delete(t, TABLE_SAMPLES, key.bytes, key.size), ERR_OK);
	assert_int_equal(store_delete(t, TABLE_IDS, "id3", 3), ERR_OK);
}

static void id_swap(struct store_txn *t)
{
	struct store_key key = store_key_u64(0);
	assert_int_equal(store_put(t, TABLE_IDS, "id1", 3, key.bytes, key.size), ERR_OK);
}

static void id_lose(struct store_txn *t)
{
	assert_int_equal(store_delete(t, TABLE_IDS, "id2", 3), ERR_OK);
}

static void id_add(struct store_txn *t)
{
	struct store_key key = store_key_u64(0);
	assert_int_equal(store_put(t, TABLE_IDS, "another", 7, key.bytes, key.size), ERR_OK);
}

static void label_lose(struct store_txn *t)
{
	struct store_key key = store_key_u64(2); /* set aside: it has the SLM's alone */
	assert_int_equal(store_delete(t, TABLE_SELECTION, key.bytes, key.size), ERR_OK);
}

static void change_add(struct store_txn *t)
{
	change_put(t, 3, 1, 0);
	change_put(t, 4, 1, 1);
	state_put(t, SAMPLES, 5, 2);
}

static void change_repeat(struct store_txn *t)
{
	change_put(t, 3, 1, 1);
	state_put(t, SAMPLES, 4, 2);
}

static void change_count_wrong(struct store_txn *t)
{
	state_put(t, SAMPLES, 2, 2);
}

static void change_of_none(struct store_txn *t)
{
	change_put(t, 3, 99, 1);
	state_put(t, SAMPLES, 4, 2);
}

static void answer_change(struct store_txn *t)
{
	event_put(t, 1, 0, 0);
}

static void event_of_later_round(struct store_txn *t)
{
	event_put(t, 1, 1, 1);
}

static void event_under_other_key(struct store_txn *t)
{
	Freeal__LabelEvent e = FREEAL__LABEL_EVENT__INIT;
	e.source = FREEAL__LABEL_SOURCE__LLM;
	e.round = 5;
	record_put(t, TABLE_EVENTS, store_key_u64_u32_u32(1, 0, 0), &e.base);
}

static void event_of_slot(struct store_txn *t)
{
	Freeal__LabelEvent e = FREEAL__LABEL_EVENT__INIT;
	e.source = FREEAL__LABEL_SOURCE__LLM;
	e.slot = 1;
	record_put(t, TABLE_EVENTS, store_key_u64_u32_u32(1, 0, 1), &e.base);
}

static void watermark_high(struct store_txn *t)
{
	state_put(t, SAMPLES + 1, 3, 2);
}

static void watermark_low(struct store_txn *t)
{
	state_put(t, SAMPLES - 1, 3, 2);
}

static void phase_twice(struct store_txn *t)
{
	round_put(t, SAMPLES, FREEAL__PHASE__SELECT_PHASE);
}

static void round_too_late(struct store_txn *t)
{
	Freeal__RoundRecord r = FREEAL__ROUND_RECORD__INIT;
	r.round = 1;
	record_put(t, TABLE_ROUNDS, store_key_u64(1), &r.base); /* fine: it went back from there */
	r.round = 2;
	r.asked = 1;
	record_put(t, TABLE_ROUNDS, store_key_u64(2), &r.base);
}

static void pool_lose(struct store_txn *t)
{
	struct store_key key = store_key_u64(2);
	assert_int_equal(store_delete(t, TABLE_POOLS, key.bytes, key.size), ERR_OK);
}

static void pool_too_new(struct store_txn *t)
{
	pool_put(t, 3, "the text of number 0", false);
}

static void pool_of_other_text(struct store_txn *t)
{
	pool_put(t, 2, "not its text", false);
}

static void result_lose(struct store_txn *t)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__TRAIN;
	name.item = 1;
	struct store_key key = table_result_key(&name);
	assert_int_equal(store_delete(t, TABLE_RESULTS, key.bytes, key.size), ERR_OK);
}

static void selection_wrong(struct store_txn *t)
{
	selection_put(t, 1, 1.5f);
}

static void counters_wrong(struct store_txn *t)
{
	counters_put(t, 7);
}

static void round_counts_wrong(struct store_txn *t)
{
	round_put(t, SAMPLES + 1, FREEAL__PHASE__PHASE_NONE);
}

static void kept_age_lose(struct store_txn *t)
{
	struct store_key number = store_key_u64(1);
	assert_int_equal(store_delete(t, TABLE_AGES, number.bytes, number.size), ERR_OK);
}

static void kept_ages_swap(struct store_txn *t)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct store_key number = store_key_u64(i);
		struct key key = kept_key(1 - i);
		assert_int_equal(store_put(t, TABLE_AGES, number.bytes, number.size, key.bytes,
					   sizeof key.bytes),
				 ERR_OK);
	}
}

static void kept_reply_lose(struct store_txn *t)
{
	struct key key = kept_key(1);
	assert_int_equal(store_delete(t, TABLE_REPLIES, key.bytes, sizeof key.bytes), ERR_OK);
}

static void kept_too_much(struct store_txn *t)
{
	Freeal__KeptRecord *totals;
	assert_int_equal(meta_get(t, "kept", &freeal__kept_record__descriptor, &totals), ERR_OK);
	totals->bytes_max = 100;
	assert_int_equal(meta_put(t, "kept", &totals->base), ERR_OK);
	frame_message_free(totals);
}

static void model_of_others(struct store_txn *t)
{
	(void)t;
	model_write("[\"bad\",\"good\"]");
}

static void model_cut(struct store_txn *t)
{
	(void)t;
	model_write("[\"good\",");
}

static void record_unreadable(struct store_txn *t)
{
	struct store_key key = store_key_u64(1);
	assert_int_equal(store_put(t, TABLE_SAMPLES, key.bytes, key.size, "\xff\xff\xff", 3),
			 ERR_OK);
}

static void secret_store(struct store_txn *t)
{
	event_lose(t);
	Freeal__Annotation a = FREEAL__ANNOTATION__INIT;
	Freeal__LabelEvent e = FREEAL__LABEL_EVENT__INIT;
	a.answer = text_bytes("Bearer " SECRET);
	e.annotation = &a;
	e.source = FREEAL__LABEL_SOURCE__LLM;
	record_put(t, TABLE_EVENTS, store_key_u64_u32_u32(1, 0, 0), &e.base);
}

static void kept_secret(struct store_txn *t)
{
	Freeal__KeptRecord totals;
	struct key key = kept_key(3);
	Freeal__KeptReply reply = FREEAL__KEPT_REPLY__INIT;
	assert_int_equal(kept_load(t, 0, &totals), ERR_OK);
	reply.key = (ProtobufCBinaryData){sizeof key.bytes, key.bytes};
	reply.body = text_bytes("{\"echo\":\"" SECRET "\"}");
	assert_int_equal(kept_put(t, &totals, &reply, true), ERR_OK);
}

static const struct mutation {
	const char *name;
	void (*change)(struct store_txn *);
	const char *line;
} mutations[] = {
    {"event_lose", event_lose, "I3 FAILED: sample 1 has class -1 by its events, 1 by the changes"},
    {"event_lose", event_lose, "I1 FAILED: sample 1 was not asked"},
    {"event_lose", event_lose, "I7 FAILED: round 0 counts 4 asked"},
    {"sample_lose", sample_lose, "I1 FAILED: there are 3 samples and 4 ids"},
    {"last_sample_lose", last_sample_lose, "I1 FAILED: the state knows 4 samples, 3 are there"},
    {"id_swap", id_swap, "I1 FAILED: sample 1: its id \"id1\" names another"},
    {"id_lose", id_lose, "I1 FAILED: there are 4 samples and 3 ids"},
    {"id_add", id_add, "I1 FAILED: there are 4 samples and 5 ids"},
    {"label_lose", label_lose, "I1 FAILED: sample 2 has no label"},
    {"label_lose", label_lose, "I4 FAILED: SELECT of round 0 left 3 rows"},
    {"kept_age_lose", kept_age_lose, "I7 FAILED: the kept reply "},
    {"kept_ages_swap", kept_ages_swap, "is not under its number"},
    {"kept_reply_lose", kept_reply_lose, "I7 FAILED: there are 1 kept replies of 130 bytes and 2 "},
    {"kept_too_much", kept_too_much, "I7 FAILED: the kept replies have 260 bytes, of at most 100"},
    {"kept_secret", kept_secret, "I10 FAILED"},
    {"change_add", change_add, "I3 FAILED: sample 1 has 3 label changes, its events make 1"},
    {"change_repeat", change_repeat, "I3 FAILED: change 3 gives sample 1 the label that it has"},
    {"change_count_wrong", change_count_wrong, "I3 FAILED: 3 changes up to number 3; the state"},
    {"change_of_none", change_of_none, "I3 FAILED: change 3 is of sample 99"},
    {"answer_change", answer_change, "I3 FAILED: sample 1 has class 0 by its events, 1 by"},
    {"event_of_later_round", event_of_later_round, "I4 FAILED: sample 1 was asked in round 1"},
    {"event_under_other_key", event_under_other_key, "I3 FAILED: the event of sample 1, round 0"},
    {"event_of_slot", event_of_slot, "I3 FAILED: sample 1 has an event of source 1, slot 1"},
    {"watermark_high", watermark_high, "I1 FAILED: the state knows 5 samples, 4 are there"},
    {"watermark_low", watermark_low, "I4 FAILED: sample 3 was asked in round 0 of 3 samples"},
    {"phase_twice", phase_twice, "I4 FAILED: round 0 ended its phase select twice"},
    {"round_too_late", round_too_late, "I4 FAILED: round 2 asked 1 samples; the state is at 0\n"},
    {"pool_lose", pool_lose, "I4 FAILED: the newest pool, 2, is not there"},
    {"pool_too_new", pool_too_new, "I4 FAILED: pool 3 says version 3; the state's newest is 2"},
    {"pool_of_other_text", pool_of_other_text, "I4 FAILED: pool 2, demonstration 0 is not sample"},
    {"result_lose", result_lose, "I4 FAILED: round 0 ended a phase without the result of TRAIN 1"},
    {"selection_wrong", selection_wrong, "I4 FAILED: the selection row of sample 1"},
    {"counters_wrong", counters_wrong, "I7 FAILED: the counters have 7 requests"},
    {"round_counts_wrong", round_counts_wrong, "I7 FAILED: round 0 counts 5 asked"},
    {"model_of_others", model_of_others, "I8 FAILED: "},
    {"model_cut", model_cut, "I8 FAILED: "},
    {"record_unreadable", record_unreadable, "I1 FAILED: the record of table samples, key 1"},
    {"secret_store", secret_store, "I10 FAILED: a record of table events holds a secret"},
};

static void each_damage_is_told(void **state)
{
	for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
		const struct mutation *m = &mutations[i];
		if (i > 0)
			assert_int_equal(project_remove(state) || project_make(state), 0);
		project_change(m->change);
		char *text = project_audit(NULL, ERR_OK, false);
		if (!strstr(text, m->line))
			fail_msg("%s: no \"%s\" in\n%s", m->name, m->line, text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(each_damage_is_told, project_make, project_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
