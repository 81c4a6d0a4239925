/*
 * Phases: what is loaded when one begins, and what is made of its results when it ends.
 * The next state comes from round_next; here is its I/O.
 */
#include "base/crash.h"
#include "base/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/label.h"
#include "llm/usage.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often in one round a worker may have lost what it needs. */
#define MENDS_PER_ROUND_MAX 3
/* Of one round's record; there are fewer. */
#define PHASE_COUNT_MAX 16

/* Leaves out what the last SELECT doesn't ask again. */
static enum err agenda_exclude_unasked(struct coordinator *c)
{
	struct again *again;
	enum err e = again_get(coordinator_txn(c), &again);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
	for (uint64_t i = 0; i < c->state.newcomers_from; i++)
		if (!again_has(again, i))
			agenda_exclude(c->agenda, i);
	again_free(again);
	return ERR_OK;
}

/* Settles what this round has an event for, from sample `first` on. */
static enum err agenda_settle_events(struct coordinator *c, uint64_t first)
{
	struct store_key from = store_key_u64(first);
	struct store_cursor *cursor;
	struct store_value key, value;
	enum err e = store_cursor_open(coordinator_txn(c), TABLE_EVENTS, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, from.bytes, from.size, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value)) {
		uint64_t sample_no = store_key_read_u64(&key, 0);
		if (sample_no < c->state.sample_count &&
		    store_key_read_u32(&key, 8) == c->state.round)
			(void)agenda_settle(c->agenda, sample_no);
	}
	store_cursor_close(cursor);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err agenda_load_annotate(struct coordinator *c)
{
	if (!c->state.frozen)
		c->set_aside = 0;
	if (round_asks_again(c->project, &c->state)) {
		enum err e = agenda_exclude_unasked(c);
		return e ? e : agenda_settle_events(c, 0);
	}
	/* All before the newcomers were asked. */
	for (uint64_t i = 0; i < c->state.newcomers_from; i++)
		agenda_exclude(c->agenda, i);
	return agenda_settle_events(c, c->state.newcomers_from);
}

static enum err agenda_load_results(struct coordinator *c, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		Freeal__WorkName name = round_work_name(c->project, &c->state, i);
		struct store_key key = table_result_key(&name);
		struct store_value value;
		enum err e =
		    store_get(coordinator_txn(c), TABLE_RESULTS, key.bytes, key.size, &value);
		if (!e)
			(void)agenda_settle(c->agenda, i);
		else if (e != ERR_NOT_FOUND)
			return e;
	}
	return ERR_OK;
}

/* Samples that brought a second view, or got one, are done; those before were asked. */
static enum err agenda_load_augment(struct coordinator *c)
{
	for (uint64_t i = 0; i < c->state.augmented_count; i++)
		agenda_exclude(c->agenda, i);
	for (uint64_t i = c->state.augmented_count; i < c->state.sample_count; i++) {
		Freeal__SampleRecord *sample;
		enum err e = table_get(coordinator_txn(c), TABLE_SAMPLES, store_key_u64(i),
				       &freeal__sample_record__descriptor, &sample);
		if (e)
			return e;
		if (sample->augmented.len > 0)
			(void)agenda_settle(c->agenda, i);
		frame_message_free(sample);
	}
	return agenda_load_results(c, c->state.sample_count);
}

static void phase_enter(struct coordinator *c)
{
	uint64_t count = round_work_count(c->project, &c->state);
	agenda_free(c->agenda);
	lease_table_clear(c->leases);
	reserve_clear(c->reserve);
	c->budget_out = NULL;
	pull_drop(c);
	c->agenda = agenda_new(count);
	enum err e = c->agenda ? pool_load(c) : ERR_NO_MEMORY;
	if (!e && c->state.phase == FREEAL__PHASE__ANNOTATE_PHASE)
		e = agenda_load_annotate(c);
	else if (!e && c->state.phase == FREEAL__PHASE__AUGMENT_PHASE)
		e = agenda_load_augment(c);
	else if (!e)
		e = agenda_load_results(c, count);
	if (e) {
		coordinator_fatal(c, e, "phase");
		return;
	}
	c->phase_entered = true;
	notes_enter(c);
	c->phase_began_ms = c->now_ms;
	c->phase_settled_at_begin = agenda_settled(c->agenda);
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		struct peer *p = peer_get(c->peers, i);
		if (p)
			p->done = p->total = 0;
	}
	if (count > 0)
		log_info("phase", "phase=%s round=%u work=%llu settled=%llu",
			 round_phase_name(c->state.phase), c->state.round,
			 (unsigned long long)agenda_count(c->agenda),
			 (unsigned long long)agenda_settled(c->agenda));
}

static enum err select_result(struct coordinator *c, uint32_t round, Freeal__Result **ret_result)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__SELECT;
	name.round = round;
	enum err e = table_get(coordinator_txn(c), TABLE_RESULTS, table_result_key(&name),
			       &freeal__result__descriptor, ret_result);
	if (!e && (*ret_result)->body_case != FREEAL__RESULT__BODY_SELECT) {
		frame_message_free(*ret_result);
		*ret_result = NULL;
		e = ERR_CORRUPT;
	}
	return e;
}

/* Adds the time of the phase that ended to the record's, whose list has room for it. */
static void phase_time_add(struct coordinator *c, Freeal__RoundRecord *record,
			   Freeal__PhaseTime *time)
{
	time->phase = c->state.phase;
	time->ms = c->now_ms - c->phase_began_ms;
	for (size_t i = 0; i < record->n_times; i++) {
		if (record->times[i]->phase == time->phase) {
			record->times[i]->ms += time->ms;
			return;
		}
	}
	record->times[record->n_times++] = time;
}

/* What was counted since the last record goes into the round's. */
static enum err round_record_put(struct coordinator *c)
{
	Freeal__PhaseTime time = FREEAL__PHASE_TIME__INIT;
	Freeal__PhaseTime *times[PHASE_COUNT_MAX + 1];
	struct store_key key = store_key_u64(c->state.round);
	Freeal__RoundRecord *stored = NULL;
	enum err e = table_get(coordinator_txn(c), TABLE_ROUNDS, key,
			       &freeal__round_record__descriptor, &stored);
	if (e && e != ERR_NOT_FOUND)
		return e;
	Freeal__RoundRecord record = FREEAL__ROUND_RECORD__INIT;
	if (stored)
		record = *stored;
	if (record.n_times > PHASE_COUNT_MAX)
		record.n_times = PHASE_COUNT_MAX;
	for (size_t i = 0; i < record.n_times; i++)
		times[i] = stored->times[i];
	record.times = times;
	phase_time_add(c, &record, &time);
	record.round = c->state.round;
	record.shots = coordinator_round_config(c)->shots;
	record.model = coordinator_endpoint_first(c)->model;
	record.asked += c->round.asked;
	record.answered += c->round.answered;
	record.unusable += c->round.unusable;
	record.changed += c->round.changed;
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	if (record.usage)
		usage = *record.usage;
	usage_add(&usage, c->round.usage);
	record.usage = &usage;
	e = table_put(coordinator_txn(c), TABLE_ROUNDS, key, &record.base);
	frame_message_free(stored);
	*c->round.usage = (Freeal__Usage)FREEAL__USAGE__INIT;
	c->round.asked = c->round.answered = c->round.unusable = c->round.changed = 0;
	return e;
}

/* What the ended phase leaves behind, and what the state machine must know of it. */
static enum err phase_end(struct coordinator *c, struct round_outcome *outcome,
			  Freeal__Result *kept[2])
{
	enum err e = ERR_OK;
	outcome->sample_count = c->sample_count;
	switch (c->state.phase) {
	case FREEAL__PHASE__INGEST_PHASE:
	case FREEAL__PHASE__DONE_PHASE:
		return ERR_OK;
	case FREEAL__PHASE__GENERATE_PHASE:
		e = pool_generated_put(c, &outcome->pool_count);
		if (!e && outcome->pool_count == 0)
			log_warn("no_demonstrations", "the LLM wrote none that can be used; round "
						      "0 goes on without any");
		break;
	case FREEAL__PHASE__SELECT_PHASE:
		e = select_result(c, c->state.round, &kept[0]);
		if (!e) {
			outcome->pool_count = kept[0]->select->n_pool;
			e = pool_selected_put(c, kept[0]->select);
		}
		break;
	case FREEAL__PHASE__DECIDE_PHASE:
		e = select_result(c, c->state.round, &kept[0]);
		if (!e)
			outcome->select = kept[0]->select;
		/* A catch-up after an early end follows a round that was never run. */
		if (!e && c->state.round > 0)
			e = select_result(c, c->state.round - 1, &kept[1]);
		e = e == ERR_NOT_FOUND && kept[0] ? ERR_OK : e;
		if (!e && kept[1])
			outcome->select_before = kept[1]->select;
		return e;
	default:
		break;
	}
	return e ? e : round_record_put(c);
}

/* The state goes to the store; also as the one that round_mend goes back to. */
static enum err state_move(struct coordinator *c, Freeal__StateRecord *next)
{
	if (next->stop_reason && next->stop_reason != c->stop_reason) {
		(void)snprintf(c->stop_reason, sizeof c->stop_reason, "%s", next->stop_reason);
		next->stop_reason = c->stop_reason;
	}
	enum err e = meta_put(coordinator_txn(c), "state", &next->base);
	if (!e && next->phase == FREEAL__PHASE__TRAIN_PHASE)
		e = meta_put(coordinator_txn(c), "train", &next->base);
	if (e)
		return e;
	if (next->frozen && !c->state.frozen)
		c->mend_count = 0;
	c->state = *next;
	c->phase_entered = false;
	c->status_due_ms = 0;
	crash_point("phase_end");
	return ERR_OK;
}

void phase_advance(struct coordinator *c)
{
	while (!c->fatal && !c->failed[0]) {
		if (!c->phase_entered)
			phase_enter(c);
		if (c->fatal || c->pending.result ||
		    agenda_settled(c->agenda) < agenda_count(c->agenda))
			return;
		struct round_outcome outcome = {0};
		Freeal__Result *kept[2] = {NULL, NULL};
		enum err e = phase_end(c, &outcome, kept);
		Freeal__StateRecord next = c->state;
		if (!e)
			next = round_next(c->project, &c->state, &outcome);
		bool moved = next.phase != c->state.phase || next.round != c->state.round;
		if (!e && moved)
			e = state_move(c, &next);
		frame_message_free(kept[0]);
		frame_message_free(kept[1]);
		if (e) {
			coordinator_fatal(c, e, "end of phase");
			return;
		}
		if (!moved)
			return;
		if (c->state.phase == FREEAL__PHASE__DONE_PHASE)
			log_info("done", "samples=%llu requests=%llu",
				 (unsigned long long)c->state.sample_count,
				 (unsigned long long)c->counters.requests);
	}
}

/* Forgets the results of a kind from a round on. */
static enum err results_delete(struct coordinator *c, Freeal__WorkKind kind, uint32_t round)
{
	unsigned char from[1] = {(unsigned char)kind};
	struct store_key found[64];
	size_t count = 0;
	do {
		struct store_cursor *cursor;
		struct store_value key, value;
		enum err e = store_cursor_open(coordinator_txn(c), TABLE_RESULTS, &cursor);
		if (e)
			return e;
		count = 0;
		for (e = store_cursor_seek(cursor, from, sizeof from, &key, &value);
		     !e && count < sizeof found / sizeof *found &&
		     ((const unsigned char *)key.data)[0] == kind;
		     e = store_cursor_next(cursor, &key, &value)) {
			if (table_result_round(&key) < round)
				continue;
			found[count].size = key.size;
			memcpy(found[count++].bytes, key.data, key.size);
		}
		store_cursor_close(cursor);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
		for (size_t i = 0; !e && i < count; i++)
			e = store_delete(coordinator_txn(c), TABLE_RESULTS, found[i].bytes,
					 found[i].size);
		if (e)
			return e;
	} while (count > 0);
	return ERR_OK;
}

/* What the phases from `back` on make again. */
static enum err results_forget(struct coordinator *c, const Freeal__StateRecord *back)
{
	if (back->phase == FREEAL__PHASE__FINAL_TRAIN_PHASE) {
		Freeal__WorkName name = round_work_name(c->project, back, 0);
		struct store_key key = table_result_key(&name);
		return store_delete(coordinator_txn(c), TABLE_RESULTS, key.bytes, key.size);
	}
	struct store_key later = store_key_u64(c->state.round);
	enum err e = ERR_OK;
	if (back->round < c->state.round) /* nothing was asked in it yet */
		e = store_delete(coordinator_txn(c), TABLE_ROUNDS, later.bytes, later.size);
	if (!e && back->phase == FREEAL__PHASE__EMBED_PHASE)
		e = results_delete(c, FREEAL__WORK_KIND__EMBED, back->round);
	if (!e)
		e = results_delete(c, FREEAL__WORK_KIND__TRAIN, back->round);
	return e ? e : results_delete(c, FREEAL__WORK_KIND__SELECT, back->round);
}

bool phase_mend(struct coordinator *c, Freeal__Missing missing, const char *reason)
{
	Freeal__StateRecord *train = NULL, back;
	enum err e =
	    meta_get(coordinator_txn(c), "train", &freeal__state_record__descriptor, &train);
	if (e && e != ERR_NOT_FOUND) {
		coordinator_fatal(c, e, "state");
		return true;
	}
	bool can = round_mend(c->project, &c->state, train, missing, &back);
	frame_message_free(train);
	if (!can)
		return false;
	if (++c->mend_count > MENDS_PER_ROUND_MAX) {
		char text[512];
		(void)snprintf(text, sizeof text,
			       "%s of round %u lacked its input %d times, although it was made "
			       "again each time: %s; look at the disks of selector and trainer, "
			       "then start again",
			       round_phase_name(c->state.phase), c->state.round,
			       MENDS_PER_ROUND_MAX + 1, reason);
		coordinator_fail(c, text);
		return true;
	}
	log_warn("input_lost", "phase=%s round=%u back_to=%s back_to_round=%u reason=\"%s\"",
		 round_phase_name(c->state.phase), c->state.round, round_phase_name(back.phase),
		 back.round, reason);
	e = results_forget(c, &back);
	if (e) {
		coordinator_fatal(c, e, "results");
		return true;
	}
	c->state = back;
	c->phase_entered = false;
	c->status_due_ms = 0;
	lease_table_clear(c->leases);
	pull_drop(c);
	crash_point("phase_mend");
	return true;
}
