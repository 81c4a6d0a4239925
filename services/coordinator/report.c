#include "coordinator/report.h"

#include "coordinator/round.h"
#include "coordinator/rungs.h"
#include "coordinator/spend.h"
#include "coordinator/tables.h"
#include "coordinator/tally.h"
#include "coordinator/view.h"
#include "wire/frame.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *usage_json(const Freeal__Usage *u)
{
	static const Freeal__Usage none = FREEAL__USAGE__INIT;
	if (!u)
		u = &none;
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:I}", "requests", (json_int_t)u->requests,
			 "tokens_in", (json_int_t)u->tokens_in, "tokens_cached",
			 (json_int_t)u->tokens_cached, "tokens_out", (json_int_t)u->tokens_out,
			 "tokens_reasoning", (json_int_t)u->tokens_reasoning, "usd",
			 (double)u->nano_usd / 1e9, "recalled", (json_int_t)u->recalled);
}

static json_t *share_json(const struct tally_share *s)
{
	return json_pack("{s:I, s:f}", "samples", (json_int_t)s->samples, "correct",
			 tally_share_of(s));
}

/* Adds each phase's seconds to `total` too. */
static json_t *times_json(const Freeal__RoundRecord *r, json_t *total, double *seconds)
{
	json_t *times = json_object();
	for (size_t i = 0; i < r->n_times; i++) {
		const char *name = round_phase_name(r->times[i]->phase);
		double s = (double)r->times[i]->ms / 1000.0;
		json_t *sums[2] = {times, total};
		for (int k = 0; k < 2; k++) {
			double before = json_real_value(json_object_get(sums[k], name));
			(void)json_object_set_new(sums[k], name, json_real(before + s));
		}
		*seconds += s;
	}
	return times;
}

static json_t *retrieve_json(const Freeal__Result *result)
{
	if (!result || result->body_case != FREEAL__RESULT__BODY_RETRIEVE)
		return json_null();
	const Freeal__RetrieveResult *r = result->retrieve;
	double uncapped = r->cosine_mean_uncapped;
	return json_pack(
	    "{s:f, s:f, s:f, s:f}", "cosine_mean", r->cosine_mean, "cosine_mean_uncapped", uncapped,
	    "kept", uncapped != 0.0 ? r->cosine_mean / uncapped : 1.0, "hub_share", r->hub_share);
}

static Freeal__Result *result_get(struct store_txn *txn, Freeal__WorkKind kind, uint32_t round)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__Result *result = NULL;
	name.kind = kind;
	name.round = round;
	err_ignore(table_get(txn, TABLE_RESULTS, table_result_key(&name),
			     &freeal__result__descriptor, &result)); /* NULL: not there */
	return result;
}

/* An endpoint is called as the task file has it now; else by its model. */
static const char *endpoint_name(const Freeal__Project *project, const struct rung_kind *kind)
{
	for (size_t i = 0; i < project->n_endpoints; i++) {
		const Freeal__Endpoint *e = project->endpoints[i];
		if (strcmp(e->url, kind->name) == 0 && strcmp(e->model, kind->model) == 0)
			return e->name;
	}
	return kind->model;
}

/* Why answers were unusable, whose answers there are, and what they are worth against gold. */
static void rung_add(const struct rung *g, const Freeal__Project *project, json_t *round)
{
	json_t *reasons = json_object(), *endpoints = json_array();
	for (size_t i = 0; i < g->reason_count; i++)
		(void)json_object_set_new(reasons, g->reasons[i].name,
					  json_integer((json_int_t)g->reasons[i].count));
	for (size_t i = 0; i < g->endpoint_count; i++)
		(void)json_array_append_new(endpoints,
					    json_pack("{s:s, s:s, s:I}", "name",
						      endpoint_name(project, &g->endpoints[i]),
						      "model", g->endpoints[i].model, "answers",
						      (json_int_t)g->endpoints[i].count));
	(void)json_object_set_new(round, "reasons", reasons);
	(void)json_object_set_new(round, "endpoints", endpoints);
	json_t *gold = json_null();
	if (g->right.samples > 0)
		gold = json_pack("{s:I, s:f, s:I, s:I, s:I}", "samples",
				 (json_int_t)g->right.samples, "correct", tally_share_of(&g->right),
				 "changed", (json_int_t)g->changed, "mended", (json_int_t)g->mended,
				 "broken", (json_int_t)g->broken);
	(void)json_object_set_new(round, "gold", gold);
}

static json_t *round_json(struct store_txn *txn, const Freeal__RoundRecord *r, json_t *total,
			  double *seconds)
{
	Freeal__Result *select = result_get(txn, FREEAL__WORK_KIND__SELECT, r->round);
	Freeal__Result *retrieve = result_get(txn, FREEAL__WORK_KIND__RETRIEVE, r->round);
	json_t *json = json_pack(
	    "{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "round", (json_int_t)r->round,
	    "model", r->model, "shots", (json_int_t)r->shots, "asked", (json_int_t)r->asked,
	    "answered", (json_int_t)r->answered, "unusable", (json_int_t)r->unusable, "changed",
	    (json_int_t)r->changed, "usage", usage_json(r->usage), "retrieve",
	    retrieve_json(retrieve), "phase_seconds", times_json(r, total, seconds));
	if (select && select->body_case == FREEAL__RESULT__BODY_SELECT) {
		const Freeal__SelectResult *s = select->select;
		json_t *more =
		    json_pack("{s:I, s:b, s:f, s:f, s:I, s:f, s:I}", "clean", (json_int_t)s->clean,
			      "separated", (int)s->separated, "log_likelihood", s->log_likelihood,
			      "log_likelihood_error", s->log_likelihood_error, "ask_again",
			      (json_int_t)s->ask_again, "mended_expected", s->mended_expected,
			      "pool", (json_int_t)s->n_pool);
		(void)json_object_update(json, more);
		json_decref(more);
	}
	frame_message_free(select);
	frame_message_free(retrieve);
	return json;
}

static enum err rounds_json(struct store_txn *txn, const struct rungs *rungs,
			    const Freeal__Project *project, json_t *report)
{
	static const struct rung none;
	json_t *rounds = json_array(), *total = json_object();
	double seconds = 0.0;
	Freeal__StateRecord *state = NULL;
	enum err e = meta_get(txn, "state", &freeal__state_record__descriptor, &state);
	/* Rounds that were left out by an early end have no record. */
	for (uint64_t i = 0; state && i <= state->round && (!e || e == ERR_NOT_FOUND); i++) {
		Freeal__RoundRecord *record;
		e = table_get(txn, TABLE_ROUNDS, store_key_u64(i),
			      &freeal__round_record__descriptor, &record);
		if (e)
			continue;
		json_t *round = round_json(txn, record, total, &seconds);
		rung_add(i < rungs->count ? &rungs->items[i] : &none, project, round);
		(void)json_array_append_new(rounds, round);
		frame_message_free(record);
	}
	frame_message_free(state);
	(void)json_object_set_new(report, "rounds", rounds);
	(void)json_object_set_new(report, "phase_seconds", total);
	(void)json_object_set_new(report, "seconds", json_real(seconds));
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err meta_json(struct store_txn *txn, const struct task_budget *budget, json_t *report)
{
	Freeal__StateRecord *state = NULL;
	Freeal__CounterRecord *n = NULL;
	enum err e = meta_get(txn, "state", &freeal__state_record__descriptor, &state);
	if (!e)
		e = meta_get(txn, "counters", &freeal__counter_record__descriptor, &n);
	if (!e) {
		Freeal__Usage usage = FREEAL__USAGE__INIT;
		usage.requests = (uint32_t)n->requests;
		usage.tokens_in = n->tokens_in;
		usage.tokens_cached = n->tokens_cached;
		usage.tokens_out = n->tokens_out;
		usage.nano_usd = n->nano_usd;
		usage.recalled = (uint32_t)n->recalled;
		const struct amount limits = {budget->requests, budget->tokens, budget->nano_usd};
		(void)json_object_set_new(report, "usage", usage_json(&usage));
		(void)json_object_set_new(report, "spend", spend_json(n, &limits));
		(void)json_object_set_new(report, "phase",
					  json_string(round_phase_name(state->phase)));
		(void)json_object_set_new(report, "stop_reason", json_string(state->stop_reason));
		(void)json_object_set_new(report, "duplicate_results",
					  json_integer((json_int_t)n->duplicates));
		(void)json_object_set_new(report, "disagreements",
					  json_integer((json_int_t)n->disagreements));
		(void)json_object_set_new(report, "leases_expired",
					  json_integer((json_int_t)n->leases_expired));
	}
	frame_message_free(state);
	frame_message_free(n);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static json_t *gold_json(const struct tally *t)
{
	if (t->gold_samples == 0)
		return json_null();
	return json_pack(
	    "{s:I, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:{s:I, s:I}}", "samples",
	    (json_int_t)t->gold_samples, "accuracy", tally_share_of(&t->final), "macro_f1",
	    tally_macro_f1(t), "llm", share_json(&t->llm), "first_llm", share_json(&t->llm_first),
	    "filled", share_json(&t->filled), "clean", share_json(&t->clean), "pool",
	    share_json(&t->pool), "candidates", share_json(&t->candidates), "candidates_hold_gold",
	    share_json(&t->candidates_hit), "model_accuracy", tally_share_of(&t->model),
	    "calibration_error", tally_calibration_error(t), "flips", "mended",
	    (json_int_t)t->mended, "broken", (json_int_t)t->broken);
}

static void tally_json(const struct tally *t, const Freeal__Project *project, json_t *report)
{
	json_t *labels = json_object();
	for (uint32_t k = 0; k < t->class_count; k++)
		(void)json_object_set_new(labels, project->labels[k]->name,
					  json_integer((json_int_t)t->by_class[k]));
	uint64_t labelled = t->sources[1] + t->sources[2] + t->sources[3];
	(void)json_object_set_new(report, "samples", json_integer((json_int_t)t->samples));
	(void)json_object_set_new(report, "labels", labels);
	(void)json_object_set_new(
	    report, "sources",
	    json_pack("{s:I, s:I, s:I}", "llm", (json_int_t)t->sources[FREEAL__LABEL_SOURCE__LLM],
		      "slm", (json_int_t)t->sources[FREEAL__LABEL_SOURCE__SLM], "human",
		      (json_int_t)t->sources[FREEAL__LABEL_SOURCE__HUMAN]));
	(void)json_object_set_new(report, "set_aside", json_integer((json_int_t)t->set_aside));
	(void)json_object_set_new(report, "confidence_mean",
				  json_real(labelled ? t->confidence_sum / (double)labelled : 0.0));
	(void)json_object_set_new(
	    report, "model",
	    json_pack("{s:s, s:f}", "type", project->model->type, "agreement",
		      t->predicted ? (double)t->agreed / (double)t->predicted : 0.0));
	(void)json_object_set_new(report, "gold", gold_json(t));
}

/* All samples, once. */
static enum err samples_count(struct store *store, struct tally *tally, struct rungs *rungs)
{
	struct view *view;
	struct view_row row;
	enum err e = view_new(store, &view);
	if (e)
		return e;
	while (!(e = view_next(view, &row))) {
		tally_add(tally, &row);
		e = rungs_add(rungs, &row);
		if (e)
			break;
	}
	view_free(view);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err report_make(struct store *store, const Freeal__Project *project,
		     const struct task_budget *budget, char **ret_json)
{
	struct tally tally;
	struct rungs rungs;
	enum err e = tally_init(&tally, (uint32_t)project->n_labels);
	if (e)
		return e;
	rungs_init(&rungs);
	e = samples_count(store, &tally, &rungs);
	json_t *report = json_pack("{s:s}", "task", project->task);
	struct store_txn *txn = NULL;
	if (!e)
		e = store_begin(store, false, &txn);
	if (!e)
		e = meta_json(txn, budget, report);
	if (!e)
		e = rounds_json(txn, &rungs, project, report);
	store_abort(txn);
	if (!e) {
		tally_json(&tally, project, report);
		*ret_json = json_dumps(report, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
		e = *ret_json ? ERR_OK : ERR_NO_MEMORY;
	}
	json_decref(report);
	rungs_done(&rungs);
	tally_done(&tally);
	return e;
}
