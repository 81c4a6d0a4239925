/*
 * What workers say: hello and goodbye, which leases they still work on, what they give back.
 * Results, streams and what an LLM's replies need have files of their own.
 */
#include "base/log.h"
#include "coordinator/coordinator.h"

#include <stdio.h>
#include <string.h>

static void hello_take(struct coordinator *c, const struct peer_id *from,
		       const Freeal__Hello *hello)
{
	bool known_role = hello->role == FREEAL__ROLE__ANNOTATOR ||
			  hello->role == FREEAL__ROLE__TRAINER ||
			  hello->role == FREEAL__ROLE__SELECTOR;
	if (hello->epoch.len != PEER_EPOCH_BYTES || !known_role) {
		socket_refuse(c->socket, from, "malformed hello");
		return;
	}
	if (!socket_admits(c->socket, from, hello->role))
		return;
	int number = peer_add(c->peers, from, hello, c->now_ms);
	if (number < 0) {
		socket_refuse(c->socket, from, "too many workers");
		return;
	}
	notes_hello(c, (uint32_t)number);
	log_info("hello", "peer=%d role=%d version=%s", number, (int)hello->role, hello->version);
	Freeal__Welcome body = FREEAL__WELCOME__INIT;
	body.project = c->project;
	body.epoch.data = c->epoch;
	body.epoch.len = sizeof c->epoch;
	body.heartbeat_ms = c->ttr_ms / HEARTBEATS_PER_LEASE;
	body.selector = c->selector_endpoint;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_WELCOME;
	e.welcome = &body;
	err_ignore(socket_send(c->socket, from, &e)); /* it says Hello again */
}

static void cancel_send(struct coordinator *c, const struct peer_id *to, Freeal__WorkName **names,
			size_t count)
{
	Freeal__Cancel body = FREEAL__CANCEL__INIT;
	body.names = names;
	body.n_names = count;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_CANCEL;
	e.cancel = &body;
	err_ignore(socket_send(c->socket, to, &e)); /* it renews again */
}

/* The worker's hold on a work goes on; false: it is done, or somebody else has it now. */
static bool name_renew(struct coordinator *c, uint32_t number, const Freeal__WorkName *name,
		       uint32_t attempt)
{
	uint64_t index;
	if (!round_work_index(c->project, &c->state, name, &index) ||
	    agenda_is_settled(c->agenda, index))
		return false;
	const struct lease *lease = lease_find(c->leases, index);
	if (!lease) {
		/* From before a restart: the worker still has it. */
		agenda_take_out(c->agenda, index);
		batches_work_take(c->batches, name);
		if (lease_add(c->leases, index, attempt, 0, number, c->now_ms))
			coordinator_fatal(c, ERR_NO_MEMORY, "lease");
		budget_claim(c, index, attempt);
		return true;
	}
	if (lease->peer != number && lease->peer != LEASE_NOBODY)
		return false;
	/* Of an older attempt: the newer one is on its way to it, or runs out. */
	if (lease->attempt == attempt)
		lease_renew(c->leases, index, number, c->now_ms);
	return true;
}

static void renew_take(struct coordinator *c, uint32_t number, const Freeal__Renew *renew)
{
	struct peer *p = peer_get(c->peers, number);
	p->credit = renew->credit;
	p->done = renew->done;
	p->total = renew->total;
	/* The names that are over come to the front. */
	Freeal__WorkName **over = renew->names;
	size_t over_count = 0;
	for (size_t i = 0; c->phase_entered && i < renew->n_names && i < renew->n_attempts; i++) {
		Freeal__WorkName *name = renew->names[i];
		if (name_renew(c, number, name, renew->attempts[i]))
			continue;
		renew->names[i] = over[over_count];
		over[over_count++] = name;
	}
	if (over_count > 0)
		cancel_send(c, &p->id, over, over_count);
	if (!renew->more)
		holders_tell(c->holders, p->epoch);
}

/* The worker ends in good order, perhaps with leases in its socket that it never read, and with
 * requests on their way whose cost it will not learn. */
static void peer_leave(struct coordinator *c, uint32_t number)
{
	const struct lease *lease;
	if (c->pending.result && peer_id_equal(&c->pending.from, &peer_get(c->peers, number)->id))
		pull_drop(c);
	while ((lease = lease_of(c->leases, number))) {
		reserve_lose(c->reserve, lease->index, lease->attempt);
		dispatch_return(c, lease->index, lease->attempt - 1);
	}
	notes_leave(c, number);
	log_info("peer_left", "peer=%u", number);
	holders_remove(c->holders, peer_get(c->peers, number)->epoch);
	grants_leave(c, peer_get(c->peers, number), true);
	coordinator_peer_forget(c, number);
}

static void return_take(struct coordinator *c, uint32_t number, const Freeal__Return *back)
{
	for (size_t i = 0; i < back->n_names && i < back->n_attempts; i++) {
		uint64_t index;
		if (!c->phase_entered ||
		    !round_work_index(c->project, &c->state, back->names[i], &index))
			continue;
		const struct lease *lease = lease_find(c->leases, index);
		if (!lease || lease->peer != number || lease->attempt != back->attempts[i])
			continue;
		/* Handed back in good order: it was no attempt. */
		dispatch_return(c, index, back->attempts[i] - 1);
	}
	if (back->leaving)
		peer_leave(c, number);
}

static void status_take(struct coordinator *c, uint32_t number, const Freeal__Status *status)
{
	struct peer *p = peer_get(c->peers, number);
	if (status->blocked && !p->blocked)
		log_error("worker_blocked", "peer=%u reason=\"%s\"", number, status->reason);
	if (!status->blocked && p->blocked)
		log_info("worker_goes_on", "peer=%u", number);
	p->blocked = status->blocked;
	(void)snprintf(p->reason, sizeof p->reason, "%s", status->reason);
}

void message_take(struct coordinator *c, const struct peer_id *from, const Freeal__Envelope *e)
{
	if (e->body_case == FREEAL__ENVELOPE__BODY_HELLO) {
		hello_take(c, from, e->hello);
		return;
	}
	int found = peer_find(c->peers, from);
	if (found < 0) {
		socket_refuse(c->socket, from, "hello first");
		return;
	}
	uint32_t number = (uint32_t)found;
	struct peer *p = peer_get(c->peers, number);
	p->heard_ms = c->now_ms;
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_READY:
		p->credit = e->ready->credit;
		break;
	case FREEAL__ENVELOPE__BODY_RENEW:
		renew_take(c, number, e->renew);
		break;
	case FREEAL__ENVELOPE__BODY_RESULTS:
		for (size_t i = 0; i < e->results->n_results; i++)
			result_take(c, number, e->results->results[i]);
		break;
	case FREEAL__ENVELOPE__BODY_RETURN_WORK:
		return_take(c, number, e->return_work);
		break;
	case FREEAL__ENVELOPE__BODY_STATUS:
		status_take(c, number, e->status);
		break;
	case FREEAL__ENVELOPE__BODY_BATCH_NOTE:
		note_take(c, number, e->batch_note);
		break;
	case FREEAL__ENVELOPE__BODY_RECALL:
		recall_queue(c, from, e->recall);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK:
		pull_take(c, e->chunk);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK_REQUEST:
		feed_serve(c, number, e->chunk_request);
		break;
	default:
		break;
	}
}
