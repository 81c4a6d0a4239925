#include "annotator/annotator_impl.h"

#include "annotator/batch.h"
#include "base/log.h"
#include "config/project.h"
#include "wire/work.h"

#include <stdio.h>
#include <stdlib.h>

#define STATUS_MS 5000
#define CONCURRENCY_DEFAULT 64
#define STATUS_REASON_BYTES_MAX 2048

enum err annotator_new(const struct annotator_config *config, struct annotator **ret_annotator)
{
	struct annotator *a = calloc(1, sizeof *a);
	if (!a)
		return ERR_NO_MEMORY;
	a->config = *config;
	a->flying = calloc(config->concurrency_max, sizeof *a->flying);
	if (!a->flying) {
		free(a);
		return ERR_NO_MEMORY;
	}
	buf_init(&a->body, PROMPT_BYTES_MAX);
	buf_init(&a->key_body, PROMPT_BYTES_MAX);
	*ret_annotator = a;
	return ERR_OK;
}

void annotator_stop(struct annotator *a)
{
	for (uint32_t i = 0; i < QUEUE_COUNT; i++) {
		for (struct ask *ask; (ask = queue_pop(&a->queues[i], UINT64_MAX));) {
			if (ask->usage.requests == 0)
				ask_return(a, ask, "stopping");
			else
				ask_free(ask);
		}
	}
}

void annotator_free(struct annotator *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < QUEUE_COUNT; i++)
		queue_done(&a->queues[i]);
	lookups_done(a);
	batch_free(a);
	while (a->in_flight > 0) {
		struct call *call = a->flying[a->in_flight - 1];
		call_landed(a, call);
		call_settled(call);
	}
	free(a->flying);
	buf_done(&a->body);
	buf_done(&a->key_body);
	for (uint32_t i = 0; i < a->lane_count; i++)
		lane_free(a->lanes[i]);
	free(a->lanes);
	orders_done(&a->orders);
	answer_labels_free(a->labels);
	if (a->project)
		freeal__project__free_unpacked(a->project, NULL);
	free(a);
}

void annotator_connect(struct annotator *a, struct worker *worker, struct client *endpoint)
{
	a->worker = worker;
	a->client = endpoint;
}

void annotator_batch_connect(struct annotator *a, struct client *client)
{
	a->batch_client = client;
}

void annotator_now_set(struct annotator *a, uint64_t now_ms)
{
	a->now_ms = now_ms;
}

bool annotator_dirty(const struct annotator *a)
{
	return a->dirty;
}

const Freeal__Llm *queue_llm(const struct annotator *a, uint32_t queue)
{
	if (queue == QUEUE_AUGMENT)
		return a->project->augment ? a->project->augment->llm : NULL;
	return queue < a->project->n_rounds ? a->project->rounds[queue]->llm : NULL;
}

uint32_t queue_of(const struct annotator *a, const Freeal__WorkName *name)
{
	if (name->kind == FREEAL__WORK_KIND__AUGMENT)
		return QUEUE_AUGMENT;
	return project_config_of(a->project, name->round);
}

const Freeal__Llm *llm_of(const struct annotator *a, const struct ask *ask)
{
	return queue_llm(a, queue_of(a, ask->work->name));
}

bool queue_blocked(const struct annotator *a, uint32_t queue)
{
	const Freeal__Llm *llm = queue_llm(a, queue);
	for (size_t i = 0; llm && i < llm->n_endpoints; i++) {
		if (!a->lanes[llm->endpoints[i]]->throttle.blocked)
			return false;
	}
	return llm != NULL;
}

void status_send(struct annotator *a)
{
	Freeal__Status status = FREEAL__STATUS__INIT;
	char reason[STATUS_REASON_BYTES_MAX] = "";
	size_t used = 0;
	for (uint32_t i = 0; i < a->lane_count; i++) {
		const struct lane *l = a->lanes[i];
		if ((!l->blocked_said && !l->ungranted_said) || used >= sizeof reason - 1)
			continue;
		const char *between = used ? "; " : "";
		used += (size_t)snprintf(
		    reason + used, sizeof reason - used, "%s%s%s", between,
		    l->blocked_said ? l->blocked : l->endpoint->name,
		    l->blocked_said ? ""
				    : ": the coordinator grants no share of its limits; is it an "
				      "older version?");
		status.blocked = true;
	}
	status.reason = reason;
	status.in_flight = a->in_flight;
	status.requests = a->requests;
	status.retries = a->retries;
	status.limited = a->limited;
	status.recalled = a->recalled;
	worker_status(a->worker, &status);
	a->status_due_ms = a->now_ms + STATUS_MS;
	a->dirty = true;
}

void ask_return(struct annotator *a, struct ask *ask, const char *reason)
{
	worker_return(a->worker, ask->work->name, reason);
	ask_free(ask);
	a->dirty = true;
}

static bool llm_usable(const Freeal__Project *p, const Freeal__Llm *llm)
{
	if (!llm || llm->n_endpoints == 0)
		return false;
	for (size_t i = 0; i < llm->n_endpoints; i++) {
		if (llm->endpoints[i] >= p->n_endpoints)
			return false;
	}
	return true;
}

static bool project_usable(const Freeal__Project *p)
{
	if (!p || p->n_labels == 0 || p->n_labels > LABEL_COUNT_MAX || p->n_rounds == 0 ||
	    p->n_rounds > ROUND_COUNT_MAX)
		return false;
	for (size_t i = 0; i < p->n_rounds; i++) {
		if (!llm_usable(p, p->rounds[i]->llm))
			return false;
	}
	return !p->augment || llm_usable(p, p->augment->llm);
}

/* Requests in flight that an endpoint may have from here. */
static uint32_t window_max(const struct annotator *a, const Freeal__Endpoint *endpoint)
{
	uint32_t n = endpoint->concurrency ? endpoint->concurrency : CONCURRENCY_DEFAULT;
	return n < a->config.concurrency_max ? n : a->config.concurrency_max;
}

/* Takes the lane of an endpoint out of the old ones; NULL: it has none. */
static struct lane *lane_take(struct annotator *a, const Freeal__Endpoint *endpoint)
{
	for (uint32_t i = 0; i < a->lane_count; i++) {
		struct lane *l = a->lanes[i];
		if (l && lane_serves(l, endpoint)) {
			a->lanes[i] = NULL;
			return l;
		}
	}
	return NULL;
}

/* The lanes of a project. A server that is asked already keeps its lane, for what is in flight
 * there. Without memory all stays as it is. */
static enum err lanes_make(struct annotator *a, const Freeal__Project *p)
{
	uint32_t count = (uint32_t)p->n_endpoints;
	struct lane **fresh = calloc(count + 1, sizeof(struct lane *));
	struct lane **lanes = calloc(count + 1, sizeof(struct lane *));
	enum err e = fresh && lanes ? ERR_OK : ERR_NO_MEMORY;
	for (uint32_t i = 0; !e && i < count; i++) {
		const Freeal__Endpoint *endpoint = p->endpoints[i];
		e = lane_new(endpoint, window_max(a, endpoint), a->config.probe_ms,
			     hash_mix(a->config.seed, i), &fresh[i]);
	}
	for (uint32_t i = 0; !e && i < count; i++) {
		lanes[i] = lane_take(a, p->endpoints[i]);
		if (lanes[i])
			lane_renew(lanes[i], fresh[i]);
		else
			lanes[i] = fresh[i];
		lanes[i]->position = i;
		fresh[i] = NULL;
	}
	for (uint32_t i = 0; fresh && i < count; i++)
		lane_free(fresh[i]);
	free(fresh);
	if (e) {
		free(lanes);
		return e;
	}
	for (uint32_t i = 0; i < a->lane_count; i++) {
		if (a->lanes[i])
			lane_retire(a->lanes[i]);
	}
	free(a->lanes);
	a->lanes = lanes;
	a->lane_count = count;
	return ERR_OK;
}

void annotator_project(void *context, const Freeal__Welcome *welcome)
{
	struct annotator *a = context;
	const Freeal__Project *p = welcome->project;
	if (a->project && p && p->version == a->project->version) {
		recall_again(&a->recall);
		batch_tell_again(a);
		status_send(a); /* it may be another coordinator process */
		return;
	}
	struct answer_labels *labels = NULL;
	Freeal__Project *copy = project_usable(p) ? frame_message_copy(&p->base) : NULL;
	if (!copy || answer_labels_new(copy, &labels) != ERR_OK || lanes_make(a, copy) != ERR_OK) {
		log_error("project_unusable", "labels=%zu rounds=%zu", p ? p->n_labels : 0,
			  p ? p->n_rounds : 0);
		answer_labels_free(labels);
		if (copy)
			freeal__project__free_unpacked(copy, NULL);
		return;
	}
	orders_project_set(&a->orders, copy);
	answer_labels_free(a->labels);
	if (a->project)
		freeal__project__free_unpacked(a->project, NULL);
	a->labels = labels;
	a->project = copy;
	for (uint32_t i = 0; i < QUEUE_COUNT; i++) {
		while (!queue_llm(a, i) && queue_count(&a->queues[i]) > 0)
			ask_return(a, queue_pop(&a->queues[i], UINT64_MAX), "the round is gone");
	}
	lookups_renew(a);
	if (!queue_llm(a, a->queue))
		a->queue = 0;
	log_info("project", "task=\"%s\" version=%llu labels=%zu rounds=%zu", copy->task,
		 (unsigned long long)copy->version, copy->n_labels, copy->n_rounds);
	status_send(a);
}

void annotator_lease(void *context, const Freeal__Work *work)
{
	struct annotator *a = context;
	a->dirty = true;
	bool known = work->order_case == FREEAL__WORK__ORDER_ANNOTATE ||
		     (work->order_case == FREEAL__WORK__ORDER_AUGMENT && a->project &&
		      a->project->augment) ||
		     work->order_case == FREEAL__WORK__ORDER_GENERATE;
	struct ask *ask = NULL;
	if (known && a->project)
		ask = ask_new(work);
	if (!ask) {
		log_error("lease_returned", "kind=%s round=%u", work_kind_name(work->name->kind),
			  work->name->round);
		worker_return(a->worker, work->name, "not for this annotator");
		return;
	}
	a->queue = queue_of(a, work->name);
	if (!batch_claim(a, ask))
		ask_put(a, ask);
}

void annotator_cancel(void *context, const Freeal__WorkName *name)
{
	struct annotator *a = context;
	if (a->project) {
		ask_free(queue_remove(&a->queues[queue_of(a, name)], name));
		ask_free(lookup_remove(a, name));
	}
	/* One in flight ends by itself; its answer is paid for and handed over. */
	a->dirty = true;
}

void annotator_grant(void *context, const Freeal__Grant *grant)
{
	struct annotator *a = context;
	/* One for another version of the project comes with that, or has come too late. */
	if (!a->project || grant->project_version != a->project->version ||
	    grant->endpoint >= a->lane_count)
		return;
	struct lane *l = a->lanes[grant->endpoint];
	quota_grant(&l->quota, grant, a->now_ms);
	l->ungranted_ms = 0;
	a->dirty = true;
	if (l->ungranted_said) {
		l->ungranted_said = false;
		log_info("endpoint_granted", "endpoint=\"%s\"", l->endpoint->name);
		status_send(a);
	}
}

void annotator_pool(void *context, const Freeal__Pool *pool)
{
	struct annotator *a = context;
	if (pools_add(&a->orders.pools, pool) != ERR_OK)
		log_error("pool_lost", "version=%llu", (unsigned long long)pool->version);
}

void annotator_other(void *context, const Freeal__Envelope *envelope)
{
	struct annotator *a = context;
	if (!a->project)
		return;
	if (envelope->body_case == FREEAL__ENVELOPE__BODY_RECALLED)
		lookups_take(a, envelope->recalled);
	else if (envelope->body_case == FREEAL__ENVELOPE__BODY_BATCH_NOTE)
		batch_note_take(a, envelope->batch_note);
	else if (envelope->body_case == FREEAL__ENVELOPE__BODY_BATCH_NOTED)
		batch_noted_take(a, envelope->batch_noted);
	a->dirty = true;
}
