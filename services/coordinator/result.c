/*
 * Results: what workers send back, made into events, label changes and stored results.
 * A result counts once: the work of the current phase that is still open. Whatever else
 * comes is acknowledged, counted and dropped.
 */
#include "base/limits.h"
#include "base/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/kept.h"
#include "coordinator/label.h"
#include "llm/usage.h"
#include "wire/frame.h"

#include <stdio.h>
#include <string.h>

static void usage_count(struct coordinator *c, const Freeal__Usage *usage)
{
	if (!usage)
		return;
	c->counters.requests += usage->requests;
	c->counters.tokens_in += usage->tokens_in;
	c->counters.tokens_out += usage->tokens_out;
	c->counters.nano_usd += usage->nano_usd;
	c->counters.recalled += usage->recalled;
	c->counters.tokens_cached += usage->tokens_cached;
	usage_add(c->round.usage, usage);
}

/* Usage that is stored in the counters alone. */
static void usage_count_untold(struct coordinator *c, const Freeal__Usage *usage)
{
	if (!usage)
		return;
	usage_count(c, usage);
	c->counters.untold_requests += usage->requests;
	c->counters.untold_tokens_in += usage->tokens_in;
	c->counters.untold_tokens_out += usage->tokens_out;
	c->counters.untold_nano_usd += usage->nano_usd;
}

/* Another set of candidates is another label, also where it is the same set. */
static void label_change(struct coordinator *c, uint64_t sample_no,
			 const Freeal__Annotation *annotation)
{
	int32_t class_id = label_class(annotation);
	if (c->labels[sample_no] == class_id && class_id != LABEL_SET)
		return;
	Freeal__ChangeRecord change = FREEAL__CHANGE_RECORD__INIT;
	change.sample_no = sample_no;
	change.class_id = class_id == LABEL_SET ? LABEL_NONE : class_id;
	if (class_id == LABEL_SET) {
		change.candidates = annotation->candidates->class_ids;
		change.n_candidates = annotation->candidates->n_class_ids;
	}
	enum err e = table_put(coordinator_txn(c), TABLE_CHANGES,
			       store_key_u64(c->state.change_count), &change.base);
	if (e) {
		coordinator_fatal(c, e, "label change");
		return;
	}
	c->state.change_count++;
	c->labelled += c->labels[sample_no] == LABEL_NONE;
	c->round.changed += c->labels[sample_no] != LABEL_NONE;
	c->labels[sample_no] = class_id;
}

static void annotation_take(struct coordinator *c, uint64_t sample_no, uint32_t attempt,
			    const Freeal__Annotation *annotation)
{
	Freeal__LabelEvent event = FREEAL__LABEL_EVENT__INIT;
	event.source = FREEAL__LABEL_SOURCE__LLM;
	event.round = c->state.round;
	event.attempt = attempt;
	event.annotation = (Freeal__Annotation *)annotation;
	enum err e = table_put(coordinator_txn(c), TABLE_EVENTS,
			       store_key_u64_u32_u32(sample_no, c->state.round, 0), &event.base);
	if (e) {
		coordinator_fatal(c, e, "label event");
		return;
	}
	(void)agenda_settle(c->agenda, sample_no);
	lease_remove(c->leases, sample_no);
	usage_count(c, annotation->usage);
	c->round.asked++;
	if (label_class(annotation) != LABEL_NONE) {
		c->round.answered++;
		label_change(c, sample_no, annotation);
	} else {
		c->round.unusable++;
		c->set_aside++;
	}
}

void result_settle(struct coordinator *c, uint64_t index, const Freeal__Result *result)
{
	Freeal__WorkName name = round_work_name(c->project, &c->state, index);
	Freeal__Result stored = *result;
	stored.n_replies = 0; /* kept by themselves */
	enum err e =
	    table_put(coordinator_txn(c), TABLE_RESULTS, table_result_key(&name), &stored.base);
	if (e) {
		coordinator_fatal(c, e, "result");
		return;
	}
	(void)agenda_settle(c->agenda, index);
	lease_remove(c->leases, index);
	if (result->body_case == FREEAL__RESULT__BODY_GENERATE)
		usage_count(c, result->generate->usage);
	if (result->body_case == FREEAL__RESULT__BODY_AUGMENT)
		usage_count_untold(c, result->augment->usage);
}

/* The second view of a sample; where there is none, that it was asked for. */
static void augment_take(struct coordinator *c, uint64_t index, const Freeal__Result *result)
{
	const Freeal__AugmentResult *augment = result->augment;
	if (augment->text.len == 0 || augment->text.len > SAMPLE_BYTES_MAX) {
		result_settle(c, index, result);
		return;
	}
	Freeal__SampleRecord *sample;
	struct store_key key = store_key_u64(index);
	enum err e = table_get(coordinator_txn(c), TABLE_SAMPLES, key,
			       &freeal__sample_record__descriptor, &sample);
	if (!e) {
		Freeal__SampleRecord whole = *sample;
		whole.augmented = augment->text;
		e = table_put(coordinator_txn(c), TABLE_SAMPLES, key, &whole.base);
		frame_message_free(sample);
	}
	if (e) {
		coordinator_fatal(c, e, "second view");
		return;
	}
	(void)agenda_settle(c->agenda, index);
	lease_remove(c->leases, index);
	usage_count_untold(c, augment->usage);
}

void result_give_up(struct coordinator *c, uint64_t index, const char *reason)
{
	if (c->state.phase == FREEAL__PHASE__ANNOTATE_PHASE) {
		Freeal__Annotation annotation = FREEAL__ANNOTATION__INIT;
		log_warn("set_aside", "sample=%llu round=%u reason=\"%s\"",
			 (unsigned long long)index, c->state.round, reason);
		annotation.reason = (char *)reason;
		annotation_take(c, index, 0, &annotation);
		return;
	}
	Freeal__WorkName name = round_work_name(c->project, &c->state, index);
	if (c->state.phase == FREEAL__PHASE__AUGMENT_PHASE) {
		Freeal__Result none = FREEAL__RESULT__INIT;
		Freeal__AugmentResult augment = FREEAL__AUGMENT_RESULT__INIT;
		augment.reason = (char *)reason;
		none.name = &name;
		none.body_case = FREEAL__RESULT__BODY_AUGMENT;
		none.augment = &augment;
		result_settle(c, index, &none);
		return;
	}
	char text[512];
	(void)snprintf(text, sizeof text, "%s, item %llu of round %u, failed %u times: %s",
		       round_phase_name(c->state.phase), (unsigned long long)name.item, name.round,
		       WORK_ATTEMPTS_MAX, reason);
	coordinator_fail(c, text);
}

/* The worker could not do it: again, up to a limit, or first what it lacks. */
static void failure_take(struct coordinator *c, uint64_t index, const Freeal__Result *result)
{
	if (result->missing && phase_mend(c, result->missing, result->error))
		return;
	log_warn("work_failed", "phase=%s round=%u index=%llu attempt=%u reason=\"%s\"",
		 round_phase_name(c->state.phase), c->state.round, (unsigned long long)index,
		 result->attempt, result->error);
	if (result->attempt < WORK_ATTEMPTS_MAX) {
		dispatch_return(c, index, result->attempt);
		return;
	}
	lease_remove(c->leases, index);
	result_give_up(c, index, result->error);
}

static bool body_fits(const struct coordinator *c, const Freeal__Result *r)
{
	switch (r->name->kind) {
	case FREEAL__WORK_KIND__GENERATE:
		return r->body_case == FREEAL__RESULT__BODY_GENERATE;
	case FREEAL__WORK_KIND__ANNOTATE:
		return r->body_case == FREEAL__RESULT__BODY_ANNOTATE &&
		       label_class_end(r->annotate) <= c->project->n_labels &&
		       (label_class(r->annotate) != LABEL_SET ||
			r->annotate->candidates->n_class_ids <= CANDIDATES_MAX);
	case FREEAL__WORK_KIND__AUGMENT:
		return r->body_case == FREEAL__RESULT__BODY_AUGMENT;
	case FREEAL__WORK_KIND__EMBED:
		return r->body_case == FREEAL__RESULT__BODY_EMBED;
	case FREEAL__WORK_KIND__TRAIN:
		return r->body_case == FREEAL__RESULT__BODY_TRAIN;
	case FREEAL__WORK_KIND__SELECT:
		return r->body_case == FREEAL__RESULT__BODY_SELECT;
	case FREEAL__WORK_KIND__RETRIEVE:
		return r->body_case == FREEAL__RESULT__BODY_RETRIEVE;
	case FREEAL__WORK_KIND__PREDICT:
		return r->body_case == FREEAL__RESULT__BODY_PREDICT;
	default:
		return false;
	}
}

/* Rows behind the result have to be pulled before it counts. */
static bool result_has_stream(const struct coordinator *c)
{
	return c->state.phase == FREEAL__PHASE__SELECT_PHASE ||
	       c->state.phase == FREEAL__PHASE__RETRIEVE_PHASE ||
	       c->state.phase == FREEAL__PHASE__FINAL_TRAIN_PHASE;
}

/* The server's replies behind a result, whatever came of it: they are paid for. Those of a late
 * one don't take the place of what was kept first. */
static void replies_keep(struct coordinator *c, const Freeal__Result *result, bool late)
{
	enum err e = ERR_OK;
	if (!c->project->cache || result->n_replies == 0 || !coordinator_txn(c))
		return;
	for (size_t i = 0; !e && i < result->n_replies; i++)
		e = kept_put(c->txn, &c->kept, result->replies[i], !late);
	if (e)
		coordinator_fatal(c, e, "kept replies");
}

/* Both name a label, and not the same. */
static bool annotations_disagree(const Freeal__Annotation *a, const Freeal__Annotation *b)
{
	int32_t first = a ? label_class(a) : LABEL_NONE, second = label_class(b);
	return first >= 0 && second >= 0 && first != second;
}

/* What came too late is dropped. An answer of another lease than the one that was taken is paid
 * for all the same; one that is only sent again has that one's attempt. */
static void late_take(struct coordinator *c, const Freeal__Result *result)
{
	Freeal__LabelEvent *event = NULL;
	c->counters.duplicates++;
	if (result->body_case != FREEAL__RESULT__BODY_ANNOTATE || !result->annotate->usage)
		return;
	enum err e = table_get(coordinator_txn(c), TABLE_EVENTS,
			       store_key_u64_u32_u32(result->name->item, result->name->round, 0),
			       &freeal__label_event__descriptor, &event);
	if (e && e != ERR_NOT_FOUND)
		coordinator_fatal(c, e, "label event");
	if (!e && event->attempt != result->attempt &&
	    late_first(&c->late, result->name, result->attempt)) {
		const Freeal__Usage *usage = result->annotate->usage;
		usage_count(c, usage);
		if (c->state.phase == FREEAL__PHASE__ANNOTATE_PHASE &&
		    result->name->round == c->state.round)
			(void)reserve_settle(c->reserve, result->name->item, result->attempt);
		c->counters.late_requests += usage->requests;
		c->counters.late_tokens_in += usage->tokens_in;
		c->counters.late_tokens_out += usage->tokens_out;
		c->counters.late_nano_usd += usage->nano_usd;
		c->counters.disagreements +=
		    annotations_disagree(event->annotation, result->annotate);
	}
	frame_message_free(event);
}

void result_take(struct coordinator *c, uint32_t peer, const Freeal__Result *result)
{
	uint64_t index;
	if (!result->name)
		return;
	const struct peer_id *to = &peer_get(c->peers, peer)->id;
	bool ours = c->phase_entered &&
		    round_work_index(c->project, &c->state, result->name, &index) &&
		    !agenda_is_settled(c->agenda, index);
	replies_keep(c, result, !ours);
	if (!ours) {
		late_take(c, result);
		coordinator_ack(c, to, result->name, result->attempt);
		return;
	}
	usage_count_untold(c, result->usage);
	if (result->error[0] != '\0') {
		/* Of an older lease: somebody else has the work now. */
		const struct lease *lease = lease_find(c->leases, index);
		bool old = lease && lease->attempt != result->attempt;
		if (!old) {
			budget_settle(c, index, result->attempt);
			failure_take(c, index, result);
		}
	} else if (!body_fits(c, result)) {
		log_warn("result_dropped", "peer=%u reason=\"its body does not fit its work\"",
			 peer);
	} else if (result_has_stream(c)) {
		pull_begin(c, peer, index, result);
		return;
	} else if (result->name->kind == FREEAL__WORK_KIND__ANNOTATE) {
		budget_settle(c, index, result->attempt);
		annotation_take(c, index, result->attempt, result->annotate);
	} else if (result->name->kind == FREEAL__WORK_KIND__AUGMENT) {
		budget_settle(c, index, result->attempt);
		augment_take(c, index, result);
	} else {
		budget_settle(c, index, result->attempt);
		result_settle(c, index, result);
	}
	coordinator_ack(c, to, result->name, result->attempt);
}
