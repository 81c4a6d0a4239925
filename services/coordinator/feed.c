/*
 * Streams served to trainers: samples from a sample_no on, label changes from a change
 * number on, and the published model. The sender keeps nothing: the request says where to
 * go on.
 */
#include "base/buf.h"
#include "base/limits.h"
#include "coordinator/coordinator.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_PER_CHUNK_MAX 16384

/* Samples from `seq` on, as many as fit; `*ret_next` is behind the last. */
static enum err samples_chunk(struct coordinator *c, uint64_t seq, uint64_t end, struct buf *out,
			      uint64_t *ret_next)
{
	Freeal__SampleRecord **records = calloc(ROWS_PER_CHUNK_MAX, sizeof *records);
	Freeal__SampleRow *rows = calloc(ROWS_PER_CHUNK_MAX, sizeof *rows);
	Freeal__SampleRow **list = calloc(ROWS_PER_CHUNK_MAX, sizeof *list);
	size_t n = 0, bytes = 0;
	enum err e = records && rows && list ? ERR_OK : ERR_NO_MEMORY;
	while (!e && n < ROWS_PER_CHUNK_MAX && bytes < CHUNK_BYTES_TARGET && seq + n < end) {
		e = table_get(coordinator_txn(c), TABLE_SAMPLES, store_key_u64(seq + n),
			      &freeal__sample_record__descriptor, &records[n]);
		if (e)
			break;
		freeal__sample_row__init(&rows[n]);
		rows[n].id = records[n]->id;
		rows[n].text = records[n]->text;
		rows[n].augmented = records[n]->augmented;
		bytes += rows[n].id.len + rows[n].text.len + rows[n].augmented.len + 16;
		list[n] = &rows[n];
		n++;
	}
	if (!e) {
		Freeal__SampleChunk chunk = FREEAL__SAMPLE_CHUNK__INIT;
		chunk.rows = list;
		chunk.n_rows = n;
		void *at = buf_extend(out, freeal__sample_chunk__get_packed_size(&chunk));
		if (at)
			(void)freeal__sample_chunk__pack(&chunk, at);
		*ret_next = seq + n;
		e = buf_error(out);
	}
	for (size_t i = 0; records && i < n; i++)
		frame_message_free(records[i]);
	free(records);
	free(rows);
	free(list);
	return e;
}

/* The changes of a chunk that are sets, and the messages made of them. */
struct candidate_rows {
	Freeal__Candidates *rows;
	Freeal__Candidates **list;
	Freeal__ChangeRecord **changes; /* owned; what the rows point into */
	size_t count;
};

static bool candidate_rows_init(struct candidate_rows *r)
{
	r->rows = calloc(ROWS_PER_CHUNK_MAX, sizeof *r->rows);
	r->list = calloc(ROWS_PER_CHUNK_MAX, sizeof *r->list);
	r->changes = calloc(ROWS_PER_CHUNK_MAX, sizeof *r->changes);
	return r->rows && r->list && r->changes;
}

/* Takes the change over. */
static void candidate_rows_add(struct candidate_rows *r, size_t row, Freeal__ChangeRecord *change)
{
	Freeal__Candidates *c = &r->rows[r->count];
	freeal__candidates__init(c);
	c->row = (uint32_t)row;
	c->class_ids = change->candidates;
	c->n_class_ids = change->n_candidates;
	r->changes[r->count] = change;
	r->list[r->count++] = c;
}

static void candidate_rows_done(struct candidate_rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		frame_message_free(r->changes[i]);
	free(r->rows);
	free(r->list);
	free(r->changes);
}

static enum err changes_chunk(struct coordinator *c, uint64_t seq, struct buf *out,
			      uint64_t *ret_next)
{
	uint64_t *sample_nos = calloc(ROWS_PER_CHUNK_MAX, sizeof *sample_nos);
	int32_t *class_ids = calloc(ROWS_PER_CHUNK_MAX, sizeof *class_ids);
	struct candidate_rows sets = {0};
	size_t n = 0;
	enum err e = sample_nos && class_ids && candidate_rows_init(&sets) ? ERR_OK : ERR_NO_MEMORY;
	while (!e && n < ROWS_PER_CHUNK_MAX && seq + n < c->state.change_count) {
		Freeal__ChangeRecord *change;
		e = table_get(coordinator_txn(c), TABLE_CHANGES, store_key_u64(seq + n),
			      &freeal__change_record__descriptor, &change);
		if (e)
			break;
		if (change->n_candidates > 0)
			candidate_rows_add(&sets, n, change);
		sample_nos[n] = change->sample_no;
		class_ids[n++] = change->class_id;
		if (change->n_candidates == 0)
			frame_message_free(change);
	}
	if (!e) {
		Freeal__ChangeChunk chunk = FREEAL__CHANGE_CHUNK__INIT;
		chunk.candidates = sets.list;
		chunk.n_candidates = sets.count;
		chunk.sample_nos = sample_nos;
		chunk.n_sample_nos = n;
		chunk.class_ids = class_ids;
		chunk.n_class_ids = n;
		void *at = buf_extend(out, freeal__change_chunk__get_packed_size(&chunk));
		if (at)
			(void)freeal__change_chunk__pack(&chunk, at);
		*ret_next = seq + n;
		e = buf_error(out);
	}
	candidate_rows_done(&sets);
	free(sample_nos);
	free(class_ids);
	return e;
}

void feed_serve(struct coordinator *c, uint32_t peer, const Freeal__ChunkRequest *request)
{
	const struct peer_id *to = &peer_get(c->peers, peer)->id;
	if (strcmp(request->stream, "model") == 0) {
		char path[sizeof c->project_dir + 8];
		coordinator_model_path(c, path, sizeof path);
		folder_stream_answer(path, c->socket, to, request);
		return;
	}
	bool samples = strcmp(request->stream, "samples") == 0;
	/* A sample is whole once its second view has been asked for. */
	uint64_t sample_end = c->project->augment ? c->state.augmented_count : c->sample_count;
	uint64_t end = samples ? sample_end : c->state.change_count;
	if ((!samples && strcmp(request->stream, "changes") != 0) || request->next_seq > end) {
		stream_missing_send(c->socket, to, request->stream);
		return;
	}
	struct buf body;
	buf_init(&body, FRAME_BYTES_MAX);
	uint64_t seq = request->next_seq, next = seq;
	uint32_t credit = request->credit < 16 ? request->credit : 16;
	for (uint32_t i = 0; i < credit && !c->fatal; i++) {
		buf_reset(&body);
		enum err e = samples ? samples_chunk(c, seq, end, &body, &next)
				     : changes_chunk(c, seq, &body, &next);
		if (e) {
			coordinator_fatal(c, e, request->stream);
			break;
		}
		/* Not sent: the receiver asks again. */
		if (stream_chunk_send(c->socket, to, request->stream, seq, next, next >= end,
				      buf_str(&body), body.size))
			break;
		seq = next;
		if (next >= end)
			break;
	}
	buf_done(&body);
}
