/*
 * Phases: what is loaded when one begins, and what is made of its results when it ends.
 * The next state comes from round_next; here is its I/O.
 */
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/label.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Leaves out what the last SELECT doesn't ask again. */
static enum err agenda_exclude_unasked(struct coordinator *c)
{
	struct store_cursor *cursor;
	struct store_value key, value;
	enum err e = store_cursor_open(coordinator_txn(c), TABLE_SELECTION, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, NULL, 0, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value)) {
		Freeal__SelectionRow *row = frame_message_unpack(&freeal__selection_row__descriptor,
								 value.data, value.size);
		if (!row)
			break;
		if (!row->ask_again && row->sample_no < c->state.watermark)
			agenda_exclude(c->agenda, row->sample_no);
		frame_message_free(row);
	}
	store_cursor_close(cursor);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	return e ? e : ERR_CORRUPT;
}

/* Settles what this round has an event for; a catch-up leaves out what any round has. */
static enum err agenda_settle_events(struct coordinator *c)
{
	bool catch_up = round_is_catch_up(c->project, c->state.round);
	struct store_cursor *cursor;
	struct store_value key, value;
	uint64_t excluded = UINT64_MAX;
	enum err e = store_cursor_open(coordinator_txn(c), TABLE_EVENTS, &cursor);
	if (e)
		return e;
	for (e = store_cursor_seek(cursor, NULL, 0, &key, &value); !e;
	     e = store_cursor_next(cursor, &key, &value)) {
		uint64_t sample_no = store_key_read_u64(&key, 0);
		if (sample_no >= c->state.watermark || sample_no == excluded)
			continue;
		if (store_key_read_u32(&key, 8) == c->state.round) {
			(void)agenda_settle(c->agenda, sample_no);
		} else if (catch_up) {
			agenda_exclude(c->agenda, sample_no);
			excluded = sample_no;
		}
	}
	store_cursor_close(cursor);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err agenda_load_annotate(struct coordinator *c)
{
	enum err e = ERR_OK;
	if (c->state.round > 0 && !round_is_catch_up(c->project, c->state.round))
		e = agenda_exclude_unasked(c);
	c->set_aside = 0;
	return e ? e : agenda_settle_events(c);
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

static enum err pool_load(struct coordinator *c)
{
	frame_message_free(c->pool);
	c->pool = NULL;
	if (c->state.pool_version == 0)
		return ERR_OK;
	return table_get(coordinator_txn(c), TABLE_POOLS, store_key_u64(c->state.pool_version),
			 &freeal__pool__descriptor, &c->pool);
}

void phase_enter(struct coordinator *c)
{
	uint64_t count = round_work_count(c->project, &c->state);
	agenda_free(c->agenda);
	lease_table_clear(c->leases);
	pull_drop(c);
	c->agenda = agenda_new(count);
	enum err e = c->agenda ? pool_load(c) : ERR_NO_MEMORY;
	if (!e && c->state.phase == FREEAL__PHASE__ANNOTATE_PHASE)
		e = agenda_load_annotate(c);
	else if (!e)
		e = agenda_load_results(c, count);
	if (e) {
		coordinator_fatal(c, e, "phase");
		return;
	}
	c->phase_entered = true;
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

static bool demonstration_known(Freeal__Demonstration **list, size_t count,
				const ProtobufCBinaryData *text)
{
	for (size_t i = 0; i < count; i++)
		if (list[i]->text.len == text->len &&
		    memcmp(list[i]->text.data, text->data, text->len) == 0)
			return true;
	return false;
}

/* Appends a generated demonstration unless its text is there. */
static void pool_add(Freeal__Demonstration *items, Freeal__Demonstration **list, size_t *count,
		     uint32_t class_id, ProtobufCBinaryData text)
{
	if (*count >= POOL_MAX || demonstration_known(list, *count, &text))
		return;
	Freeal__Demonstration *d = &items[*count];
	freeal__demonstration__init(d);
	d->text = text;
	d->class_id = class_id;
	d->generated = true;
	d->sample_no = *count;
	list[(*count)++] = d;
}

/* Pool 1: the task file's examples, then what the LLM wrote, class by class. */
static enum err pool_generated_put(struct coordinator *c, uint64_t *ret_count)
{
	struct store_txn *txn = coordinator_txn(c);
	Freeal__Demonstration *items = calloc(POOL_MAX, sizeof *items);
	Freeal__Demonstration **list = calloc(POOL_MAX, sizeof *list);
	Freeal__Result **results = calloc(c->project->n_labels, sizeof *results);
	size_t count = 0;
	enum err e = items && list && results ? ERR_OK : ERR_NO_MEMORY;
	for (uint32_t k = 0; !e && k < c->project->n_labels; k++) {
		const Freeal__Label *label = c->project->labels[k];
		for (size_t i = 0; i < label->n_examples; i++)
			pool_add(items, list, &count, k, label->examples[i]);
		Freeal__WorkName name = round_work_name(c->project, &c->state, k);
		e = table_get(txn, TABLE_RESULTS, table_result_key(&name),
			      &freeal__result__descriptor, &results[k]);
		if (e || results[k]->body_case != FREEAL__RESULT__BODY_GENERATE)
			continue;
		for (size_t i = 0; i < results[k]->generate->n_texts; i++)
			pool_add(items, list, &count, k, results[k]->generate->texts[i]);
	}
	if (!e && count > 0) {
		Freeal__Pool pool = FREEAL__POOL__INIT;
		pool.version = 1;
		pool.demonstrations = list;
		pool.n_demonstrations = count;
		e = table_put(txn, TABLE_POOLS, store_key_u64(1), &pool.base);
	}
	for (uint32_t k = 0; results && k < c->project->n_labels; k++)
		frame_message_free(results[k]);
	free(results);
	free(list);
	free(items);
	*ret_count = count;
	return e;
}

/* One member of a selected pool: kept from the old one, or a sample. */
static enum err member_fill(struct coordinator *c, const Freeal__PoolMember *m,
			    Freeal__Demonstration *d, Freeal__SampleRecord **ret_sample)
{
	freeal__demonstration__init(d);
	d->class_id = m->class_id;
	if (m->from_pool) {
		if (!c->pool || m->number >= c->pool->n_demonstrations)
			return ERR_PROTOCOL;
		const Freeal__Demonstration *old = c->pool->demonstrations[m->number];
		d->text = old->text;
		d->generated = old->generated;
		d->sample_no = old->sample_no;
		return ERR_OK;
	}
	enum err e = table_get(coordinator_txn(c), TABLE_SAMPLES, store_key_u64(m->sample_no),
			       &freeal__sample_record__descriptor, ret_sample);
	if (!e) {
		d->text = (*ret_sample)->text;
		d->sample_no = m->sample_no;
	}
	return e;
}

static enum err pool_selected_put(struct coordinator *c, const Freeal__SelectResult *select)
{
	size_t n = select->n_pool;
	if (n == 0)
		return ERR_OK;
	Freeal__Demonstration *items = calloc(n, sizeof *items);
	Freeal__Demonstration **list = calloc(n, sizeof *list);
	Freeal__SampleRecord **samples = calloc(n, sizeof *samples);
	enum err e = items && list && samples ? ERR_OK : ERR_NO_MEMORY;
	for (size_t i = 0; !e && i < n; i++) {
		e = member_fill(c, select->pool[i], &items[i], &samples[i]);
		list[i] = &items[i];
	}
	if (!e) {
		Freeal__Pool pool = FREEAL__POOL__INIT;
		pool.version = c->state.round + 2;
		pool.demonstrations = list;
		pool.n_demonstrations = n;
		e = table_put(coordinator_txn(c), TABLE_POOLS, store_key_u64(pool.version),
			      &pool.base);
	}
	for (size_t i = 0; samples && i < n; i++)
		frame_message_free(samples[i]);
	free(samples);
	free(list);
	free(items);
	return e;
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

/* The round's record goes to the store; another round starts an empty one. */
static enum err round_record_put(struct coordinator *c)
{
	uint64_t ms = c->now_ms - c->phase_began_ms;
	Freeal__PhaseTime time = FREEAL__PHASE_TIME__INIT;
	time.phase = c->state.phase;
	time.ms = ms;
	struct store_key key = store_key_u64(c->state.round);
	Freeal__RoundRecord *stored = NULL;
	enum err e = table_get(coordinator_txn(c), TABLE_ROUNDS, key,
			       &freeal__round_record__descriptor, &stored);
	if (e && e != ERR_NOT_FOUND)
		return e;
	Freeal__RoundRecord record = FREEAL__ROUND_RECORD__INIT;
	Freeal__PhaseTime *times[32];
	size_t n = 0;
	if (stored) {
		record = *stored;
		for (; n < stored->n_times && n < 31; n++)
			times[n] = stored->times[n];
	}
	times[n++] = &time;
	record.times = times;
	record.n_times = n;
	record.round = c->state.round;
	record.shots = coordinator_round_config(c)->shots;
	record.model = coordinator_round_config(c)->llm->model;
	/* Counted in memory since the last record; the usage of a phase joins here. */
	record.asked += c->round.asked;
	record.answered += c->round.answered;
	record.unusable += c->round.unusable;
	record.changed += c->round.changed;
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	if (record.usage)
		usage = *record.usage;
	if (c->round.usage) {
		usage.requests += c->round.usage->requests;
		usage.tokens_in += c->round.usage->tokens_in;
		usage.tokens_out += c->round.usage->tokens_out;
		usage.nano_usd += c->round.usage->nano_usd;
		*c->round.usage = (Freeal__Usage)FREEAL__USAGE__INIT;
	}
	record.usage = &usage;
	e = table_put(coordinator_txn(c), TABLE_ROUNDS, key, &record.base);
	frame_message_free(stored);
	c->round.asked = c->round.answered = c->round.unusable = c->round.changed = 0;
	return e;
}

/* What the ended phase leaves behind, and what the state machine must know of it. */
static enum err phase_end(struct coordinator *c, struct round_outcome *outcome,
			  Freeal__Result *kept[2])
{
	enum err e = ERR_OK;
	switch (c->state.phase) {
	case FREEAL__PHASE__INGEST_PHASE:
	case FREEAL__PHASE__DONE_PHASE:
		outcome->sample_count = c->sample_count;
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

void phase_advance(struct coordinator *c)
{
	while (!c->fatal && !c->failed[0]) {
		if (!c->phase_entered)
			phase_enter(c);
		if (c->fatal || c->pending.result ||
		    agenda_settled(c->agenda) < agenda_count(c->agenda))
			return;
		crash_point("phase_end");
		struct round_outcome outcome = {0};
		Freeal__Result *kept[2] = {NULL, NULL};
		enum err e = phase_end(c, &outcome, kept);
		Freeal__StateRecord next = c->state;
		if (!e)
			next = round_next(c->project, &c->state, &outcome);
		bool moved = next.phase != c->state.phase || next.round != c->state.round;
		if (!e && moved) {
			if (next.stop_reason && next.stop_reason != c->stop_reason) {
				(void)snprintf(c->stop_reason, sizeof c->stop_reason, "%s",
					       next.stop_reason);
				next.stop_reason = c->stop_reason;
			}
			e = meta_put(coordinator_txn(c), "state", &next.base);
		}
		frame_message_free(kept[0]);
		frame_message_free(kept[1]);
		if (e) {
			coordinator_fatal(c, e, "end of phase");
			return;
		}
		if (!moved)
			return;
		c->state = next;
		c->phase_entered = false;
		c->status_due_ms = 0;
		if (c->state.phase == FREEAL__PHASE__DONE_PHASE)
			log_info("done", "samples=%llu requests=%llu",
				 (unsigned long long)c->state.sample_count,
				 (unsigned long long)c->counters.requests);
	}
}
