#include "cli/samples.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/stop.h"
#include "proto/ingest.pb-c.h"

#include <poll.h>
#include <sodium.h>
#include <stdlib.h>

#define BATCH_ROWS_MAX 16384u
#define BATCH_BYTES (4u << 20)
/* With the last row. */
#define BATCH_BYTES_MAX (BATCH_BYTES + 2 * SAMPLE_BYTES_MAX + ID_BYTES_MAX)
/* What its sizes and tags add. */
#define BODY_BYTES_MAX (BATCH_BYTES_MAX + BATCH_ROWS_MAX * 20u + 100u)
#define LINGER_MS 200 /* of a row in a batch that isn't full */
#define LOOK_MS 100   /* at a file that may have grown */

struct batch {
	struct buf data; /* as in Freeal__SampleBatch */
	uint32_t id_bytes[BATCH_ROWS_MAX];
	uint32_t text_bytes[BATCH_ROWS_MAX];
	uint32_t augmented_bytes[BATCH_ROWS_MAX];
	uint32_t golds[BATCH_ROWS_MAX];
	uint64_t lines[BATCH_ROWS_MAX]; /* in the input */
	size_t count;
	bool augmented, gold; /* some row has one */
	uint64_t due_ms;
	uint8_t id[16];
	struct buf body;
};

/* One samples_post. */
struct posting {
	struct session *session;
	struct source *source;
	source_reject_fn *reject;
	void *context;
	struct samples_counts counts;
	struct batch *batch;
	bool broken; /* a batch could not be posted */
};

enum err samples_check(const char *path, const struct source_options *options, struct err_msg *msg)
{
	struct source *source;
	enum err e = source_open(path, options, &source, msg);
	if (e)
		return e;
	struct source_row row;
	do
		e = source_next(source, &row, msg);
	while (!e && row.text);
	source_free(source);
	return e;
}

static struct batch *batch_new(void)
{
	struct batch *b = calloc(1, sizeof *b);
	if (b) {
		buf_init(&b->data, BATCH_BYTES_MAX);
		buf_init(&b->body, BODY_BYTES_MAX);
	}
	return b;
}

static void batch_free(struct batch *b)
{
	if (!b)
		return;
	buf_done(&b->data);
	buf_done(&b->body);
	free(b);
}

static bool batch_is_full(const struct batch *b)
{
	return b->count == BATCH_ROWS_MAX || b->data.size >= BATCH_BYTES;
}

static void batch_add(struct batch *b, const struct source_row *row)
{
	buf_add(&b->data, row->id, row->id_size);
	buf_add(&b->data, row->text, row->text_size);
	if (row->augmented)
		buf_add(&b->data, row->augmented, row->augmented_size);
	b->id_bytes[b->count] = (uint32_t)row->id_size;
	b->text_bytes[b->count] = (uint32_t)row->text_size;
	b->augmented_bytes[b->count] = row->augmented ? (uint32_t)row->augmented_size : 0;
	b->golds[b->count] = (uint32_t)(row->gold + 1);
	b->lines[b->count] = row->line;
	b->augmented = b->augmented || row->augmented;
	b->gold = b->gold || row->gold >= 0;
	b->count++;
}

static enum err batch_pack(struct batch *b, struct err_msg *msg)
{
	Freeal__SampleBatch m = FREEAL__SAMPLE_BATCH__INIT;
	m.data = (ProtobufCBinaryData){b->data.size, (uint8_t *)b->data.data};
	m.id_bytes = b->id_bytes;
	m.text_bytes = b->text_bytes;
	m.augmented_bytes = b->augmented_bytes;
	m.golds = b->golds;
	m.n_id_bytes = m.n_text_bytes = b->count;
	m.n_augmented_bytes = b->augmented ? b->count : 0;
	m.n_golds = b->gold ? b->count : 0;
	randombytes_buf(b->id, sizeof b->id);
	m.batch_id = (ProtobufCBinaryData){sizeof b->id, b->id};
	buf_reset(&b->body);
	uint8_t *to = buf_extend(&b->body, freeal__sample_batch__get_packed_size(&m));
	if (buf_error(&b->data) || !to)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a batch of samples");
	(void)freeal__sample_batch__pack(&m, to);
	return ERR_OK;
}

/* The reply says what became of each row. */
static void batch_settle(struct posting *p, const json_t *reply)
{
	const struct batch *b = p->batch;
	p->counts.accepted += (uint64_t)json_integer_value(json_object_get(reply, "accepted"));
	p->counts.duplicates += (uint64_t)json_integer_value(json_object_get(reply, "duplicates"));
	size_t i;
	const json_t *one;
	json_array_foreach(json_object_get(reply, "rejected"), i, one)
	{
		const char *reason = json_string_value(json_object_get(one, "reason"));
		json_int_t line = json_integer_value(json_object_get(one, "line"));
		bool known = line >= 1 && (size_t)line <= b->count;
		p->counts.rejected++;
		p->reject(p->context, known ? b->lines[line - 1] : 0, reason ? reason : "refused");
	}
}

static enum err batch_post(struct posting *p, struct err_msg *msg)
{
	struct batch *b = p->batch;
	json_t *reply;
	if (b->count == 0)
		return ERR_OK;
	enum err e = batch_pack(b, msg);
	if (!e)
		e = session_json(p->session, "/v1/samples/packed", b->body.data, b->body.size,
				 &reply, msg);
	p->broken = e != ERR_OK;
	if (e)
		return e;
	batch_settle(p, reply);
	json_decref(reply);
	buf_reset(&b->data);
	b->count = 0;
	b->augmented = b->gold = false;
	if (p->counts.rejected > 0 && source_is_strict(p->source))
		return err_set(msg, ERR_INVALID, "%llu rows were refused",
			       (unsigned long long)p->counts.rejected);
	return ERR_OK;
}

/* No row is there: posts those that have waited long enough, or waits for some. */
static enum err posting_wait(struct posting *p, struct err_msg *msg)
{
	uint64_t now_ms = session_now_ms(p->session);
	if (p->batch->count > 0 && now_ms >= p->batch->due_ms)
		return batch_post(p, msg);
	uint64_t left_ms = p->batch->count > 0 ? p->batch->due_ms - now_ms : LOOK_MS;
	struct pollfd fds[] = {
	    {.fd = stop_fd(), .events = POLLIN},
	    {.fd = source_fd(p->source), .events = POLLIN},
	};
	(void)poll(fds, 2, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS));
	return session_wait(p->session, 0, msg);
}

/* Reads and posts until the source's end or fault. */
static enum err posting_run(struct posting *p, struct err_msg *msg)
{
	for (;;) {
		struct source_row row;
		enum err e = source_next(p->source, &row, msg);
		if (e == ERR_AGAIN) {
			e = posting_wait(p, msg);
		} else if (!e) {
			if (!row.text)
				return ERR_OK;
			if (p->batch->count == 0)
				p->batch->due_ms = session_now_ms(p->session) + LINGER_MS;
			batch_add(p->batch, &row);
			if (batch_is_full(p->batch))
				e = batch_post(p, msg);
			if (!e && p->batch->count == 0 && stop_requested())
				e = err_set(msg, ERR_CANCELLED, "stopped");
		}
		if (e)
			return e;
	}
}

enum err samples_post(struct session *s, struct source *source, source_reject_fn *reject,
		      void *context, struct samples_counts *ret_counts, struct err_msg *msg)
{
	struct posting p = {.session = s, .source = source, .reject = reject, .context = context};
	p.batch = batch_new();
	*ret_counts = (struct samples_counts){0};
	if (!p.batch)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a batch of samples");
	enum err e = posting_run(&p, msg);
	/* The fault's message stays unless the rest can't be posted either. */
	struct err_msg why = {{0}};
	enum err rest = p.broken ? ERR_OK : batch_post(&p, &why);
	if (rest)
		e = err_set(msg, rest, "%s", why.text);
	p.counts.duplicates += source_counts(source).duplicates;
	*ret_counts = p.counts;
	batch_free(p.batch);
	return e;
}
