/*
 * Streams pulled from workers behind a result: selection and nearest rows, the model's
 * files. The result counts with the last chunk, in the same transaction.
 */
#include "base/crash.h"
#include "base/log.h"
#include "coordinator/coordinator.h"
#include "wire/frame.h"

#include <stdio.h>

void pull_drop(struct coordinator *c)
{
	if (c->pending.result)
		freeal__result__free_unpacked(c->pending.result, NULL);
	again_free(c->pending.again);
	c->pending = (struct pending_pull){0};
	folder_writer_free(c->model);
	c->model = NULL;
}

void pull_begin(struct coordinator *c, uint32_t peer, uint64_t index, const Freeal__Result *result)
{
	const struct peer *p = peer_get(c->peers, peer);
	if (c->pending.result && peer_id_equal(&c->pending.from, &p->id))
		return; /* sent again; the pull goes on */
	pull_drop(c);
	size_t packed_bytes;
	c->pending.result = frame_result_copy(result, &packed_bytes);
	c->pending.again = again_new(c->state.sample_count);
	if (!c->pending.result || !c->pending.again) {
		coordinator_fatal(c, ERR_NO_MEMORY, "pull");
		return;
	}
	c->pending.from = p->id;
	c->pending.index = index;
	/* The lease is over; the worker keeps its result until it is acknowledged. */
	lease_renew(c->leases, index, peer, c->now_ms);
	char name[STREAM_NAME_BYTES_MAX] = "model";
	if (c->state.phase == FREEAL__PHASE__SELECT_PHASE)
		(void)snprintf(name, sizeof name, "selection/%u", c->state.round);
	else if (c->state.phase == FREEAL__PHASE__RETRIEVE_PHASE)
		(void)snprintf(name, sizeof name, "nearest/%u/%u", c->state.round,
			       result->name->slot);
	stream_pull_begin(&c->pending.pull, c->socket, &p->id, name, 0, c->now_ms);
}

static enum err selection_put(struct coordinator *c, const ProtobufCBinaryData *body)
{
	Freeal__SelectionChunk *chunk =
	    frame_message_unpack(&freeal__selection_chunk__descriptor, body->data, body->len);
	if (!chunk)
		return ERR_PROTOCOL;
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < chunk->n_rows; i++) {
		const Freeal__SelectionRow *row = chunk->rows[i];
		bool valid = row->sample_no < c->state.sample_count && row->slm_label >= 0 &&
			     row->slm_label < (int32_t)c->project->n_labels;
		e = valid ? table_put(coordinator_txn(c), TABLE_SELECTION,
				      store_key_u64(row->sample_no), &row->base)
			  : ERR_PROTOCOL;
		if (!e && row->ask_again)
			again_add(c->pending.again, row->sample_no);
	}
	if (!e && c->pending.pull.done)
		e = again_put(c->pending.again, coordinator_txn(c));
	frame_message_free(chunk);
	return e;
}

static enum err nearest_put(struct coordinator *c, const ProtobufCBinaryData *body)
{
	Freeal__NearestChunk *chunk =
	    frame_message_unpack(&freeal__nearest_chunk__descriptor, body->data, body->len);
	if (!chunk)
		return ERR_PROTOCOL;
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < chunk->n_rows; i++) {
		const Freeal__NearestRow *row = chunk->rows[i];
		bool valid = row->sample_no < c->state.sample_count;
		for (size_t k = 0; k < row->n_demonstrations; k++)
			valid &= row->demonstrations[k] < c->pool->n_demonstrations;
		e = valid ? table_put(coordinator_txn(c), TABLE_NEAREST,
				      store_key_u32_u64(c->state.round, row->sample_no), &row->base)
			  : ERR_PROTOCOL;
	}
	frame_message_free(chunk);
	return e;
}

/* The checkpoint's files, put at PROJECT/model with the last chunk. */
static enum err model_put(struct coordinator *c, const ProtobufCBinaryData *body)
{
	struct err_msg msg = {0};
	enum err e = ERR_OK;
	if (!c->model) {
		char path[sizeof c->project_dir + 8];
		coordinator_model_path(c, path, sizeof path);
		e = folder_writer_new(path, &c->model, &msg);
	}
	if (!e)
		e = folder_writer_add(c->model, body, &msg);
	if (!e && c->pending.pull.done) {
		crash_point("model_before");
		e = folder_writer_publish(c->model, &msg);
		crash_point("model_after");
	}
	if (e)
		log_error("model_failed", "reason=\"%s\"", msg.text);
	return e;
}

static enum err chunk_put(struct coordinator *c, const Freeal__Chunk *chunk)
{
	switch (c->state.phase) {
	case FREEAL__PHASE__SELECT_PHASE:
		return selection_put(c, &chunk->body);
	case FREEAL__PHASE__RETRIEVE_PHASE:
		return nearest_put(c, &chunk->body);
	default:
		return model_put(c, &chunk->body);
	}
}

void pull_take(struct coordinator *c, const Freeal__Chunk *chunk)
{
	struct pending_pull *p = &c->pending;
	if (!p->result)
		return;
	enum err e = stream_pull_take(&p->pull, c->socket, chunk, c->now_ms);
	if (e == ERR_AGAIN)
		return;
	if (!e)
		e = chunk_put(c, chunk);
	crash_point("pull_chunk");
	const struct lease *lease = lease_find(c->leases, p->index);
	if (!e && lease)
		lease_renew(c->leases, p->index, lease->peer, c->now_ms);
	if (e == ERR_PROTOCOL || e == ERR_NOT_FOUND) {
		log_warn("stream_failed", "stream=%s reason=\"%s\"", p->pull.name, err_str(e));
		pull_drop(c); /* the lease runs out, and the work is done again */
	} else if (e) {
		coordinator_fatal(c, e, p->pull.name);
	} else if (p->pull.done) {
		result_settle(c, p->index, p->result);
		coordinator_ack(c, &p->from, p->result->name, p->result->attempt);
		pull_drop(c);
	}
}
