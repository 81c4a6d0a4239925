/*
 * The coordinator's loop. A turn: read what came, serve HTTP's requests, let leases end,
 * advance the phases; commit all of it in one transaction; only then acknowledge, and
 * lease out what the new state asks for.
 */
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/stop.h"
#include "coordinator/coordinator.h"
#include "coordinator/kept.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define MESSAGES_PER_TURN_MAX 256
#define POLL_MAX_MS 500
/* A coordinator that stops waits so long for annotators that are stopped with it. */
#define PARTING_MS 500
/* New samples take at most so long of a turn, so that workers don't wait. */
#define INGEST_MS 20
#define INGEST_ROWS 256 /* between looks at the clock */

/* False: there may be more. */
static bool messages_take(struct coordinator *c)
{
	for (int i = 0; c->socket && i < MESSAGES_PER_TURN_MAX && !c->fatal; i++) {
		struct peer_id from;
		struct frame *f;
		struct err_msg msg;
		enum err e = socket_receive(c->socket, &from, &f, &msg);
		if (e == ERR_AGAIN)
			return true;
		if (e) {
			log_warn("message_dropped", "reason=\"%s\"", msg.text);
			if (e == ERR_VERSION)
				socket_refuse(c->socket, &from, msg.text);
			continue;
		}
		message_take(c, &from, frame_envelope(f));
		frame_free(f);
	}
	return !c->socket;
}

/* False: time is up, and rows are left. */
static bool ingest_serve(struct coordinator *c, struct ingest_batch *b)
{
	enum err e = ERR_OK;
	if (!coordinator_txn(c))
		return true;
	do
		e = ingest_put(c->txn, b, INGEST_ROWS, &c->sample_count);
	while (!e && !ingest_is_done(b) && clock_mono_ms(&c->clock) - c->now_ms < INGEST_MS);
	if (!e)
		e = coordinator_labels_reserve(c, c->sample_count);
	if (e)
		coordinator_fatal(c, e, "ingest");
	return ingest_is_done(b);
}

/* False: it needs another turn. */
static bool request_serve(struct coordinator *c, struct inbox_request *r)
{
	bool served = true;
	r->result = ERR_OK;
	c->status_due_ms = 0;
	switch (r->kind) {
	case INBOX_INGEST:
		served = ingest_serve(c, r->batch);
		break;
	case INBOX_START:
		c->state.started = true;
		c->budget_out = NULL;
		c->state.requests_max = r->requests_more ? c->counters.requests + r->requests_more +
							       reserve_lost(c->reserve).requests
							 : 0;
		(void)coordinator_txn(c);
		break;
	case INBOX_STOP:
		c->stopping = true;
		break;
	case INBOX_CACHE_CLEAR: {
		enum err e = coordinator_txn(c) ? kept_clear(c->txn, &c->kept) : ERR_OK;
		if (e)
			coordinator_fatal(c, e, "kept replies");
		break;
	}
	}
	return served;
}

static void requests_take(struct coordinator *c)
{
	size_t most = sizeof c->served / sizeof c->served[0];
	while (c->served_count < most && !c->fatal) {
		struct inbox_request *r = c->serving ? c->serving : inbox_take(c->inbox);
		if (!r)
			return;
		c->serving = request_serve(c, r) ? NULL : r;
		if (c->serving)
			return;
		c->served[c->served_count++] = r;
	}
}

/* A lease that ended: with its worker, or the worker forgot it. An LLM's answer that ends the
 * annotator must not end all of them, nor must what was in hand beside it be given up. */
static void lease_ended(struct coordinator *c, const struct lease *lease)
{
	reserve_lose(c->reserve, lease->index, lease->attempt);
	if (lease->attempt < WORK_ATTEMPTS_MAX && note_work_return(c, lease->index, lease->attempt))
		return;
	bool lost =
	    lease->peer == LEASE_NOBODY && (c->state.phase == FREEAL__PHASE__ANNOTATE_PHASE ||
					    c->state.phase == FREEAL__PHASE__AUGMENT_PHASE);
	enum err e = ERR_OK;
	if (lost && lease->losses + 1 < WORK_LOSSES_MAX)
		e = agenda_suspect(c->agenda, lease->index, lease->attempt, lease->losses + 1);
	else if (lost)
		result_give_up(c, lease->index, "worker_lost");
	else if (lease->attempt >= WORK_ATTEMPTS_MAX)
		result_give_up(c, lease->index, "lease_expired");
	else
		e = agenda_return(c->agenda, lease->index, lease->attempt);
	if (e)
		coordinator_fatal(c, e, "agenda");
}

static void leases_expire(struct coordinator *c)
{
	struct lease lease;
	while (lease_expire(c->leases, c->now_ms, &lease)) {
		c->counters.leases_expired++;
		log_warn("lease_expired", "phase=%s round=%u index=%llu attempt=%u peer=%u",
			 round_phase_name(c->state.phase), c->state.round,
			 (unsigned long long)lease.index, lease.attempt, lease.peer);
		if (c->pending.result && c->pending.index == lease.index)
			pull_drop(c);
		lease_ended(c, &lease);
	}
}

static void peers_expire(struct coordinator *c)
{
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		struct peer *p = peer_get(c->peers, i);
		if (!p || c->now_ms - p->heard_ms < c->ttr_ms / 3 * 2)
			continue;
		log_warn("peer_silent", "peer=%u", i);
		coordinator_peer_forget(c, i);
	}
}

/* Annotators that may get leases from now on go on record first. */
static void holders_keep(struct coordinator *c)
{
	ProtobufCBinaryData epochs[PEER_COUNT_MAX];
	Freeal__HoldersRecord record;
	bool asking = dispatch_role(c->state.phase) == FREEAL__ROLE__ANNOTATOR &&
		      !holders_awaited(c->holders);
	for (uint32_t i = 0; asking && i < peer_end(c->peers); i++) {
		struct peer *p = peer_get(c->peers, i);
		if (!p || p->role != FREEAL__ROLE__ANNOTATOR || p->kept)
			continue;
		p->kept = holders_add(c->holders, p->epoch) == ERR_OK;
		if (p->kept)
			grants_join(c, p);
	}
	if (!holders_changed(c->holders) || !coordinator_txn(c))
		return;
	holders_record(c->holders, epochs, &record);
	enum err e = meta_put(c->txn, "holders", &record.base);
	if (e)
		coordinator_fatal(c, e, "holders");
}

/* One Ack per peer and batch; the order of results is kept. */
static void acks_send(struct coordinator *c)
{
	for (size_t i = 0; i < c->ack_count;) {
		Freeal__WorkName *names[RESULTS_PER_MESSAGE_MAX];
		uint32_t attempts[RESULTS_PER_MESSAGE_MAX];
		size_t n = 0;
		const struct peer_id *to = &c->acks[i].to;
		for (; i < c->ack_count && n < RESULTS_PER_MESSAGE_MAX &&
		       peer_id_equal(&c->acks[i].to, to);
		     i++) {
			names[n] = &c->acks[i].name;
			attempts[n++] = c->acks[i].attempt;
		}
		Freeal__Ack body = FREEAL__ACK__INIT;
		body.names = names;
		body.n_names = n;
		body.attempts = attempts;
		body.n_attempts = n;
		Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
		e.body_case = FREEAL__ENVELOPE__BODY_ACK;
		e.ack = &body;
		err_ignore(socket_send(c->socket, to, &e)); /* else the result comes again */
		crash_point("ack_after");
	}
	c->ack_count = 0;
}

/* Commits the turn and lets those know who wait for it. */
static void turn_commit(struct coordinator *c)
{
	if (c->txn && !c->fatal)
		coordinator_state_put(c);
	if (c->txn && !c->fatal) {
		crash_point("commit_before");
		enum err e = store_commit(c->txn);
		c->txn = NULL;
		crash_point("commit_after");
		if (e)
			coordinator_fatal(c, e, "commit");
	}
	if (c->served_count > 0)
		status_publish(c); /* who is answered finds it there */
	for (size_t i = 0; i < c->served_count; i++) {
		if (c->fatal)
			c->served[i]->result = c->fatal;
		inbox_done(c->inbox, c->served[i]);
	}
	c->served_count = 0;
	if (!c->fatal)
		acks_send(c);
}

/* Time in which this process stood still counts against no worker: what they said meanwhile
 * waits in the socket. */
static void pause_forgive(struct coordinator *c, uint64_t since_ms)
{
	uint64_t ms = c->now_ms - since_ms;
	if (ms <= POLL_MAX_MS + c->ttr_ms / HEARTBEATS_PER_LEASE)
		return;
	log_warn("stood_still", "ms=%llu", (unsigned long long)ms);
	lease_extend(c->leases, ms);
	holders_extend(c->holders, ms);
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		struct peer *p = peer_get(c->peers, i);
		if (p)
			p->heard_ms += ms;
	}
}

static void coordinator_turn(struct coordinator *c)
{
	uint64_t last_ms = c->now_ms;
	c->now_ms = clock_mono_ms(&c->clock);
	pause_forgive(c, last_ms);
	/* What keeps leases and peers alive may still be in the queue. */
	bool drained = messages_take(c);
	struct err_msg notice;
	if (c->socket && socket_notice(c->socket, c->now_ms, &notice))
		log_warn("peers_refused", "%s", notice.text);
	requests_take(c);
	if (drained) {
		peers_expire(c); /* first: whose leases end with them */
		leases_expire(c);
		holders_expire(c->holders, c->now_ms);
		budget_turn(c);
		notes_turn(c);
	}
	if (c->socket) {
		phase_advance(c);
		holders_keep(c);
	}
	turn_commit(c);
	if (c->fatal)
		return;
	notes_send(c); /* before the works that come with them */
	if (c->socket) {
		grants_send(c);
		dispatch_leases(c);
	}
	recalls_answer(c);
	/* Orders only read, though through the writer's transaction: there is nothing to commit. */
	store_abort(c->txn);
	c->txn = NULL;
	if (c->pending.result)
		(void)stream_pull_tick(&c->pending.pull, c->socket, c->now_ms);
	status_publish(c);
}

static void coordinator_wait(struct coordinator *c)
{
	zmq_pollitem_t items[3] = {
	    {.fd = inbox_fd(c->inbox), .events = ZMQ_POLLIN},
	    {.fd = stop_fd(), .events = ZMQ_POLLIN},
	    {.socket = c->socket ? socket_zmq(c->socket) : NULL, .events = ZMQ_POLLIN},
	};
	uint64_t next = lease_next_ms(c->leases), now = clock_mono_ms(&c->clock);
	if (holders_next_ms(c->holders) < next)
		next = holders_next_ms(c->holders);
	if (grants_next_ms(c) < next)
		next = grants_next_ms(c);
	uint64_t wait = next > now && !c->serving ? next - now : 0;
	(void)zmq_poll(items, c->socket ? 3 : 2, (long)(wait < POLL_MAX_MS ? wait : POLL_MAX_MS));
}

static bool holder_is_there(struct coordinator *c)
{
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		const struct peer *p = peer_get(c->peers, i);
		if (p && p->kept)
			return true;
	}
	return false;
}

/* What annotators that end, too, hand back needs not be waited for at the next start. */
static void coordinator_part(struct coordinator *c)
{
	uint64_t until_ms = clock_mono_ms(&c->clock) + PARTING_MS, now_ms;
	c->stopping = true;
	while (!c->fatal && holder_is_there(c) && (now_ms = clock_mono_ms(&c->clock)) < until_ms) {
		zmq_pollitem_t item = {.socket = socket_zmq(c->socket), .events = ZMQ_POLLIN};
		(void)zmq_poll(&item, 1, (long)(until_ms - now_ms));
		coordinator_turn(c);
	}
}

enum err coordinator_run(struct coordinator *c)
{
	while (!c->fatal && !c->stopping && !stop_requested()) {
		coordinator_turn(c);
		if (!c->fatal && !c->stopping)
			coordinator_wait(c);
	}
	coordinator_part(c);
	if (c->serving) {
		c->serving->result = c->fatal ? c->fatal : ERR_CANCELLED;
		inbox_done(c->inbox, c->serving);
	}
	inbox_close(c->inbox);
	return c->fatal;
}
