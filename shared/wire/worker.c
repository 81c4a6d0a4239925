#include "wire/worker.h"

#include "base/crash.h"
#include "base/limits.h"
#include "base/rng.h"
#include "wire/held.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define EPOCH_BYTES 16
#define HELLO_RETRY_MS 1000
#define DOWN_POLL_MS 50 /* as often as the socket tries to connect */
#define HEARTBEAT_DEFAULT_MS 1000
#define RESULT_RESEND_MS 5000
#define RETRY_MS 10
#define MESSAGES_PER_DRAIN_MAX 1000

struct worker {
	struct socket *socket;
	struct worker_handler handler;
	Freeal__Role role;
	uint8_t epoch[EPOCH_BYTES];
	uint8_t project_id[PROJECT_ID_BYTES];
	bool project_known;
	bool welcome; /* the coordinator knows us */
	struct rng jitter;
	uint64_t hello_due_ms;
	uint64_t heartbeat_due_ms;
	uint32_t heartbeat_ms;
	uint32_t credit;	/* leases that it could take on top of those held */
	uint32_t capacity_sent; /* credit and leases held, as last told */
	uint64_t done, total;
	struct held_table held;
	uint64_t resend_due_ms;
};

enum err worker_new(void *zmq_context, const char *endpoint, const struct auth *auth,
		    Freeal__Role role, const struct worker_handler *handler,
		    struct worker **ret_worker, struct err_msg *msg)
{
	struct worker *w = calloc(1, sizeof *w);
	if (!w)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a worker");
	w->role = role;
	w->handler = *handler;
	w->heartbeat_ms = HEARTBEAT_DEFAULT_MS;
	held_init(&w->held);
	if (getrandom(w->epoch, sizeof w->epoch, 0) != sizeof w->epoch) {
		free(w);
		return err_set(msg, ERR_IO, "no random numbers");
	}
	enum err e =
	    socket_connect(zmq_context, endpoint, auth, FREEAL__ROLE__COORDINATOR, &w->socket, msg);
	if (e) {
		free(w);
		return e;
	}
	uint64_t seed;
	memcpy(&seed, w->epoch, sizeof seed);
	w->jitter = rng_make(seed);
	*ret_worker = w;
	return ERR_OK;
}

struct socket *worker_socket(const struct worker *w)
{
	return w->socket;
}

enum err worker_send(struct worker *w, Freeal__Envelope *e)
{
	return socket_send(w->socket, NULL, e);
}

static void return_send(struct worker *w, Freeal__Return *body)
{
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_RETURN_WORK;
	e.return_work = body;
	/* Not sent: the lease ends by itself, only later. */
	err_ignore(worker_send(w, &e));
}

void worker_return(struct worker *w, const Freeal__WorkName *name, const char *reason)
{
	struct held **at = held_find(&w->held, name);
	if (!*at || (*at)->result)
		return;
	Freeal__WorkName *names[1] = {&(*at)->name};
	uint32_t attempts[1] = {(*at)->attempt};
	Freeal__Return body = FREEAL__RETURN__INIT;
	body.names = names;
	body.n_names = 1;
	body.attempts = attempts;
	body.n_attempts = 1;
	body.reason = (char *)reason;
	return_send(w, &body);
	held_remove(&w->held, at);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	Freeal__Return body = FREEAL__RETURN__INIT;
	body.reason = (char *)"stopping";
	body.leaving = true;
	if (w->welcome)
		return_send(w, &body);
	while (w->held.list.list_next != &w->held.list)
		held_remove(&w->held, held_find(&w->held, &w->held.list.list_next->name));
	socket_free(w->socket);
	free(w);
}

/* What is held is another project's: its coordinator is gone, and this one has works of
 * the same names. */
static void held_drop(struct worker *w)
{
	while (w->held.list.list_next != &w->held.list) {
		struct held *h = w->held.list.list_next;
		if (!h->result && w->handler.cancel)
			w->handler.cancel(w->handler.context, &h->name);
		held_remove(&w->held, held_find(&w->held, &h->name));
	}
}

static void project_check(struct worker *w, const Freeal__Project *project)
{
	if (!project || project->id.len != PROJECT_ID_BYTES)
		return;
	if (w->project_known && memcmp(project->id.data, w->project_id, PROJECT_ID_BYTES) != 0)
		held_drop(w);
	memcpy(w->project_id, project->id.data, PROJECT_ID_BYTES);
	w->project_known = true;
}

static void welcome_take(struct worker *w, const Freeal__Welcome *welcome)
{
	project_check(w, welcome->project);
	/* Another process, or another connection: what is not acknowledged may be lost. */
	w->resend_due_ms = 0;
	for (struct held *h = w->held.list.list_next; h != &w->held.list; h = h->list_next)
		held_unsend(&w->held, h);
	if (welcome->heartbeat_ms)
		w->heartbeat_ms = welcome->heartbeat_ms;
	w->welcome = true;
	w->capacity_sent = 0;
	w->heartbeat_due_ms = 0; /* what is held is told before more is asked for */
	w->handler.project(w->handler.context, welcome);
}

static void attempt_renew(struct worker *w, struct held *h, uint32_t attempt)
{
	h->attempt = attempt;
	if (h->result) {
		h->result->attempt = attempt;
		held_unsend(&w->held, h);
	}
}

static void lease_take(struct worker *w, const Freeal__Lease *lease)
{
	for (size_t i = 0; i < lease->n_works; i++) {
		const Freeal__Work *work = lease->works[i];
		if (!work->name)
			continue;
		struct held **at = held_find(&w->held, work->name);
		if (*at) {
			/* Held already: the new attempt is the one to answer with. */
			attempt_renew(w, *at, work->attempt);
			continue;
		}
		if (held_add(&w->held, at, work->name, work->attempt))
			w->handler.lease(w->handler.context, work);
		crash_point("worker_lease");
	}
}

static void ack_take(struct worker *w, const Freeal__Ack *ack)
{
	for (size_t i = 0; i < ack->n_names; i++) {
		struct held **at = held_find(&w->held, ack->names[i]);
		if (*at && (*at)->result)
			held_remove(&w->held, at);
	}
}

static void cancel_take(struct worker *w, const Freeal__Cancel *cancel)
{
	for (size_t i = 0; i < cancel->n_names; i++) {
		struct held **at = held_find(&w->held, cancel->names[i]);
		if (*at && !(*at)->result) {
			held_remove(&w->held, at);
			if (w->handler.cancel)
				w->handler.cancel(w->handler.context, cancel->names[i]);
		}
	}
}

static void envelope_take(struct worker *w, const Freeal__Envelope *e)
{
	void *context = w->handler.context;
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_WELCOME:
		welcome_take(w, e->welcome);
		break;
	case FREEAL__ENVELOPE__BODY_REFUSED:
		if (strcmp(e->refused->reason, "hello first") == 0) {
			w->welcome = false;
			w->hello_due_ms = 0;
		} else {
			w->handler.refused(context, e->refused->reason);
		}
		break;
	case FREEAL__ENVELOPE__BODY_LEASE:
		lease_take(w, e->lease);
		break;
	case FREEAL__ENVELOPE__BODY_ACK:
		ack_take(w, e->ack);
		break;
	case FREEAL__ENVELOPE__BODY_CANCEL:
		cancel_take(w, e->cancel);
		break;
	case FREEAL__ENVELOPE__BODY_POOL:
		if (w->handler.pool)
			w->handler.pool(context, e->pool);
		break;
	case FREEAL__ENVELOPE__BODY_GRANT:
		if (w->handler.grant)
			w->handler.grant(context, e->grant);
		break;
	default:
		if (w->handler.other)
			w->handler.other(context, e);
		break;
	}
}

bool worker_drain(struct worker *w)
{
	for (int i = 0; i < MESSAGES_PER_DRAIN_MAX; i++) {
		struct peer_id from;
		struct frame *f;
		struct err_msg msg;
		enum err e = socket_receive(w->socket, &from, &f, &msg);
		if (e == ERR_AGAIN)
			return false;
		if (e == ERR_VERSION)
			w->handler.refused(w->handler.context, msg.text);
		if (e)
			continue;
		envelope_take(w, frame_envelope(f));
		frame_free(f);
	}
	return true;
}

void worker_credit_set(struct worker *w, uint32_t credit)
{
	w->credit = credit;
}

void worker_progress_set(struct worker *w, uint64_t done, uint64_t total)
{
	w->done = done;
	w->total = total;
}

enum err worker_result(struct worker *w, Freeal__Result *result)
{
	assert(result->name);
	crash_point("worker_result");
	struct held **at = held_find(&w->held, result->name);
	bool late = !*at;
	if (*at && (*at)->result)
		return ERR_EXISTS;
	if (!late)
		result->attempt = (*at)->attempt;
	size_t bytes;
	Freeal__Result *copy = frame_result_copy(result, &bytes);
	if (!copy)
		return ERR_NO_MEMORY;
	struct held *h = late ? held_add(&w->held, at, result->name, result->attempt) : *at;
	if (!h) {
		freeal__result__free_unpacked(copy, NULL);
		return ERR_NO_MEMORY;
	}
	held_result_set(&w->held, h, copy, bytes);
	return late ? ERR_NOT_FOUND : ERR_OK;
}

void worker_status(struct worker *w, Freeal__Status *status)
{
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_STATUS;
	e.status = status;
	err_ignore(worker_send(w, &e));
}

uint32_t worker_lease_count(const struct worker *w)
{
	return w->held.lease_count;
}

uint32_t worker_result_count(const struct worker *w)
{
	return w->held.result_count;
}

/* A tenth more or less, so that workers that lost the coordinator together don't come
 * back in one burst. */
static uint64_t jittered(struct worker *w, uint32_t interval_ms)
{
	return interval_ms - interval_ms / 10 + rng_below(&w->jitter, interval_ms / 5 + 1);
}

/* False: nobody is connected yet. */
static bool hello_send(struct worker *w)
{
	Freeal__Hello hello = FREEAL__HELLO__INIT;
	hello.role = w->role;
	hello.epoch.data = w->epoch;
	hello.epoch.len = sizeof w->epoch;
	hello.version = (char *)FREEAL_VERSION;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_HELLO;
	e.hello = &hello;
	return worker_send(w, &e) == ERR_OK;
}

static uint32_t worker_capacity(const struct worker *w)
{
	return w->credit + w->held.lease_count;
}

static void ready_send(struct worker *w)
{
	Freeal__Ready ready = FREEAL__READY__INIT;
	ready.credit = worker_capacity(w);
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_READY;
	e.ready = &ready;
	if (worker_send(w, &e) == ERR_OK)
		w->capacity_sent = ready.credit;
}

/* One Renew a heartbeat, in parts where there are many leases. */
static void heartbeat_send(struct worker *w)
{
	Freeal__WorkName *names[1024];
	uint32_t attempts[1024];
	struct held *h = w->held.list.list_next;
	do {
		size_t n = 0;
		for (; h != &w->held.list && n < 1024; h = h->list_next) {
			if (h->result)
				continue;
			names[n] = &h->name;
			attempts[n++] = h->attempt;
		}
		Freeal__Renew renew = FREEAL__RENEW__INIT;
		renew.names = names;
		renew.n_names = n;
		renew.attempts = attempts;
		renew.n_attempts = n;
		renew.done = w->done;
		renew.total = w->total;
		renew.credit = worker_capacity(w);
		renew.more = h != &w->held.list;
		Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
		e.body_case = FREEAL__ENVELOPE__BODY_RENEW;
		e.renew = &renew;
		if (worker_send(w, &e) != ERR_OK)
			return;
	} while (h != &w->held.list);
}

/* Sends results that were not sent yet. ERR_AGAIN: the socket takes no more. */
static enum err results_send(struct worker *w, uint64_t now_ms)
{
	struct held *h = w->held.list.list_next;
	while (w->held.unsent_count > 0) {
		Freeal__Result *results[RESULTS_PER_MESSAGE_MAX];
		struct held *sent[RESULTS_PER_MESSAGE_MAX];
		size_t n = 0, bytes = 0;
		for (; h != &w->held.list && n < RESULTS_PER_MESSAGE_MAX; h = h->list_next) {
			if (!h->result || h->sent_ms)
				continue;
			if (n > 0 && bytes + h->result_bytes > CHUNK_BYTES_TARGET)
				break;
			bytes += h->result_bytes;
			results[n] = h->result;
			sent[n++] = h;
		}
		if (n == 0)
			return ERR_OK;
		Freeal__Results body = FREEAL__RESULTS__INIT;
		body.results = results;
		body.n_results = n;
		Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
		e.body_case = FREEAL__ENVELOPE__BODY_RESULTS;
		e.results = &body;
		enum err code = worker_send(w, &e);
		if (code)
			return code;
		crash_point("worker_sent");
		for (size_t i = 0; i < n; i++)
			sent[i]->sent_ms = now_ms ? now_ms : 1;
		w->held.unsent_count -= (uint32_t)n;
	}
	return ERR_OK;
}

static void results_resend_due(struct worker *w, uint64_t now_ms)
{
	if (now_ms < w->resend_due_ms)
		return;
	w->resend_due_ms = now_ms + RESULT_RESEND_MS;
	for (struct held *h = w->held.list.list_next; h != &w->held.list; h = h->list_next) {
		if (h->sent_ms && now_ms - h->sent_ms >= RESULT_RESEND_MS)
			held_unsend(&w->held, h);
	}
}

uint64_t worker_tick(struct worker *w, uint64_t now_ms)
{
	if (socket_down(w->socket)) {
		/* The first word on a new connection, and not lost on one that ends. */
		w->welcome = false;
		w->hello_due_ms = 0;
		return now_ms + DOWN_POLL_MS;
	}
	if (!w->welcome) {
		if (now_ms >= w->hello_due_ms) {
			uint32_t wait_ms = hello_send(w) ? HELLO_RETRY_MS : DOWN_POLL_MS;
			w->hello_due_ms = now_ms + jittered(w, wait_ms);
		}
		return w->hello_due_ms;
	}
	if (w->held.result_count > 0)
		results_resend_due(w, now_ms);
	/* Before the heartbeat: behind a Welcome that one ends what there is to tell. */
	enum err sent = results_send(w, now_ms);
	if (sent == ERR_AGAIN)
		return now_ms + RETRY_MS;
	if (now_ms >= w->heartbeat_due_ms) {
		heartbeat_send(w);
		w->heartbeat_due_ms = now_ms + jittered(w, w->heartbeat_ms);
	}
	if (worker_capacity(w) != w->capacity_sent)
		ready_send(w);
	return sent ? now_ms + RETRY_MS : w->heartbeat_due_ms;
}
