/* I4, rounds, and I7, no silent loss. */
#include "coordinator/audit_impl.h"
#include "coordinator/round.h"
#include "wire/frame.h"

#include <math.h>
#include <string.h>

static enum err result_need(struct audit_run *r, Freeal__WorkKind kind, uint32_t round,
			    uint64_t item)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	struct store_value value;
	name.kind = kind;
	name.round = round;
	name.item = item;
	struct store_key key = table_result_key(&name);
	enum err e = store_get(r->txn, TABLE_RESULTS, key.bytes, key.size, &value);
	if (e != ERR_NOT_FOUND)
		return e;
	audit_fail(
	    &r->audit, 4, "round %u ended a phase without the result of %s %llu", round,
	    protobuf_c_enum_descriptor_get_value(&freeal__work_kind__descriptor, (int)kind)->name,
	    (unsigned long long)item);
	return ERR_OK;
}

/* A phase that has ended left its results. */
static enum err phase_results_need(struct audit_run *r, uint32_t round, Freeal__Phase phase)
{
	uint32_t folds = r->project->model->folds;
	enum err e = ERR_OK;
	switch (phase) {
	case FREEAL__PHASE__GENERATE_PHASE:
		return result_need(r, FREEAL__WORK_KIND__GENERATE, round, 0);
	case FREEAL__PHASE__RETRIEVE_PHASE:
		return result_need(r, FREEAL__WORK_KIND__RETRIEVE, round, 0);
	case FREEAL__PHASE__TRAIN_PHASE:
		for (uint32_t i = 0; !e && i < folds; i++)
			e = result_need(r, FREEAL__WORK_KIND__TRAIN, round, i);
		return e;
	case FREEAL__PHASE__SELECT_PHASE:
		return result_need(r, FREEAL__WORK_KIND__SELECT, round, 0);
	case FREEAL__PHASE__FINAL_TRAIN_PHASE:
		return result_need(r, FREEAL__WORK_KIND__TRAIN, round, folds);
	case FREEAL__PHASE__PREDICT_PHASE:
		return result_need(r, FREEAL__WORK_KIND__PREDICT, round, 0);
	default:
		return ERR_OK;
	}
}

/* What the round's record counts is what its events are. */
static void round_compare(struct audit_run *r, uint32_t round, const Freeal__RoundRecord *record)
{
	struct audit_round sum = {record->asked, record->answered, record->unusable,
				  record->changed};
	const struct audit_round *events = &r->rounds[round];
	if (round == r->state->round) {
		sum.asked += r->open->asked;
		sum.answered += r->open->answered;
		sum.unusable += r->open->unusable;
		sum.changed += r->open->changed;
	}
	if (sum.asked != events->asked || sum.answered != events->answered ||
	    sum.unusable != events->unusable || sum.changed != events->changed)
		audit_fail(
		    &r->audit, 7,
		    "round %u counts %llu asked, %llu answered, %llu unusable, %llu changed; "
		    "its events are %llu, %llu, %llu, %llu",
		    round, (unsigned long long)sum.asked, (unsigned long long)sum.answered,
		    (unsigned long long)sum.unusable, (unsigned long long)sum.changed,
		    (unsigned long long)events->asked, (unsigned long long)events->answered,
		    (unsigned long long)events->unusable, (unsigned long long)events->changed);
}

static enum err round_check(struct audit_run *r, const struct store_value *key,
			    const Freeal__RoundRecord *record)
{
	uint64_t round = store_key_read_u64(key, 0);
	enum err e = ERR_OK;
	if (record->round != round) {
		audit_fail(&r->audit, 4, "the record of round %llu says %u",
			   (unsigned long long)round, record->round);
		return ERR_OK;
	}
	for (size_t i = 0; !e && i < record->n_times; i++) {
		Freeal__Phase phase = record->times[i]->phase;
		for (size_t k = 0; k < i; k++)
			if (record->times[k]->phase == phase)
				audit_fail(&r->audit, 4, "round %u ended its phase %s twice",
					   record->round, round_phase_name(phase));
		/* Where the state went back, the later phases' results are gone. */
		if (round < r->state->round || audit_phase_over(r, phase))
			e = phase_results_need(r, record->round, phase);
	}
	round_compare(r, record->round, record);
	return e;
}

/* A round that the state went back from had not asked yet. */
static void later_round_check(struct audit_run *r, const struct store_value *key,
			      const void *message)
{
	const Freeal__RoundRecord *record = message;
	uint64_t round = store_key_read_u64(key, 0);
	if (round > r->state->round && (record->asked > 0 || record->round != round))
		audit_fail(&r->audit, 4, "round %llu asked %llu samples; the state is at %u",
			   (unsigned long long)round, (unsigned long long)record->asked,
			   r->state->round);
}

/* Every round that was asked in has a record, but the one that is open. */
static enum err rounds_check(struct audit_run *r, Freeal__CounterRecord *sum)
{
	enum err e = ERR_OK;
	uint64_t records = 0;
	audit_usage_add(sum, r->open->usage);
	for (uint32_t i = 0; !e && i <= r->state->round; i++) {
		Freeal__RoundRecord *record = NULL;
		struct store_key key = store_key_u64(i);
		struct store_value number = {key.bytes, key.size};
		e = table_get(r->txn, TABLE_ROUNDS, key, &freeal__round_record__descriptor,
			      &record);
		if (!e) {
			records++;
			audit_usage_add(sum, record->usage);
			e = round_check(r, &number, record);
		} else if (e == ERR_NOT_FOUND) {
			const Freeal__RoundRecord none = FREEAL__ROUND_RECORD__INIT;
			round_compare(r, i, &none);
			e = ERR_OK;
		}
		frame_message_free(record);
	}
	if (!e)
		e = audit_each(r, TABLE_ROUNDS, &freeal__round_record__descriptor, 4,
			       later_round_check);
	audit_note(&r->audit, 4, "%llu rounds", (unsigned long long)records);
	return e;
}

static void result_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__Result *result = message;
	char text[128];
	struct store_key named = {.size = 0};
	if (result->name)
		named = table_result_key(result->name);
	if (named.size != key->size || memcmp(named.bytes, key->data, key->size) != 0)
		audit_fail(&r->audit, 4, "the result under %s names another work",
			   audit_key(key, text, sizeof text));
	else if (result->name->round > r->state->round &&
		 result->name->kind != FREEAL__WORK_KIND__EMBED &&
		 result->name->kind != FREEAL__WORK_KIND__RETRIEVE)
		audit_fail(&r->audit, 4, "there is a result of round %u; the state is at %u",
			   result->name->round, r->state->round);
	if (result->body_case == FREEAL__RESULT__BODY_GENERATE)
		audit_usage_add(&r->used, result->generate->usage);
}

static void demonstration_check(struct audit_run *r, uint64_t version, size_t number,
				const Freeal__Demonstration *d)
{
	Freeal__SampleRecord *sample = NULL;
	if (d->class_id >= r->project->n_labels)
		audit_fail(&r->audit, 4, "pool %llu, demonstration %zu has class %u",
			   (unsigned long long)version, number, d->class_id);
	if (d->generated)
		return;
	enum err e = table_get(r->txn, TABLE_SAMPLES, store_key_u64(d->sample_no),
			       &freeal__sample_record__descriptor, &sample);
	if (e || d->sample_no >= r->state->sample_count || sample->text.len != d->text.len ||
	    memcmp(sample->text.data, d->text.data, d->text.len) != 0)
		audit_fail(&r->audit, 4, "pool %llu, demonstration %zu is not sample %llu",
			   (unsigned long long)version, number, (unsigned long long)d->sample_no);
	frame_message_free(sample);
}

static void pool_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__Pool *pool = message;
	uint64_t version = store_key_read_u64(key, 0);
	/* A round that is being done again may have made its pool already. */
	if (pool->version != version ||
	    (version > r->state->pool_version && version > r->state->round + 2))
		audit_fail(&r->audit, 4, "pool %llu says version %llu; the state's newest is %llu",
			   (unsigned long long)version, (unsigned long long)pool->version,
			   (unsigned long long)r->state->pool_version);
	for (size_t i = 0; i < pool->n_demonstrations; i++)
		demonstration_check(r, version, i, pool->demonstrations[i]);
}

static bool probability(float p)
{
	return p >= 0.0f && p <= 1.0f; /* false for what is no number */
}

static void selection_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__SelectionRow *row = message;
	int32_t labels = (int32_t)r->project->n_labels;
	if (row->sample_no != store_key_read_u64(key, 0) ||
	    row->sample_no >= r->state->sample_count || row->slm_label < 0 ||
	    row->slm_label >= labels || row->class_id >= labels ||
	    !probability(row->clean_probability) || !probability(row->confidence) ||
	    !probability(row->slm_probability) || !probability(row->label_probability))
		audit_fail(&r->audit, 4, "the selection row of sample %llu is malformed",
			   (unsigned long long)store_key_read_u64(key, 0));
}

static void nearest_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__NearestRow *row = message;
	uint64_t sample_no = store_key_read_u64(key, 4);
	if (row->sample_no != sample_no || sample_no >= r->state->sample_count ||
	    store_key_read_u32(key, 0) > r->state->round)
		audit_fail(&r->audit, 4, "the demonstrations of sample %llu are malformed",
			   (unsigned long long)sample_no);
}

/* Each sample of a finished SELECT has its row. */
static enum err selection_count_check(struct audit_run *r)
{
	uint64_t rows;
	enum err e = store_count(r->txn, TABLE_SELECTION, &rows);
	if (!e && audit_phase_over(r, FREEAL__PHASE__SELECT_PHASE) &&
	    rows != r->state->sample_count)
		audit_fail(&r->audit, 4, "SELECT of round %u left %llu rows for %llu samples",
			   r->state->round, (unsigned long long)rows,
			   (unsigned long long)r->state->sample_count);
	audit_note(&r->audit, 4, "%llu selection rows", (unsigned long long)rows);
	return e;
}

static void state_check(struct audit_run *r)
{
	const Freeal__StateRecord *s = r->state;
	struct store_value pool;
	struct store_key key = store_key_u64(s->pool_version);
	const struct {
		const char *what;
		uint64_t count;
	} parts[] = {
	    {"old", s->newcomers_from},
	    {"embedded", s->embedded_count},
	    {"in the vocabulary", s->vocabulary_count},
	};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].count > s->sample_count)
			audit_fail(&r->audit, 4, "%llu samples are %s, of %llu",
				   (unsigned long long)parts[i].count, parts[i].what,
				   (unsigned long long)s->sample_count);
	if (s->pool_version > 0 && store_get(r->txn, TABLE_POOLS, key.bytes, key.size, &pool))
		audit_fail(&r->audit, 4, "the newest pool, %llu, is not there",
			   (unsigned long long)s->pool_version);
}

static void usage_compare(struct audit_run *r, const char *what, const Freeal__CounterRecord *sum)
{
	const Freeal__CounterRecord *n = r->counters;
	if (n->requests != sum->requests || n->tokens_in != sum->tokens_in ||
	    n->tokens_out != sum->tokens_out || n->nano_usd != sum->nano_usd)
		audit_fail(&r->audit, 7,
			   "the counters have %llu requests and %llu + %llu tokens, the %s %llu "
			   "and %llu + %llu",
			   (unsigned long long)n->requests, (unsigned long long)n->tokens_in,
			   (unsigned long long)n->tokens_out, what,
			   (unsigned long long)sum->requests, (unsigned long long)sum->tokens_in,
			   (unsigned long long)sum->tokens_out);
}

enum err audit_rounds(struct audit_run *r)
{
	Freeal__CounterRecord sum = FREEAL__COUNTER_RECORD__INIT;
	state_check(r);
	enum err e = rounds_check(r, &sum);
	if (!e)
		e = audit_each(r, TABLE_RESULTS, &freeal__result__descriptor, 4, result_check);
	if (!e)
		e = audit_each(r, TABLE_POOLS, &freeal__pool__descriptor, 4, pool_check);
	if (!e)
		e = audit_each(r, TABLE_SELECTION, &freeal__selection_row__descriptor, 4,
			       selection_check);
	if (!e)
		e = audit_each(r, TABLE_NEAREST, &freeal__nearest_row__descriptor, 4,
			       nearest_check);
	if (!e)
		e = selection_count_check(r);
	if (e)
		return e;
	usage_compare(r, "rounds", &sum);
	r->used.requests += r->counters->late_requests;
	r->used.tokens_in += r->counters->late_tokens_in;
	r->used.tokens_out += r->counters->late_tokens_out;
	r->used.nano_usd += r->counters->late_nano_usd;
	r->used.requests += r->counters->untold_requests;
	r->used.tokens_in += r->counters->untold_tokens_in;
	r->used.tokens_out += r->counters->untold_tokens_out;
	r->used.nano_usd += r->counters->untold_nano_usd;
	usage_compare(r, "events, results and late answers", &r->used);
	audit_note(&r->audit, 7,
		   "%llu requests, %llu of them too late, %llu duplicates, %llu leases expired",
		   (unsigned long long)r->counters->requests,
		   (unsigned long long)r->counters->late_requests,
		   (unsigned long long)r->counters->duplicates,
		   (unsigned long long)r->counters->leases_expired);
	return ERR_OK;
}
