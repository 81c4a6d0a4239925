#include "audit_project.h"

#include "coordinator/audit.h"
#include "coordinator/kept.h"
#include "proto/project.pb-c.h"
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_ENV "FREEAL_TEST_AUDIT_KEY"

char project_dir[64];

ProtobufCBinaryData text_bytes(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

void record_put(struct store_txn *t, enum table table, struct store_key key,
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
	endpoint.key_env = KEY_ENV;
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
	s.id = text_bytes(id);
	s.text = text_bytes(text);
	record_put(t, TABLE_SAMPLES, key, &s.base);
	assert_int_equal(store_put(t, TABLE_IDS, id, strlen(id), key.bytes, key.size), ERR_OK);
}

void event_put(struct store_txn *t, uint64_t sample_no, uint32_t round, int class_id)
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
	record_put(t, TABLE_EVENTS, store_key_u64_u32_u32(sample_no, round, 0), &e.base);
}

void change_put(struct store_txn *t, uint64_t change_no, uint64_t sample_no, int class_id)
{
	Freeal__ChangeRecord c = FREEAL__CHANGE_RECORD__INIT;
	c.sample_no = sample_no;
	c.class_id = class_id;
	record_put(t, TABLE_CHANGES, store_key_u64(change_no), &c.base);
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
	record_put(t, TABLE_RESULTS, table_result_key(&name), &r.base);
}

void pool_put(struct store_txn *t, uint64_t version, const char *text, bool generated)
{
	Freeal__Demonstration d = FREEAL__DEMONSTRATION__INIT;
	Freeal__Demonstration *list[1] = {&d};
	Freeal__Pool p = FREEAL__POOL__INIT;
	d.text = text_bytes(text);
	d.generated = generated;
	p.version = version;
	p.demonstrations = list;
	p.n_demonstrations = 1;
	record_put(t, TABLE_POOLS, store_key_u64(version), &p.base);
}

void selection_put(struct store_txn *t, uint64_t sample_no, float confidence)
{
	Freeal__SelectionRow row = FREEAL__SELECTION_ROW__INIT;
	row.sample_no = sample_no;
	row.confidence = confidence;
	record_put(t, TABLE_SELECTION, store_key_u64(sample_no), &row.base);
}

void round_put(struct store_txn *t, uint64_t asked, Freeal__Phase again)
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
	record_put(t, TABLE_ROUNDS, store_key_u64(0), &r.base);
}

void state_put(struct store_txn *t, uint64_t sample_count, uint64_t change_count,
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

void counters_put(struct store_txn *t, uint64_t requests)
{
	Freeal__CounterRecord n = FREEAL__COUNTER_RECORD__INIT;
	Freeal__RoundRecord open = FREEAL__ROUND_RECORD__INIT;
	n.requests = requests;
	n.tokens_in = 60;
	n.tokens_out = 6;
	assert_int_equal(meta_put(t, "counters", &n.base), ERR_OK);
	assert_int_equal(meta_put(t, "open", &open.base), ERR_OK);
}

void model_write(const char *labels)
{
	char path[128];
	snprintf(path, sizeof path, "%s/model", project_dir);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/model/model.json", project_dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "{\"labels\":%s}\n", labels);
	fclose(f);
}

struct key kept_key(uint32_t number)
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
		reply.body = text_bytes("{}");
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

void project_change(void (*change)(struct store_txn *))
{
	char path[128];
	struct store *s;
	struct store_txn *t;
	struct err_msg msg;
	snprintf(path, sizeof path, "%s/coordinator", project_dir);
	assert_int_equal(tables_open(path, &s, &msg), ERR_OK);
	assert_int_equal(store_begin(s, true, &t), ERR_OK);
	change(t);
	assert_int_equal(store_commit(t), ERR_OK);
	store_close(s);
}

int project_make(void **state)
{
	(void)state;
	strcpy(project_dir, "/tmp/freeal-audit-XXXXXX");
	if (setenv(KEY_ENV, SECRET, 1) || !mkdtemp(project_dir))
		return -1;
	model_write("[\"good\",\"bad\"]");
	project_change(sound_put);
	return 0;
}

int project_remove(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", project_dir);
	return system(command);
}

char *project_audit(const char *acknowledged, enum err wanted, bool wanted_good)
{
	char *text = NULL;
	size_t size;
	bool good = false;
	struct err_msg msg = {{0}};
	FILE *out = open_memstream(&text, &size);
	enum err e = coordinator_audit(project_dir, acknowledged, out, &good, &msg);
	fclose(out);
	if (e != wanted || good != wanted_good)
		fail_msg("%s\n%s", msg.text, text);
	return text;
}
