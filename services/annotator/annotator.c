#include "annotator/annotator_impl.h"

#include "annotator/order.h"
#include "base/log.h"
#include "config/project.h"
#include "wire/work.h"

#include <assert.h>
#include <stdlib.h>

#define STATUS_MS 5000
#define CONCURRENCY_DEFAULT 64
#define URL_BYTES_MAX 2048

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
	*ret_annotator = a;
	return ERR_OK;
}

void annotator_free(struct annotator *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < ROUND_COUNT_MAX; i++)
		lane_done(&a->lanes[i]);
	while (a->in_flight > 0)
		ask_free(a->flying[--a->in_flight]);
	free(a->flying);
	pools_done(&a->pools);
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

void annotator_now_set(struct annotator *a, uint64_t now_ms)
{
	a->now_ms = now_ms;
}

bool annotator_dirty(const struct annotator *a)
{
	return a->dirty;
}

const Freeal__Llm *llm_of(const struct annotator *a, const struct ask *ask)
{
	return a->project->rounds[project_config_of(a->project, ask->work->name->round)]->llm;
}

const Freeal__Endpoint *endpoint_of(const struct annotator *a, const struct ask *ask)
{
	return a->project->endpoints[llm_of(a, ask)->endpoints[0]];
}

struct lane *lane_of(struct annotator *a, const struct ask *ask)
{
	return &a->lanes[project_config_of(a->project, ask->work->name->round)];
}

void status_send(struct annotator *a)
{
	Freeal__Status status = FREEAL__STATUS__INIT;
	for (size_t i = 0; i < ROUND_COUNT_MAX; i++) {
		if (a->lanes[i].blocked_said) {
			status.blocked = true;
			status.reason = a->lanes[i].blocked;
		}
	}
	status.in_flight = a->in_flight;
	status.requests = a->requests;
	status.retries = a->retries;
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

static bool project_usable(const Freeal__Project *p)
{
	if (!p || p->n_labels == 0 || p->n_labels > LABEL_COUNT_MAX || p->n_rounds == 0 ||
	    p->n_rounds > ROUND_COUNT_MAX)
		return false;
	for (size_t i = 0; i < p->n_rounds; i++) {
		const Freeal__Llm *llm = p->rounds[i]->llm;
		if (!llm || llm->n_endpoints == 0)
			return false;
		for (size_t j = 0; j < llm->n_endpoints; j++) {
			if (llm->endpoints[j] >= p->n_endpoints)
				return false;
		}
	}
	return true;
}

/* Requests in flight that a round may have. */
static uint32_t concurrency_of(const struct annotator *a, uint32_t round)
{
	const Freeal__Llm *llm = a->project->rounds[round]->llm;
	uint32_t n = a->project->endpoints[llm->endpoints[0]]->concurrency;
	if (n == 0)
		n = CONCURRENCY_DEFAULT;
	if (n > a->config.concurrency_max)
		n = a->config.concurrency_max;
	return n;
}

void annotator_project(void *context, const Freeal__Welcome *welcome)
{
	struct annotator *a = context;
	const Freeal__Project *p = welcome->project;
	if (a->project && p && p->version == a->project->version) {
		status_send(a); /* it may be another coordinator process */
		return;
	}
	struct answer_labels *labels = NULL;
	Freeal__Project *copy = project_usable(p) ? frame_message_copy(&p->base) : NULL;
	if (!copy || answer_labels_new(copy, &labels) != ERR_OK) {
		log_error("project_unusable", "labels=%zu rounds=%zu", p ? p->n_labels : 0,
			  p ? p->n_rounds : 0);
		if (copy)
			freeal__project__free_unpacked(copy, NULL);
		return;
	}
	answer_labels_free(a->labels);
	if (a->project)
		freeal__project__free_unpacked(a->project, NULL);
	a->labels = labels;
	a->project = copy;
	/* New settings, new luck: what was blocked is tried again at once. */
	for (uint32_t i = 0; i < copy->n_rounds; i++) {
		a->lanes[i].blocked_said = false;
		throttle_init(&a->lanes[i].throttle, concurrency_of(a, i), a->config.probe_ms,
			      hash_mix(a->config.seed, i));
	}
	for (size_t i = copy->n_rounds; i < ROUND_COUNT_MAX; i++) {
		for (struct ask *ask; (ask = lane_pop(&a->lanes[i], UINT64_MAX));)
			ask_return(a, ask, "the round is gone");
	}
	if (a->round >= copy->n_rounds)
		a->round = 0;
	log_info("project", "task=\"%s\" version=%llu labels=%zu rounds=%zu", copy->task,
		 (unsigned long long)copy->version, copy->n_labels, copy->n_rounds);
	status_send(a);
}

void annotator_lease(void *context, const Freeal__Work *work)
{
	struct annotator *a = context;
	a->dirty = true;
	bool known = work->order_case == FREEAL__WORK__ORDER_ANNOTATE ||
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
	a->round = project_config_of(a->project, work->name->round);
	ask_queue_push(&lane_of(a, ask)->ready, ask);
}

void annotator_cancel(void *context, const Freeal__WorkName *name)
{
	struct annotator *a = context;
	if (a->project)
		ask_free(lane_remove(&a->lanes[project_config_of(a->project, name->round)], name));
	/* One in flight ends by itself; its answer is paid for and handed over. */
	a->dirty = true;
}

void annotator_pool(void *context, const Freeal__Pool *pool)
{
	struct annotator *a = context;
	if (pools_add(&a->pools, pool) != ERR_OK)
		log_error("pool_lost", "version=%llu", (unsigned long long)pool->version);
}

void ask_flies(struct annotator *a, struct ask *ask)
{
	assert(a->in_flight < a->config.concurrency_max);
	ask->flying_at = a->in_flight;
	a->flying[a->in_flight++] = ask;
	lane_of(a, ask)->in_flight++;
}

void ask_landed(struct annotator *a, struct ask *ask)
{
	assert(a->flying[ask->flying_at] == ask);
	struct ask *last = a->flying[--a->in_flight];
	a->flying[ask->flying_at] = last;
	last->flying_at = ask->flying_at;
	lane_of(a, ask)->in_flight--;
}

/* Sends an ask's request. A key that is not set blocks the endpoint as a refused one does. */
static void ask_send(struct annotator *a, struct lane *l, struct ask *ask)
{
	struct buf body;
	struct err_msg msg;
	buf_init(&body, PROMPT_BYTES_MAX);
	enum err e = order_body_write(a->project, &a->pools, ask, &body, &msg);
	if (e) {
		buf_done(&body);
		ask_failed(a, ask, "malformed", msg.text);
		return;
	}
	const Freeal__Endpoint *endpoint = endpoint_of(a, ask);
	char url[URL_BYTES_MAX];
	ask->probe = l->throttle.blocked;
	if (ask->probe)
		throttle_probe_sent(&l->throttle, a->now_ms);
	struct client_request request = {.url = url,
					 .key_env = endpoint->key_env,
					 .key_file = endpoint->key_file,
					 .key_header = *endpoint->api_version != '\0',
					 .body = &body,
					 .timeout_ms = endpoint->timeout_ms,
					 .cookie = ask};
	e = client_url_write(endpoint, "/chat/completions", url, sizeof url);
	if (!e)
		e = client_send(a->client, &request);
	buf_done(&body);
	if (e) {
		struct client_reply none = {.transfer = TRANSFER_UNREACHABLE,
					    .retry_after_ms = RETRY_AFTER_NONE,
					    .error = err_str(e),
					    .body = "",
					    .sent_ms = a->now_ms};
		if (e == ERR_NOT_FOUND) {
			none.transfer = TRANSFER_NO_KEY;
			none.error = "";
		}
		ask_flies(a, ask);
		annotator_done(a, ask, &none);
		return;
	}
	if (!ask->first_ms)
		ask->first_ms = a->now_ms;
	ask->usage.requests++;
	a->requests++;
	ask_flies(a, ask);
}

/* Requests in flight and a queue behind them, so that the bus never keeps one waiting.
 * Blocked: one, to probe with. */
static uint32_t credit_of(const struct annotator *a)
{
	if (!a->project)
		return 0;
	uint32_t held = worker_lease_count(a->worker);
	uint32_t wanted = concurrency_of(a, a->round);
	wanted += wanted + 32;
	if (a->lanes[a->round].throttle.blocked)
		wanted = 1;
	return wanted > held ? wanted - held : 0;
}

uint64_t annotator_pump(struct annotator *a)
{
	uint64_t due_ms = UINT64_MAX;
	a->dirty = false;
	size_t rounds = a->project ? a->project->n_rounds : 0;
	for (size_t i = 0; i < rounds; i++) {
		struct lane *l = &a->lanes[i];
		struct ask *ask;
		while (a->in_flight < a->config.concurrency_max &&
		       throttle_room(&l->throttle, l->in_flight, a->now_ms) > 0 &&
		       (ask = lane_pop(l, a->now_ms)))
			ask_send(a, l, ask);
		uint64_t lane_due = lane_due_ms(l, a->now_ms);
		if (a->in_flight < a->config.concurrency_max && lane_due < due_ms)
			due_ms = lane_due;
	}
	worker_credit_set(a->worker, credit_of(a));
	worker_progress_set(a->worker, a->done, 0);
	if (a->project && a->now_ms >= a->status_due_ms && a->in_flight > 0)
		status_send(a);
	return due_ms;
}
