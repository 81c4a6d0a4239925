/*
 * Jobs at a provider's Batch API: annotators' notes about them, and who looks after a job whose
 * annotator is gone.
 */
#include "base/crash.h"
#include "base/log.h"
#include "coordinator/coordinator.h"

#include <string.h>

/* Dropped where there are too many: the annotator sends its note again. */
static void send_add(struct coordinator *c, const struct peer *to, const void *token, bool whole)
{
	if (c->note_send_count == NOTE_SENDS_MAX)
		return;
	struct note_send *s = &c->note_sends[c->note_send_count++];
	s->to = to->id;
	s->whole = whole;
	memcpy(s->token, token, sizeof s->token);
}

/* The work as an index of this phase, where it is still to be done. */
static bool work_open(const struct coordinator *c, const Freeal__WorkName *name,
		      uint64_t *ret_index)
{
	return c->phase_entered && round_work_index(c->project, &c->state, name, ret_index) &&
	       !agenda_is_settled(c->agenda, *ret_index);
}

/* What the holder does not hold by a lease, it is to get. */
static void works_cover(struct coordinator *c, const Freeal__BatchNote *note)
{
	for (size_t i = 0; i < note->n_names; i++) {
		uint64_t index;
		if (!work_open(c, note->names[i], &index) || lease_find(c->leases, index))
			continue;
		agenda_take_out(c->agenda, index);
		(void)batches_work_return(c->batches, note->names[i], 0);
	}
}

/* The job is over: what it has not answered is anybody's. */
static void works_uncover(struct coordinator *c, uint32_t at)
{
	Freeal__WorkName name;
	uint32_t attempt;
	size_t position = 0;
	while (batches_work_each(c->batches, at, &position, &name, &attempt)) {
		uint64_t index;
		if (!work_open(c, &name, &index) || lease_find(c->leases, index))
			continue;
		if (agenda_return(c->agenda, index, attempt))
			coordinator_fatal(c, ERR_NO_MEMORY, "agenda");
	}
}

static enum err note_end(struct coordinator *c, const Freeal__BatchNote *note,
			 const uint8_t *holder)
{
	for (uint32_t i = 0; i < BATCH_NOTES_MAX; i++) {
		const Freeal__BatchNote *known = batches_at(c->batches, i);
		if (!known || known->token.len != note->token.len ||
		    memcmp(known->token.data, note->token.data, note->token.len) != 0)
			continue;
		if (known->holder.len != PEER_EPOCH_BYTES ||
		    memcmp(known->holder.data, holder, PEER_EPOCH_BYTES) != 0)
			return ERR_INVALID;
		works_uncover(c, i);
		return batches_remove(c->batches, coordinator_txn(c), note->token.data,
				      note->token.len);
	}
	return ERR_OK;
}

void note_take(struct coordinator *c, uint32_t peer, const Freeal__BatchNote *note)
{
	const struct peer *p = peer_get(c->peers, peer);
	if (p->role != FREEAL__ROLE__ANNOTATOR || note->token.len != BATCH_TOKEN_BYTES ||
	    !coordinator_txn(c))
		return;
	bool fresh = !batches_find(c->batches, note->token.data, note->token.len);
	enum err e = note->over ? note_end(c, note, p->epoch)
				: batches_put(c->batches, c->txn, note, p->epoch);
	/* One that was taken for lost and has been replaced is rid of its job, too. */
	if (e == ERR_INVALID && note->over)
		e = ERR_OK;
	if (e == ERR_INVALID || e == ERR_LIMIT) {
		log_warn("note_refused", "peer=%u error=\"%s\"", peer, err_str(e));
		return;
	}
	if (e) {
		coordinator_fatal(c, e, "note");
		return;
	}
	if (fresh && !note->over)
		works_cover(c, note);
	if (note->over || *note->job)
		log_info("batch_job", "peer=%u job=\"%s\" works=%zu over=%d", peer, note->job,
			 note->n_names, (int)note->over);
	send_add(c, p, note->token.data, false);
}

void notes_hello(struct coordinator *c, uint32_t peer)
{
	const struct peer *p = peer_get(c->peers, peer);
	for (uint32_t i = 0; i < BATCH_NOTES_MAX; i++) {
		const Freeal__BatchNote *note = batches_at(c->batches, i);
		if (note && note->holder.len == PEER_EPOCH_BYTES &&
		    memcmp(note->holder.data, p->epoch, PEER_EPOCH_BYTES) == 0)
			send_add(c, p, note->token.data, true);
	}
}

void notes_leave(struct coordinator *c, uint32_t peer)
{
	const struct peer *p = peer_get(c->peers, peer);
	if (p->role != FREEAL__ROLE__ANNOTATOR || !coordinator_txn(c))
		return;
	enum err e = batches_leave(c->batches, c->txn, p->epoch);
	if (e)
		coordinator_fatal(c, e, "note");
}

/* A note none of whose works is open says nothing any more. */
static enum err note_enter(struct coordinator *c, const Freeal__BatchNote *note)
{
	bool any = false;
	uint8_t token[BATCH_TOKEN_BYTES];
	for (size_t k = 0; k < note->n_names; k++) {
		uint64_t index;
		if (!work_open(c, note->names[k], &index))
			continue;
		agenda_take_out(c->agenda, index);
		any = true;
	}
	if (any)
		return ERR_OK;
	struct store_txn *txn = coordinator_txn(c);
	memcpy(token, note->token.data, sizeof token);
	return txn ? batches_remove(c->batches, txn, token, sizeof token) : ERR_OK;
}

void notes_enter(struct coordinator *c)
{
	for (uint32_t i = 0; i < BATCH_NOTES_MAX; i++) {
		const Freeal__BatchNote *note = batches_at(c->batches, i);
		enum err e = note ? note_enter(c, note) : ERR_OK;
		if (e)
			coordinator_fatal(c, e, "note");
	}
}

/* Who may take a note over: an annotator that is there and not blocked, -1: nobody. */
static int holder_find(struct coordinator *c)
{
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		const struct peer *p = peer_get(c->peers, i);
		if (p && p->role == FREEAL__ROLE__ANNOTATOR && !p->blocked && p->credit > 0)
			return (int)i;
	}
	return -1;
}

void notes_turn(struct coordinator *c)
{
	if (batches_count(c->batches) == 0)
		return;
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		const struct peer *p = peer_get(c->peers, i);
		if (p && p->role == FREEAL__ROLE__ANNOTATOR)
			batches_hold(c->batches, p->epoch, p->heard_ms + c->ttr_ms);
	}
	int at, peer;
	while ((at = batches_orphan(c->batches, c->now_ms)) >= 0 && (peer = holder_find(c)) >= 0) {
		const struct peer *p = peer_get(c->peers, (uint32_t)peer);
		struct store_txn *txn = coordinator_txn(c);
		if (!txn)
			return;
		enum err e =
		    batches_give(c->batches, txn, (uint32_t)at, p->epoch, p->heard_ms + c->ttr_ms);
		if (e) {
			coordinator_fatal(c, e, "note");
			return;
		}
		const Freeal__BatchNote *note = batches_at(c->batches, (uint32_t)at);
		log_warn("batch_job_given", "peer=%d job=\"%s\" works=%zu", peer, note->job,
			 note->n_names);
		send_add(c, p, note->token.data, true);
	}
}

void notes_send(struct coordinator *c)
{
	for (size_t i = 0; i < c->note_send_count; i++) {
		struct note_send *s = &c->note_sends[i];
		Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
		Freeal__BatchNoted noted = FREEAL__BATCH_NOTED__INIT;
		noted.token = (ProtobufCBinaryData){sizeof s->token, s->token};
		if (s->whole) {
			e.body_case = FREEAL__ENVELOPE__BODY_BATCH_NOTE;
			e.batch_note = (Freeal__BatchNote *)batches_find(c->batches, s->token,
									 sizeof s->token);
			if (!e.batch_note)
				continue;
		} else {
			e.body_case = FREEAL__ENVELOPE__BODY_BATCH_NOTED;
			e.batch_noted = &noted;
		}
		crash_point("note_before");
		err_ignore(socket_send(c->socket, &s->to, &e)); /* it says it, or Hello, again */
	}
	c->note_send_count = 0;
}

bool note_work_next(struct coordinator *c, uint32_t peer, uint64_t *ret_index,
		    uint32_t *ret_attempt)
{
	const struct peer *p = peer_get(c->peers, peer);
	Freeal__WorkName name;
	while (batches_work_next(c->batches, p->epoch, &name, ret_attempt)) {
		if (!work_open(c, &name, ret_index) || lease_find(c->leases, *ret_index))
			continue;
		agenda_take_out(c->agenda, *ret_index);
		return true;
	}
	return false;
}

bool note_work_return(struct coordinator *c, uint64_t index, uint32_t attempt)
{
	Freeal__WorkName name = round_work_name(c->project, &c->state, index);
	return batches_work_return(c->batches, &name, attempt);
}
