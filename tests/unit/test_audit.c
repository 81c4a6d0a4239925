/* libs: freeal-coordinator-lib */
/* The audit of a project's store: a sound one passes, and each way to break it is told, under
 * the invariant that it breaks. */
#include "coordinator/audit.h"
#include "coordinator/kept.h"
#include "coordinator/tables.h"
#include "llm/key.h"
#include "proto/envelope.pb-c.h"
#include "proto/project.pb-c.h"
#include "proto/stream.pb-c.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLES 4u
#define SECRET "sk-audit-secret-123"

static char dir[64];

static ProtobufCBinaryData bytes(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

static void put(struct store_txn *t, enum table table, struct store_key key,
		const ProtobufCMessage *m)
{
	assert_int_equal(table_put(t, table, key, m), ERR_OK);
}

static void project_put(struct store_txn *t)
{
	Freeal__Label labels[2] = {FREEAL__LABEL__INIT, FREEAL__LABEL__INIT};
	Freeal__Label *label_list[2] = {&labels[0], &labels[1]};
	Freeal__Llm llm = FREEAL__LLM__INIT;
	Freeal__Endpoint endpoint = FREEAL__ENDPOINT__INIT, *endpoints[] = {&endpoint};
	uint32_t first = 0;
	Freeal__RoundConfig round = FREEAL__ROUND_CONFIG__INIT;
	Freeal__RoundConfig *rounds[1] = {&round};
	Freeal__Model model = FREEAL__MODEL__INIT;
	Freeal__Project p = FREEAL__PROJECT__INIT;
	labels[0].name = "good";
	labels[1].name = "bad";
	endpoint.key_env = "FREEAL_TEST_AUDIT_KEY";
	llm.endpoints = &first;
	llm.n_endpoints = 1;
	p.endpoints = endpoints;
	p.n_endpoints = 1;
	round.llm = &llm;
	round.shots = 2;
	model.type = "ngram";
	model.folds = 2;
	p.labels = label_list;
	p.n_labels = 2;
	p.rounds = rounds;
	p.n_rounds = 1;
	p.model = &model;
	assert_int_equal(meta_put(t, "project", &p.base), ERR_OK);
}

static void sample_put(struct store_txn *t, uint64_t sample_no, const char *id, const char *text)
{
	Freeal__SampleRecord s = FREEAL__SAMPLE_RECORD__INIT;
	struct store_key key = store_key_u64(sample_no);
	s.id = bytes(id);
	s.text = bytes(text);
	put(t, TABLE_SAMPLES, key, &s.base);
	assert_int_equal(store_put(t, TABLE_IDS, id, strlen(id), key.bytes, key.size), ERR_OK);
}

/* class_id -1: an unusable answer. */
static void event_put(struct store_txn *t, uint64_t sample_no, uint32_t round, int class_id)
{
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	Freeal__ClassPayload payload = FREEAL__CLASS_PAYLOAD__INIT;
	Freeal__Annotation a = FREEAL__ANNOTATION__INIT;
	Freeal__LabelEvent e = FREEAL__LABEL_EVENT__INIT;
	usage.requests = 1;
	usage.tokens_in = 10;
	usage.tokens_out = 1;
	a.usage = &usage;
	a.reason = class_id < 0 ? "not_a_label" : "";
	if (class_id >= 0) {
		payload.class_id = (uint32_t)class_id;
		a.payload_case = FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL;
		a.class_label = &payload;
	}
	e.source = FREEAL__LABEL_SOURCE__LLM;
	e.round = round;
	e.attempt = 1;
	e.annotation = &a;
	put(t, TABLE_EVENTS, store_key_u64_u32_u32(sample_no, round, 0), &e.base);
}

static void change_put(struct store_txn *t, uint64_t change_no, uint64_t sample_no, int class_id)
{
	Freeal__ChangeRecord c = FREEAL__CHANGE_RECORD__INIT;
	c.sample_no = sample_no;
	c.class_id = class_id;
	put(t, TABLE_CHANGES, store_key_u64(change_no), &c.base);
}

static void result_put(struct store_txn *t, Freeal__WorkKind kind, uint64_t item)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	Freeal__GenerateResult generate = FREEAL__GENERATE_RESULT__INIT;
	Freeal__Result r = FREEAL__RESULT__INIT;
	name.kind = kind;
	name.item = item;
	r.name = &name;
	if (kind == FREEAL__WORK_KIND__GENERATE) {
		usage.requests = 1;
		usage.tokens_in = 10;
		usage.tokens_out = 1;
		generate.usage = &usage;
		r.generate = &generate;
		r.body_case = FREEAL__RESULT__BODY_GENERATE;
	}
	put(t, TABLE_RESULTS, table_result_key(&name), &r.base);
}

static void pool_put(struct store_txn *t, uint64_t version, const char *text, bool generated)
{
	Freeal__Demonstration d = FREEAL__DEMONSTRATION__INIT;
	Freeal__Demonstration *list[1] = {&d};
	Freeal__Pool p = FREEAL__POOL__INIT;
	d.text = bytes(text);
	d.generated = generated;
	p.version = version;
	p.demonstrations = list;
	p.n_demonstrations = 1;
	put(t, TABLE_POOLS, store_key_u64(version), &p.base);
}

static void selection_put(struct store_txn *t, uint64_t sample_no, float confidence)
{
	Freeal__SelectionRow row = FREEAL__SELECTION_ROW__INIT;
	row.sample_no = sample_no;
	row.confidence = confidence;
	put(t, TABLE_SELECTION, store_key_u64(sample_no), &row.base);
}

/* Round 0 with `asked` samples; the phase `again` is in it twice where it is not NONE. */
static void round_put(struct store_txn *t, uint64_t asked, Freeal__Phase again)
{
	static const Freeal__Phase phases[] = {
	    FREEAL__PHASE__GENERATE_PHASE,    FREEAL__PHASE__EMBED_PHASE,
	    FREEAL__PHASE__RETRIEVE_PHASE,    FREEAL__PHASE__ANNOTATE_PHASE,
	    FREEAL__PHASE__TRAIN_PHASE,	      FREEAL__PHASE__SELECT_PHASE,
	    FREEAL__PHASE__FINAL_TRAIN_PHASE, FREEAL__PHASE__PREDICT_PHASE,
	};
	Freeal__PhaseTime times[9];
	Freeal__PhaseTime *list[9];
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	Freeal__RoundRecord r = FREEAL__ROUND_RECORD__INIT;
	for (size_t i = 0; i < 9; i++) {
		freeal__phase_time__init(&times[i]);
		times[i].phase = i < 8 ? phases[i] : again;
		list[i] = &times[i];
	}
	usage.requests = 6;
	usage.tokens_in = 60;
	usage.tokens_out = 6;
	r.asked = asked;
	r.answered = 3;
	r.unusable = asked - 3;
	r.usage = &usage;
	r.model = "m";
	r.times = list;
	r.n_times = again ? 9 : 8;
	put(t, TABLE_ROUNDS, store_key_u64(0), &r.base);
}

static void state_put(struct store_txn *t, uint64_t sample_count, uint64_t change_count,
		      uint64_t pool_version)
{
	Freeal__StateRecord s = FREEAL__STATE_RECORD__INIT;
	s.phase = FREEAL__PHASE__DONE_PHASE;
	s.newcomers_from = SAMPLES;
	s.sample_count = sample_count;
	s.change_count = change_count;
	s.pool_version = pool_version;
	s.started = true;
	s.stop_reason = "all rounds are done";
	assert_int_equal(meta_put(t, "state", &s.base), ERR_OK);
}

static void counters_put(struct store_txn *t, uint64_t requests)
{
	Freeal__CounterRecord n = FREEAL__COUNTER_RECORD__INIT;
	Freeal__RoundRecord open = FREEAL__ROUND_RECORD__INIT;
	n.requests = requests;
	n.tokens_in = 60;
	n.tokens_out = 6;
	assert_int_equal(meta_put(t, "counters", &n.base), ERR_OK);
	assert_int_equal(meta_put(t, "open", &open.base), ERR_OK);
}

static void model_write(const char *labels)
{
	char path[128];
	snprintf(path, sizeof path, "%s/model", dir);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/model/model.json", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "{\"labels\":%s}\n", labels);
	fclose(f);
}

static struct key kept_key(uint32_t number)
{
	return key_make("/q", number, "", 0);
}

static void kept_replies_put(struct store_txn *t)
{
	Freeal__KeptRecord totals;
	assert_int_equal(kept_load(t, 1u << 20, &totals), ERR_OK);
	for (uint32_t i = 0; i < 2; i++) {
		struct key key = kept_key(i);
		Freeal__KeptReply reply = FREEAL__KEPT_REPLY__INIT;
		reply.key = (ProtobufCBinaryData){sizeof key.bytes, key.bytes};
		reply.body = bytes("{}");
		assert_int_equal(kept_put(t, &totals, &reply, true), ERR_OK);
	}
}

/* A finished project: four samples, one of them set aside. */
static void sound_put(struct store_txn *t)
{
	static const int classes[SAMPLES] = {0, 1, -1, 0};
	static const Freeal__WorkKind kinds[] = {
	    FREEAL__WORK_KIND__EMBED, FREEAL__WORK_KIND__RETRIEVE, FREEAL__WORK_KIND__SELECT,
	    FREEAL__WORK_KIND__PREDICT};
	project_put(t);
	state_put(t, SAMPLES, 3, 2);
	counters_put(t, 6);
	for (unsigned i = 0; i < SAMPLES; i++) {
		char id[16], text[32];
		snprintf(id, sizeof id, "id%u", i);
		snprintf(text, sizeof text, "the text of number %u", i);
		sample_put(t, i, id, text);
		event_put(t, i, 0, classes[i]);
		selection_put(t, i, 0.5f);
	}
	change_put(t, 0, 0, 0);
	change_put(t, 1, 1, 1);
	change_put(t, 2, 3, 0);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		result_put(t, kinds[i], 0);
	for (uint64_t i = 0; i < 3; i++)
		result_put(t, FREEAL__WORK_KIND__TRAIN, i);
	result_put(t, FREEAL__WORK_KIND__GENERATE, 0);
	result_put(t, FREEAL__WORK_KIND__GENERATE, 1);
	pool_put(t, 1, "written by the LLM", true);
	pool_put(t, 2, "the text of number 0", false);
	round_put(t, SAMPLES, FREEAL__PHASE__PHASE_NONE);
	kept_replies_put(t);
}

static void change_store(void (*change)(struct store_txn *))
{
	char path[128];
	struct store *s;
	struct store_txn *t;
	struct err_msg msg;
	snprintf(path, sizeof path, "%s/coordinator", dir);
	assert_int_equal(tables_open(path, &s, &msg), ERR_OK);
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	change(t);
	assert_int_equal(store_commit(t), ERR_OK);
	store_close(s);
}

static int project_make(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/freeal-audit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	model_write("[\"good\",\"bad\"]");
	change_store(sound_put);
	return 0;
}

static int project_remove(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* The audit's lines; free them. */
static char *audit(const char *acknowledged, enum err wanted, bool wanted_good)
{
	char *text = NULL;
	size_t size;
	bool good = false;
	struct err_msg msg = {{0}};
	FILE *out = open_memstream(&text, &size);
	enum err e = coordinator_audit(dir, acknowledged, out, &good, &msg);
	fclose(out);
	if (e != wanted || good != wanted_good)
		fail_msg("%s\n%s", msg.text, text);
	return text;
}

static void assert_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in\n%s", line, text);
}

static void a_sound_store_passes(void **state)
{
	(void)state;
	char *text = audit(NULL, ERR_OK, true);
	assert_line(text, "I1 ok (4 samples: 3 answered, 1 set aside, 0 not asked)");
	assert_line(text, "I3 ok (3 label changes, 4 annotations)");
	assert_line(text, "2 kept replies");
	assert_null(strstr(text, "FAILED"));
	free(text);
}

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
	put(t, TABLE_EVENTS, store_key_u64_u32_u32(1, 0, 0), &e.base);
}

static void event_of_slot(struct store_txn *t)
{
	Freeal__LabelEvent e = FREEAL__LABEL_EVENT__INIT;
	e.source = FREEAL__LABEL_SOURCE__LLM;
	e.slot = 1;
	put(t, TABLE_EVENTS, store_key_u64_u32_u32(1, 0, 1), &e.base);
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
	put(t, TABLE_ROUNDS, store_key_u64(1), &r.base); /* fine: it went back from there */
	r.round = 2;
	r.asked = 1;
	put(t, TABLE_ROUNDS, store_key_u64(2), &r.base);
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
	a.answer = bytes("Bearer " SECRET);
	e.annotation = &a;
	e.source = FREEAL__LABEL_SOURCE__LLM;
	put(t, TABLE_EVENTS, store_key_u64_u32_u32(1, 0, 0), &e.base);
}

static void kept_secret(struct store_txn *t)
{
	Freeal__KeptRecord totals;
	struct key key = kept_key(3);
	Freeal__KeptReply reply = FREEAL__KEPT_REPLY__INIT;
	assert_int_equal(kept_load(t, 0, &totals), ERR_OK);
	reply.key = (ProtobufCBinaryData){sizeof key.bytes, key.bytes};
	reply.body = bytes("{\"echo\":\"" SECRET "\"}");
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
	assert_int_equal(setenv("FREEAL_TEST_AUDIT_KEY", SECRET, 1), 0);
	for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
		const struct mutation *m = &mutations[i];
		if (i > 0)
			assert_int_equal(project_remove(state) || project_make(state), 0);
		change_store(m->change);
		char *text = audit(NULL, ERR_OK, false);
		if (!strstr(text, m->line))
			fail_msg("%s: no \"%s\" in\n%s", m->name, m->line, text);
		free(text);
	}
}

static void data_path(char *path, size_t size)
{
	snprintf(path, size, "%s/coordinator/data.mdb", dir);
}

/* B8: a flipped bit is found with its table and key. */
static void a_flipped_bit_is_told_with_its_place(void **state)
{
	(void)state;
	char path[128], *data, *at;
	data_path(path, sizeof path);
	FILE *f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size_t size = (size_t)ftell(f);
	rewind(f);
	data = malloc(size);
	assert_int_equal(fread(data, 1, size, f), size);
	/* In a value, wherever the pages that are in use have it. */
	for (at = data; (at = memmem(at, size - (size_t)(at - data), "text of number 2", 16));) {
		*at++ ^= 1;
	}
	rewind(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
	free(data);
	char *text = audit(NULL, ERR_OK, false);
	assert_line(text, "I2 FAILED: the record of table samples, key 2,");
	free(text);
}

static void a_cut_file_is_refused(void **state)
{
	(void)state;
	char path[128];
	struct stat file;
	struct store *s;
	struct err_msg msg;
	data_path(path, sizeof path);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(truncate(path, file.st_size - 2 * 4096), 0);
	free(audit(NULL, ERR_CORRUPT, false));
	snprintf(path, sizeof path, "%s/coordinator", dir);
	assert_int_equal(tables_open(path, &s, &msg), ERR_CORRUPT);
	assert_non_null(strstr(msg.text, "data.mdb is cut off"));
}

static void a_running_service_is_left_alone(void **state)
{
	(void)state;
	char path[128];
	struct store *s;
	struct err_msg msg;
	snprintf(path, sizeof path, "%s/coordinator", dir);
	assert_int_equal(tables_open(path, &s, &msg), ERR_OK);
	free(audit(NULL, ERR_BUSY, false));
	store_close(s);
}

static void acknowledge(const char *lines, enum err wanted, bool good, const char *line)
{
	char path[128];
	snprintf(path, sizeof path, "%s/acknowledged", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(lines, f);
	fclose(f);
	char *text = audit(path, wanted, good);
	assert_line(text, line);
	free(text);
}

/* I2 against what somebody was told. */
static void acknowledged_lines_must_be_there(void **state)
{
	(void)state;
	acknowledge("{\"id\":\"id1\",\"text\":\"the text of number 1\"}\n{\"id\":\"id2\"}\n",
		    ERR_OK, true, "2 acknowledged");
	acknowledge("{\"id\":\"id1\"}\n{\"id\":\"id9\"}\n", ERR_OK, false,
		    "I2 FAILED: the acknowledged sample \"id9\" is not there");
	acknowledge("{\"id\":\"id1\",\"text\":\"other\"}\n", ERR_OK, false,
		    "I2 FAILED: the acknowledged sample \"id1\" has another text");
	acknowledge("{\"id\":\"id1\",\"source\":\"llm\",\"llm_label\":\"bad\",\"round\":0}\n",
		    ERR_OK, true, "1 acknowledged");
	acknowledge("{\"id\":\"id1\",\"source\":\"llm\",\"llm_label\":\"good\",\"round\":0}\n",
		    ERR_OK, false,
		    "I2 FAILED: id \"id1\": the answer of round 0 was good and is bad");
	acknowledge("{\"id\":\"id1\",\"source\":\"llm\",\"llm_label\":\"bad\",\"round\":1}\n",
		    ERR_OK, false,
		    "I2 FAILED: id \"id1\": its acknowledged answer of round 1 is lost");
	acknowledge("nonsense\n", ERR_INVALID, false, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_sound_store_passes, project_make, project_remove),
	    cmocka_unit_test_setup_teardown(each_damage_is_told, project_make, project_remove),
	    cmocka_unit_test_setup_teardown(a_flipped_bit_is_told_with_its_place, project_make,
					    project_remove),
	    cmocka_unit_test_setup_teardown(a_cut_file_is_refused, project_make, project_remove),
	    cmocka_unit_test_setup_teardown(a_running_service_is_left_alone, project_make,
					    project_remove),
	    cmocka_unit_test_setup_teardown(acknowledged_lines_must_be_there, project_make,
					    project_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
