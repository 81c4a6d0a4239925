/* I1, conservation, and I3, single effect. */
#include "coordinator/audit_impl.h"
#include "coordinator/label.h"

#include <stdlib.h>
#include <string.h>

static void change_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__ChangeRecord *change = message;
	struct audit *a = &r->audit;
	if (change->sample_no >= r->sample_count) {
		audit_fail(a, 3, "change %llu is of sample %llu, which is not there",
			   (unsigned long long)store_key_read_u64(key, 0),
			   (unsigned long long)change->sample_no);
		return;
	}
	struct audit_sample *s = &r->samples[change->sample_no];
	if (change->n_candidates > 0) {
		s->changed_to = LABEL_SET;
		s->changes++;
		return;
	}
	if (change->class_id < 0 || change->class_id >= (int32_t)r->project->n_labels)
		audit_fail(a, 3, "change %llu has class %d, the project %zu labels",
			   (unsigned long long)store_key_read_u64(key, 0), change->class_id,
			   r->project->n_labels);
	if (s->changed_to == change->class_id)
		audit_fail(a, 3, "change %llu gives sample %llu the label that it has",
			   (unsigned long long)store_key_read_u64(key, 0),
			   (unsigned long long)change->sample_no);
	s->changed_to = change->class_id;
	s->changes++;
}

/* Numbers 0 .. change_count-1, without a gap. */
static enum err changes_check(struct audit_run *r)
{
	uint64_t count, last = 0;
	struct store_cursor *cursor;
	struct store_value key, value;
	enum err e = store_count(r->txn, TABLE_CHANGES, &count);
	if (!e)
		e = audit_each(r, TABLE_CHANGES, &freeal__change_record__descriptor, 3,
			       change_check);
	if (!e)
		e = store_cursor_open(r->txn, TABLE_CHANGES, &cursor);
	if (e)
		return e;
	e = store_cursor_last(cursor, &key, &value);
	if (!e)
		last = store_key_read_u64(&key, 0) + 1;
	store_cursor_close(cursor);
	if (count != r->state->change_count || last != count)
		audit_fail(&r->audit, 3, "%llu changes up to number %llu; the state says %llu",
			   (unsigned long long)count, (unsigned long long)last,
			   (unsigned long long)r->state->change_count);
	audit_note(&r->audit, 3, "%llu label changes", (unsigned long long)count);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void event_count(struct audit_run *r, struct audit_sample *s,
			const Freeal__LabelEvent *event)
{
	struct audit_round *round = &r->rounds[event->round];
	int32_t class_id = label_class(event->annotation);
	s->asked = true;
	round->asked++;
	round->answered += class_id != LABEL_NONE;
	round->unusable += class_id == LABEL_NONE;
	if (event->annotation)
		audit_usage_add(&r->used, event->annotation->usage);
	if (class_id == LABEL_NONE)
		return;
	bool turned = class_id != s->class_id || class_id == LABEL_SET;
	s->turns += turned;
	round->changed += s->class_id != LABEL_NONE && turned;
	s->class_id = class_id;
}

/* Events come in order of sample, round and slot. */
static void event_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__LabelEvent *event = message;
	struct audit *a = &r->audit;
	if (key->size != 16) {
		audit_fail(a, 3, "an event's key has %zu bytes", key->size);
		return;
	}
	unsigned long long sample_no = store_key_read_u64(key, 0);
	uint32_t round = store_key_read_u32(key, 8), slot = store_key_read_u32(key, 12);
	if (event->round != round || event->slot != slot)
		audit_fail(a, 3,
			   "the event of sample %llu, round %u, slot %u says round %u, slot %u",
			   sample_no, round, slot, event->round, event->slot);
	else if (event->source != FREEAL__LABEL_SOURCE__LLM || slot != 0)
		audit_fail(a, 3, "sample %llu has an event of source %d, slot %u in round %u",
			   sample_no, (int)event->source, slot, round);
	else if (sample_no >= r->sample_count)
		audit_fail(a, 3, "there is an event of sample %llu, which is not there", sample_no);
	else if (sample_no >= r->state->sample_count)
		audit_fail(a, 4, "sample %llu was asked in round %u of %llu samples", sample_no,
			   round, (unsigned long long)r->state->sample_count);
	else if (round > r->state->round)
		audit_fail(a, 4, "sample %llu was asked in round %u, before that began", sample_no,
			   round);
	else if (label_class_end(event->annotation) > r->project->n_labels)
		audit_fail(a, 3, "sample %llu was given class %u in round %u", sample_no,
			   label_class_end(event->annotation) - 1, round);
	else
		event_count(r, &r->samples[sample_no], event);
}

/* The training label of each sample is what its events say, by as many changes. */
static void changes_compare(struct audit_run *r)
{
	uint64_t events = 0;
	for (uint64_t i = 0; i < r->sample_count; i++) {
		const struct audit_sample *s = &r->samples[i];
		if (s->changed_to != s->class_id)
			audit_fail(&r->audit, 3,
				   "sample %llu has class %d by its events, %d by the changes",
				   (unsigned long long)i, s->class_id, s->changed_to);
		else if (s->changes != s->turns)
			audit_fail(&r->audit, 3,
				   "sample %llu has %u label changes, its events make %u",
				   (unsigned long long)i, s->changes, s->turns);
	}
	for (uint32_t i = 0; i <= r->state->round; i++)
		events += r->rounds[i].asked;
	audit_note(&r->audit, 3, "%llu annotations", (unsigned long long)events);
}

/* The sample's entry in the ids is the number that it has. */
static void id_check(struct audit_run *r, uint64_t sample_no, const ProtobufCBinaryData *id)
{
	struct store_value number;
	enum err e = store_get(r->txn, TABLE_IDS, id->data, id->len, &number);
	if (e)
		audit_fail(&r->audit, 1, "sample %llu, id \"%.*s\", is not among the ids",
			   (unsigned long long)sample_no, (int)id->len, (const char *)id->data);
	else if (number.size != 8 || store_key_read_u64(&number, 0) != sample_no)
		audit_fail(&r->audit, 1, "sample %llu: its id \"%.*s\" names another sample",
			   (unsigned long long)sample_no, (int)id->len, (const char *)id->data);
}

static void sample_check(struct audit_run *r, const struct store_value *key, const void *message)
{
	const Freeal__SampleRecord *sample = message;
	uint64_t sample_no = key->size == 8 ? store_key_read_u64(key, 0) : UINT64_MAX;
	/* As many as there are, and all below: none is missing in between. */
	if (sample_no >= r->sample_count) {
		audit_fail(&r->audit, 1, "sample %llu is there, of %llu; one before it is missing",
			   (unsigned long long)sample_no, (unsigned long long)r->sample_count);
		return;
	}
	if (sample->id.len == 0 || sample->text.len == 0)
		audit_fail(&r->audit, 1, "sample %llu has no %s", (unsigned long long)sample_no,
			   sample->id.len ? "text" : "id");
	else
		id_check(r, sample_no, &sample->id);
}

/* Counts what became of the samples, and that the finished ones have a label. */
static enum err labels_check(struct audit_run *r)
{
	const Freeal__StateRecord *state = r->state;
	uint64_t answered = 0, set_aside = 0, not_asked = 0;
	bool over = audit_phase_over(r, FREEAL__PHASE__ANNOTATE_PHASE);
	bool done = state->phase == FREEAL__PHASE__DONE_PHASE;
	for (uint64_t i = 0; i < r->sample_count; i++) {
		const struct audit_sample *s = &r->samples[i];
		answered += s->class_id != LABEL_NONE;
		set_aside += s->asked && s->class_id == LABEL_NONE;
		not_asked += !s->asked;
		if (over && !s->asked && i < state->sample_count)
			audit_fail(&r->audit, 1,
				   "sample %llu was not asked, and round %u asks no more",
				   (unsigned long long)i, state->round);
		if (!done || i >= state->sample_count || s->class_id != LABEL_NONE)
			continue;
		struct store_key key = store_key_u64(i);
		struct store_value row;
		enum err e = store_get(r->txn, TABLE_SELECTION, key.bytes, key.size, &row);
		if (e == ERR_NOT_FOUND)
			audit_fail(&r->audit, 1, "sample %llu has no label, and the run is done",
				   (unsigned long long)i);
		else if (e)
			return e;
	}
	audit_note(&r->audit, 1, "%llu samples: %llu answered, %llu set aside, %llu not asked",
		   (unsigned long long)r->sample_count, (unsigned long long)answered,
		   (unsigned long long)set_aside, (unsigned long long)not_asked);
	return ERR_OK;
}

static enum err counts_check(struct audit_run *r)
{
	const Freeal__StateRecord *state = r->state;
	uint64_t ids;
	enum err e = store_count(r->txn, TABLE_IDS, &ids);
	if (e)
		return e;
	if (ids != r->sample_count)
		audit_fail(&r->audit, 1, "there are %llu samples and %llu ids",
			   (unsigned long long)r->sample_count, (unsigned long long)ids);
	if (state->sample_count > r->sample_count)
		audit_fail(&r->audit, 1, "the state knows %llu samples, %llu are there",
			   (unsigned long long)state->sample_count,
			   (unsigned long long)r->sample_count);
	return ERR_OK;
}

enum err audit_samples(struct audit_run *r)
{
	r->samples = calloc(r->sample_count + 1, sizeof *r->samples);
	r->rounds = calloc((size_t)r->state->round + 1, sizeof *r->rounds);
	if (!r->samples || !r->rounds)
		return ERR_NO_MEMORY;
	for (uint64_t i = 0; i < r->sample_count; i++)
		r->samples[i].changed_to = r->samples[i].class_id = -1;
	enum err e = counts_check(r);
	if (!e)
		e = changes_check(r);
	if (!e)
		e = audit_each(r, TABLE_EVENTS, &freeal__label_event__descriptor, 3, event_check);
	if (e)
		return e;
	changes_compare(r);
	e = audit_each(r, TABLE_SAMPLES, &freeal__sample_record__descriptor, 1, sample_check);
	return e ? e : labels_check(r);
}
