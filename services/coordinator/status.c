/*
 * The status that HTTP serves: made by the loop, copied by the threads.
 */
#include "coordinator/coordinator.h"
#include "coordinator/spend.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_INTERVAL_MS 100

static const char *blocked_reason(struct coordinator *c)
{
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		struct peer *p = peer_get(c->peers, i);
		if (p && p->blocked)
			return p->reason;
	}
	return NULL;
}

static bool phase_asks(Freeal__Phase phase)
{
	return dispatch_role(phase) == FREEAL__ROLE__ANNOTATOR;
}

/* Whose work it is now while none of them is there; NULL: nobody is missing. TRAIN and EMBED
 * end in the selector's store. */
static const char *role_missing(const struct coordinator *c)
{
	Freeal__Role role = dispatch_role(c->state.phase);
	if (role == FREEAL__ROLE__ROLE_NONE)
		return NULL;
	if (dispatch_waits_for_trainer(c))
		return "trainer";
	if (peer_count(c->peers, role) == 0)
		return role == FREEAL__ROLE__ANNOTATOR ? "annotator"
		       : role == FREEAL__ROLE__TRAINER ? "trainer"
						       : "selector";
	bool stored = c->state.phase == FREEAL__PHASE__TRAIN_PHASE ||
		      c->state.phase == FREEAL__PHASE__EMBED_PHASE;
	return stored && peer_count(c->peers, FREEAL__ROLE__SELECTOR) == 0 ? "selector" : NULL;
}

static json_t *string_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* The halves of an encoder's samples take long each: their share counts. */
static bool few_trainings(const struct coordinator *c)
{
	return c->state.phase == FREEAL__PHASE__TRAIN_PHASE && c->project->model->folds <= 2;
}

/* Done and total of the phase: works; a lone job's own progress; or percent of a few. */
static void phase_progress(struct coordinator *c, uint64_t *ret_done, uint64_t *ret_total)
{
	uint64_t total = c->agenda ? agenda_count(c->agenda) : 0;
	*ret_done = c->agenda ? agenda_settled(c->agenda) : 0;
	*ret_total = total;
	if (total > 1 && !few_trainings(c))
		return;
	double share = (double)*ret_done;
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		struct peer *p = peer_get(c->peers, i);
		if (!p || p->total == 0 || lease_count_of(c->leases, i) == 0)
			continue;
		share += (double)p->done / (double)p->total;
		if (total == 1) {
			*ret_done = p->done;
			*ret_total = p->total;
		}
	}
	if (total > 1) {
		*ret_done = (uint64_t)(100 * share / (double)total);
		*ret_total = 100;
	}
}

/* Samples that have a label: by the LLM, and at least those that a SELECT has judged. */
static uint64_t labelled_count(const struct coordinator *c)
{
	return c->labelled > c->state.selected_count ? c->labelled : c->state.selected_count;
}

static json_t *status_json(struct coordinator *c)
{
	uint64_t done, total;
	phase_progress(c, &done, &total);
	double seconds = (double)(c->now_ms - c->phase_began_ms) / 1000.0;
	uint64_t fresh = c->agenda ? agenda_settled(c->agenda) - c->phase_settled_at_begin : 0;
	if (few_trainings(c) || c->state.phase == FREEAL__PHASE__FINAL_TRAIN_PHASE)
		fresh = done;
	const char *paused = phase_asks(c->state.phase) ? budget_stop_reason(c) : NULL;
	return json_pack(
	    "{s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:f, s:I, "
	    "s:o, s:o, s:o, s:o, s:b, s:{s:I, s:I, s:I}}",
	    "task", c->project->task, "phase", round_phase_name(c->state.phase), "round",
	    (json_int_t)c->state.round, "rounds", (json_int_t)c->project->n_rounds, "samples",
	    (json_int_t)c->sample_count, "in_round", (json_int_t)c->state.sample_count, "frozen",
	    (int)c->state.frozen, "labelled", (json_int_t)labelled_count(c), "done",
	    (json_int_t)done, "total", (json_int_t)total, "rate",
	    seconds > 0 ? (double)fresh / seconds : 0.0, "requests",
	    (json_int_t)c->counters.requests, "tokens_in", (json_int_t)c->counters.tokens_in,
	    "tokens_out", (json_int_t)c->counters.tokens_out, "usd",
	    (double)c->counters.nano_usd / 1e9, "set_aside", (json_int_t)c->set_aside, "blocked",
	    string_or_null(blocked_reason(c)), "paused", string_or_null(paused), "failed",
	    string_or_null(c->failed[0] ? c->failed : NULL), "missing",
	    string_or_null(role_missing(c)), "finished",
	    c->state.phase == FREEAL__PHASE__DONE_PHASE && c->sample_count == c->state.sample_count,
	    "workers", "annotator", (json_int_t)peer_count(c->peers, FREEAL__ROLE__ANNOTATOR),
	    "trainer", (json_int_t)peer_count(c->peers, FREEAL__ROLE__TRAINER), "selector",
	    (json_int_t)peer_count(c->peers, FREEAL__ROLE__SELECTOR));
}

/* Questions that kept replies answered, and what is kept. */
static void cache_add(const struct coordinator *c, json_t *status)
{
	json_t *cache = json_pack("{s:b, s:I, s:I, s:I}", "on", (int)c->project->cache, "recalled",
				  (json_int_t)c->counters.recalled, "replies",
				  (json_int_t)c->kept.count, "bytes", (json_int_t)c->kept.bytes);
	(void)json_object_set_new(status, "cache", cache);
	(void)json_object_set_new(status, "disagreements",
				  json_integer((json_int_t)c->counters.disagreements));
}

static void spend_add(struct coordinator *c, json_t *status)
{
	const struct amount limits = budget_limits(c);
	budget_note(c);
	(void)json_object_set_new(status, "spend", spend_json(&c->counters, &limits));
}

void status_publish(struct coordinator *c)
{
	if (c->status_json && c->now_ms < c->status_due_ms)
		return;
	c->status_due_ms = c->now_ms + STATUS_INTERVAL_MS;
	json_t *json = status_json(c);
	cache_add(c, json);
	spend_add(c, json);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return;
	(void)pthread_mutex_lock(&c->status_mutex);
	free(c->status_json);
	c->status_json = text;
	(void)pthread_mutex_unlock(&c->status_mutex);
}

char *coordinator_status(struct coordinator *c)
{
	(void)pthread_mutex_lock(&c->status_mutex);
	char *copy = c->status_json ? strdup(c->status_json) : NULL;
	(void)pthread_mutex_unlock(&c->status_mutex);
	return copy;
}
