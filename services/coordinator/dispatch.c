/*
 * Leases work out: picks open works of the phase for peers with credit and writes their
 * orders. Runs after the commit, so a worker never sees a state that is not on disk.
 */
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "coordinator/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PICKS_PER_PEER 64u /* in one turn */

Freeal__Role dispatch_role(Freeal__Phase phase)
{
	switch (phase) {
	case FREEAL__PHASE__GENERATE_PHASE:
	case FREEAL__PHASE__AUGMENT_PHASE:
	case FREEAL__PHASE__ANNOTATE_PHASE:
		return FREEAL__ROLE__ANNOTATOR;
	case FREEAL__PHASE__EMBED_PHASE:
	case FREEAL__PHASE__TRAIN_PHASE:
	case FREEAL__PHASE__FINAL_TRAIN_PHASE:
	case FREEAL__PHASE__PREDICT_PHASE:
		return FREEAL__ROLE__TRAINER;
	case FREEAL__PHASE__RETRIEVE_PHASE:
	case FREEAL__PHASE__SELECT_PHASE:
		return FREEAL__ROLE__SELECTOR;
	default:
		return FREEAL__ROLE__ROLE_NONE;
	}
}

const Freeal__Llm *dispatch_llm(const struct coordinator *c)
{
	if (dispatch_role(c->state.phase) != FREEAL__ROLE__ANNOTATOR)
		return NULL;
	return c->state.phase == FREEAL__PHASE__AUGMENT_PHASE ? c->project->augment->llm
							      : coordinator_round_config(c)->llm;
}

static enum err pool_send(struct coordinator *c, struct peer *p)
{
	if (!c->pool || p->pool_version == c->state.pool_version)
		return ERR_OK;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_POOL;
	e.pool = c->pool;
	enum err code = socket_send(c->socket, &p->id, &e);
	if (!code)
		p->pool_version = c->state.pool_version;
	return code;
}

/* The work is open again; `attempt` is the last one that counts. */
static void work_return(struct coordinator *c, uint64_t index, uint32_t attempt, uint32_t losses)
{
	if (note_work_return(c, index, attempt))
		return;
	enum err e = losses ? agenda_suspect(c->agenda, index, attempt, losses)
			    : agenda_return(c->agenda, index, attempt);
	if (e)
		coordinator_fatal(c, e, "agenda");
}

void dispatch_return(struct coordinator *c, uint64_t index, uint32_t attempt)
{
	const struct lease *lease = lease_find(c->leases, index);
	uint32_t losses = lease ? lease->losses : 0;
	if (lease)
		reserve_return(c->reserve, index, lease->attempt);
	lease_remove(c->leases, index);
	work_return(c, index, attempt, losses);
}

/* Suspects come last, and to one peer only so many. */
static bool work_next(struct coordinator *c, uint32_t number, uint64_t *ret_index,
		      uint32_t *ret_attempt, uint32_t *ret_losses)
{
	*ret_losses = 0;
	return note_work_next(c, number, ret_index, ret_attempt) ||
	       agenda_next(c->agenda, ret_index, ret_attempt) ||
	       agenda_next_suspect(c->agenda, lease_losses_max(c->leases, number), ret_index,
				   ret_attempt, ret_losses);
}

/* A work that is leased and not yet sent. */
struct pick {
	uint64_t index;
	uint32_t attempt;
	uint32_t peer;
};

/* Leases up to `most` works to a peer, and reserves what they may cost. */
static size_t works_pick(struct coordinator *c, uint32_t number, size_t most, struct pick *picks)
{
	size_t count = 0;
	while (count < most && !c->fatal) {
		uint64_t index;
		uint32_t attempt, losses;
		if (!work_next(c, number, &index, &attempt, &losses))
			break;
		if (lease_find(c->leases, index))
			continue;
		enum err e = dispatch_llm(c) ? budget_reserve(c, index, attempt) : ERR_OK;
		if (e == ERR_LIMIT) {
			work_return(c, index, attempt - 1, losses);
			break;
		}
		if (!e)
			e = lease_add(c->leases, index, attempt, losses, number, c->now_ms);
		if (e) {
			coordinator_fatal(c, e, "lease");
			break;
		}
		picks[count++] = (struct pick){index, attempt, number};
	}
	return count;
}

static enum err orders_send(struct coordinator *c, const struct peer *p, struct order *orders,
			    size_t count)
{
	Freeal__Work *works[PICKS_PER_PEER];
	for (size_t i = 0; i < count; i++)
		works[i] = &orders[i].work;
	Freeal__Lease lease = FREEAL__LEASE__INIT;
	lease.works = works;
	lease.n_works = count;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_LEASE;
	e.lease = &lease;
	crash_point("lease_before");
	enum err sent = count > 0 ? socket_send(c->socket, &p->id, &e) : ERR_OK;
	crash_point("lease_after");
	return sent;
}

/* Sends what one peer got, in as many messages as it takes; how many works. Those that could not
 * be sent are open again. */
static size_t picks_send(struct coordinator *c, const struct pick *picks, size_t count)
{
	struct peer *p = peer_get(c->peers, picks[0].peer);
	size_t sent_count = 0;
	enum err sent = ERR_OK;
	for (size_t at = 0; at < count && !c->fatal;) {
		struct order orders[PICKS_PER_PEER];
		size_t n = 0, bytes = 0;
		enum err e = ERR_OK;
		for (; !e && at + n < count && bytes < CHUNK_BYTES_TARGET; n++) {
			const struct pick *k = &picks[at + n];
			e = order_make(c, &orders[n], k->index, k->attempt);
			bytes += e ? 0 : freeal__work__get_packed_size(&orders[n].work);
		}
		if (e)
			coordinator_fatal(c, e, "order");
		else if (!sent)
			sent = orders_send(c, p, orders, n);
		for (size_t i = 0; i < n; i++) {
			order_done(&orders[i]);
			if (sent && !e)
				dispatch_return(c, picks[at + i].index, picks[at + i].attempt - 1);
		}
		sent_count += sent ? 0 : n;
		at += n;
	}
	/* It has closed its socket; what it said before, such as goodbye, may still be unread. */
	if (sent == ERR_NOT_FOUND)
		p->credit = 0;
	return sent_count;
}

static uint32_t peer_room(struct coordinator *c, uint32_t number, const struct peer *p)
{
	if (p->role == FREEAL__ROLE__ANNOTATOR && !(p->kept && p->usable))
		return 0;
	uint32_t held = lease_count_of(c->leases, number);
	return p->credit > held ? p->credit - held : 0;
}

/* Too quiet to be given more: paused, or cut off. What it holds is still its own. */
static bool peer_quiet(const struct coordinator *c, const struct peer *p)
{
	uint64_t heartbeat_ms = c->ttr_ms / HEARTBEATS_PER_LEASE;
	return c->now_ms - p->heard_ms > HEARTBEATS_MISSED_MAX * heartbeat_ms;
}

bool dispatch_waits_for_trainer(const struct coordinator *c)
{
	if (c->state.phase != FREEAL__PHASE__GENERATE_PHASE ||
	    strcmp(c->project->model->type, "encoder") != 0)
		return false;
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		const struct peer *p = peer_get(c->peers, i);
		if (p && p->role == FREEAL__ROLE__TRAINER && p->credit > 0)
			return false;
	}
	return true;
}

/* Works for a peer that can take some; 0: none. */
static size_t peer_pick(struct coordinator *c, uint32_t number, struct pick *picks)
{
	struct peer *p = peer_get(c->peers, number);
	if (!p || p->role != dispatch_role(c->state.phase) || peer_quiet(c, p))
		return 0;
	size_t room = peer_room(c, number, p);
	if (room == 0 || pool_send(c, p) != ERR_OK)
		return 0;
	return works_pick(c, number, room < PICKS_PER_PEER ? room : PICKS_PER_PEER, picks);
}

/* What is reserved is on disk before anybody can spend it. */
static bool reservations_commit(struct coordinator *c)
{
	if (!coordinator_txn(c))
		return false;
	coordinator_state_put(c);
	crash_point("reserve_before");
	enum err e = c->fatal ? c->fatal : store_commit(c->txn);
	c->txn = NULL;
	crash_point("reserve_after");
	if (e)
		coordinator_fatal(c, e, "commit");
	return !c->fatal;
}

/* All peers get theirs, then one commit, then it is sent. True: there may be more. */
static bool leases_reserve(struct coordinator *c)
{
	static const size_t most = (size_t)PICKS_PER_PEER * 64;
	struct pick *picks = malloc(most * sizeof *picks);
	size_t count = 0, sent = 0;
	if (!picks) {
		coordinator_fatal(c, ERR_NO_MEMORY, "leases");
		return false;
	}
	for (bool any = true; any && !c->fatal;) {
		size_t before = count;
		for (uint32_t i = 0; i < peer_end(c->peers) && count + PICKS_PER_PEER <= most; i++)
			count += peer_pick(c, i, picks + count);
		any = count > before;
	}
	bool stored = count > 0 && reservations_commit(c);
	for (size_t at = 0; stored && at < count;) {
		size_t n = 1;
		while (at + n < count && n < PICKS_PER_PEER && picks[at + n].peer == picks[at].peer)
			n++;
		sent += picks_send(c, picks + at, n);
		at += n;
	}
	free(picks);
	return sent > 0;
}

/* A turn each, so that replicas share the work evenly. True: there may be more. */
static bool leases_give(struct coordinator *c)
{
	struct pick picks[PICKS_PER_PEER];
	bool any = false;
	for (uint32_t i = 0; i < peer_end(c->peers) && !c->fatal; i++) {
		size_t count = peer_pick(c, i, picks);
		any |= count > 0 && picks_send(c, picks, count) > 0;
	}
	return any;
}

void dispatch_leases(struct coordinator *c)
{
	Freeal__Role role = dispatch_role(c->state.phase);
	if (role == FREEAL__ROLE__ROLE_NONE || c->stopping || c->failed[0] || !c->phase_entered ||
	    dispatch_waits_for_trainer(c))
		return;
	/* Of before the restart: who has what is not known yet. */
	if (role == FREEAL__ROLE__ANNOTATOR && holders_awaited(c->holders))
		return;
	bool reserved = role == FREEAL__ROLE__ANNOTATOR && budget_is_durable(c);
	while (!c->fatal && (reserved ? leases_reserve(c) : leases_give(c)))
		;
}
