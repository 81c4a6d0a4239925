#include "selector_peers.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ROWS_PER_CHUNK 100
#define WAIT_MS 30000

/* --- data --- */

static void data_make(struct peers *p)
{
	struct rng r = rng_make(5);
	for (int i = 0; i < SAMPLE_COUNT; i++) {
		int c = i % CLASS_COUNT;
		double sum = 0, logits[CLASS_COUNT];
		p->gold[i] = p->labels[i] = c;
		if (rng_double(&r) < 0.1)
			p->labels[i] = (c + 1) % CLASS_COUNT;
		if (i % 50 == 7)
			p->labels[i] = -1;
		for (int k = 0; k < CLASS_COUNT; k++) {
			logits[k] = exp(rng_normal(&r) + (k == c ? 3 : 0));
			sum += logits[k];
		}
		for (int k = 0; k < CLASS_COUNT; k++)
			p->probabilities[i][k] = (float)(logits[k] / sum);
		for (int d = 0; d < DIMENSIONS; d++)
			p->vectors[i][d] = (float)(rng_normal(&r) + (d == c ? 2 : 0) + 1);
	}
	for (int i = 0; i < GENERATED_COUNT; i++)
		for (int d = 0; d < DIMENSIONS; d++)
			p->generated[i][d] =
			    (float)(rng_normal(&r) + (d == i % CLASS_COUNT ? 2 : 0) + 1);
}

/* --- the process --- */

void selector_start(struct peers *p)
{
	char *const argv[] = {
	    "freeal-selector", "--coordinator", p->bus, "--data",	  p->data, "--bind",
	    p->bind,	       "--log-level",	"warn", "--parent-death", NULL};
	p->pid = process_start(argv);
}

int selector_stop(struct peers *p, int signal_number)
{
	int code = process_stop(&p->pid, signal_number, 4000);
	p->selector.size = 0;
	return code;
}

int peers_setup(void **state)
{
	struct peers *p = calloc(1, sizeof *p);
	struct err_msg msg;
	assert_non_null(p);
	(void)snprintf(p->dir, sizeof p->dir, "/tmp/freeal-selector-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->bus, sizeof p->bus, "ipc://%s/bus", p->dir);
	(void)snprintf(p->bind, sizeof p->bind, "ipc://%s/selector", p->dir);
	(void)snprintf(p->data, sizeof p->data, "%s/data", p->dir);
	data_make(p);
	p->zmq = zmq_ctx_new();
	assert_int_equal(socket_bind(p->zmq, p->bus, NULL, &p->coordinator, &msg), ERR_OK);
	assert_int_equal(
	    socket_connect(p->zmq, p->bind, NULL, FREEAL__ROLE__COORDINATOR, &p->trainer, &msg),
	    ERR_OK);
	selector_start(p);
	*state = p;
	return 0;
}

int peers_teardown(void **state)
{
	struct peers *p = *state;
	int linger_ms = 0;
	process_kill(p->pid);
	if (p->result)
		freeal__result__free_unpacked(p->result, NULL);
	(void)zmq_setsockopt(socket_zmq(p->trainer), ZMQ_LINGER, &linger_ms, sizeof linger_ms);
	socket_free(p->coordinator);
	socket_free(p->trainer);
	(void)zmq_ctx_term(p->zmq);
	int gone = folder_remove(p->dir);
	free(p);
	return gone;
}

/* --- the coordinator --- */

static void results_take(struct peers *p, const Freeal__Results *body)
{
	for (size_t i = 0; i < body->n_results; i++) {
		if (p->result)
			freeal__result__free_unpacked(p->result, NULL);
		p->result = result_take(p->coordinator, &p->selector, body->results[i]);
		p->result_count++;
	}
}

static void selection_take(struct peers *p, const Freeal__Chunk *chunk)
{
	Freeal__SelectionChunk *body = frame_message_unpack(&freeal__selection_chunk__descriptor,
							    chunk->body.data, chunk->body.len);
	assert_non_null(body);
	for (size_t i = 0; i < body->n_rows; i++) {
		assert_int_equal(body->rows[i]->sample_no, p->selection_count);
		p->selection[p->selection_count++] = *body->rows[i];
	}
	frame_message_free(body);
}

static void nearest_take(struct peers *p, const Freeal__Chunk *chunk)
{
	Freeal__NearestChunk *body = frame_message_unpack(&freeal__nearest_chunk__descriptor,
							  chunk->body.data, chunk->body.len);
	assert_non_null(body);
	for (size_t i = 0; i < body->n_rows; i++) {
		const Freeal__NearestRow *row = body->rows[i];
		assert_true(row->sample_no < SAMPLE_COUNT && row->n_demonstrations <= 8);
		memcpy(p->nearest[row->sample_no], row->demonstrations,
		       row->n_demonstrations * sizeof(uint32_t));
		p->nearest_counts[row->sample_no] = (uint32_t)row->n_demonstrations;
	}
	p->nearest_count += body->n_rows;
	frame_message_free(body);
}

static void chunk_take(struct peers *p, struct socket *s, const Freeal__Chunk *chunk)
{
	if (chunk->error[0]) {
		p->missing_count++;
		p->pull.active = false;
		return;
	}
	if (stream_pull_take(&p->pull, s, chunk, now()) != ERR_OK)
		return;
	if (strncmp(chunk->stream, "nearest/", 8) == 0)
		nearest_take(p, chunk);
	else
		selection_take(p, chunk);
	p->pull_done += chunk->last;
}

static void coordinator_take(struct peers *p, const Freeal__Envelope *e)
{
	if (e->body_case == FREEAL__ENVELOPE__BODY_HELLO) {
		welcome_send(p->coordinator, &p->selector, "");
		p->welcome_count++;
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_RESULTS) {
		results_take(p, e->results);
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK) {
		chunk_take(p, p->coordinator, e->chunk);
	}
}

void pool_send(struct peers *p, const Freeal__Pool *pool)
{
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_POOL;
	e.pool = (Freeal__Pool *)pool;
	assert_int_equal(socket_send(p->coordinator, &p->selector, &e), ERR_OK);
}

void pool_generated_send(struct peers *p)
{
	Freeal__Demonstration items[GENERATED_COUNT], *list[GENERATED_COUNT];
	for (size_t i = 0; i < GENERATED_COUNT; i++) {
		freeal__demonstration__init(&items[i]);
		items[i].generated = true;
		items[i].sample_no = i;
		items[i].class_id = i % CLASS_COUNT;
		list[i] = &items[i];
	}
	Freeal__Pool pool = FREEAL__POOL__INIT;
	pool.version = 1;
	pool.demonstrations = list;
	pool.n_demonstrations = GENERATED_COUNT;
	pool_send(p, &pool);
}

void select_lease(struct peers *p, uint32_t round, uint32_t pool, double relabel)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__SELECT;
	name.round = round;
	Freeal__SelectOrder order = FREEAL__SELECT_ORDER__INIT;
	order.sample_count = SAMPLE_COUNT;
	order.folds = FOLD_COUNT;
	order.pool_version = round + 2;
	order.pool = pool;
	order.relabel = relabel;
	order.pool_version_old = 1;
	order.vocabulary_count = SAMPLE_COUNT;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.order_case = FREEAL__WORK__ORDER_SELECT;
	work.select = &order;
	lease_send(p->coordinator, &p->selector, &work);
}

void retrieve_lease(struct peers *p, uint32_t round, uint64_t pool_version, bool all)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__RETRIEVE;
	name.round = round;
	Freeal__RetrieveOrder order = FREEAL__RETRIEVE_ORDER__INIT;
	order.sample_count = SAMPLE_COUNT;
	order.pool_version = pool_version;
	order.shots = 6;
	order.all = all;
	order.selection_round = round ? round - 1 : 0;
	order.from = all ? 0 : SAMPLE_COUNT;
	order.vocabulary_count = SAMPLE_COUNT;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.order_case = FREEAL__WORK__ORDER_RETRIEVE;
	work.retrieve = &order;
	lease_send(p->coordinator, &p->selector, &work);
}

/* --- the trainer --- */

static void body_send(struct peers *p, const char *stream, uint64_t seq, bool last,
		      const ProtobufCMessage *body)
{
	size_t bytes = protobuf_c_message_get_packed_size(body);
	uint8_t *data = malloc(bytes + 1);
	assert_non_null(data);
	(void)protobuf_c_message_pack(body, data);
	assert_int_equal(
	    stream_chunk_send(p->trainer, NULL, stream, seq, seq + 1, last, data, bytes), ERR_OK);
	free(data);
}

/* Samples seq · ROWS_PER_CHUNK and on; of a fold those with sample_no % FOLD_COUNT == fold.
 * Losses are of the labelled ones. */
static void rows_send(struct peers *p, const char *stream, uint64_t seq)
{
	uint64_t nos[ROWS_PER_CHUNK];
	int32_t labels[ROWS_PER_CHUNK];
	float values[ROWS_PER_CHUNK * CLASS_COUNT], losses[ROWS_PER_CHUNK];
	size_t n = 0;
	unsigned round = 0, fold = 0;
	bool oof = sscanf(stream, "oof/%u/%u", &round, &fold) == 2;
	for (uint64_t i = seq * ROWS_PER_CHUNK; i < (seq + 1) * ROWS_PER_CHUNK; i++) {
		if (oof ? i % FOLD_COUNT != fold : p->labels[i] < 0)
			continue;
		nos[n] = i;
		labels[n] = p->labels[i];
		memcpy(values + n * CLASS_COUNT, p->probabilities[i], sizeof p->probabilities[i]);
		if (p->broken_probability != 0 && i == 900)
			values[n * CLASS_COUNT] = p->broken_probability;
		losses[n] = labels[n] < 0 ? 0 : -logf(p->probabilities[i][p->labels[i]]);
		n++;
	}
	bool last = (seq + 1) * ROWS_PER_CHUNK >= SAMPLE_COUNT;
	Freeal__OofChunk rows = FREEAL__OOF_CHUNK__INIT;
	rows.sample_nos = nos;
	rows.class_ids = labels;
	rows.probabilities = values;
	rows.n_sample_nos = rows.n_class_ids = n;
	rows.n_probabilities = n * CLASS_COUNT;
	Freeal__LossChunk loss = FREEAL__LOSS_CHUNK__INIT;
	loss.sample_nos = nos;
	loss.class_ids = labels;
	loss.losses = losses;
	loss.n_sample_nos = loss.n_class_ids = loss.n_losses = n;
	body_send(p, stream, seq, last, oof ? &rows.base : &loss.base);
}

static void vectors_send(struct peers *p, const char *stream, uint64_t seq)
{
	bool pool = strncmp(stream, "pool/", 5) == 0;
	Freeal__VectorChunk rows = FREEAL__VECTOR_CHUNK__INIT;
	size_t n = pool ? GENERATED_COUNT : ROWS_PER_CHUNK;
	rows.first = pool ? 0 : seq * ROWS_PER_CHUNK;
	rows.dimensions = DIMENSIONS;
	rows.vectors.data = (uint8_t *)(pool ? p->generated[0] : p->vectors[rows.first]);
	rows.vectors.len = n * DIMENSIONS * sizeof(float);
	body_send(p, stream, seq, pool || rows.first + n >= SAMPLE_COUNT, &rows.base);
}

static void request_take(struct peers *p, const Freeal__ChunkRequest *r)
{
	bool rows = strncmp(r->stream, "oof/", 4) == 0 || strncmp(r->stream, "loss/", 5) == 0;
	for (uint64_t seq = r->next_seq; seq < r->next_seq + r->credit; seq++) {
		if (seq * ROWS_PER_CHUNK >= SAMPLE_COUNT)
			break;
		if (rows)
			rows_send(p, r->stream, seq);
		else
			vectors_send(p, r->stream, seq);
	}
}

static void trainer_take(struct peers *p, const Freeal__Envelope *e)
{
	if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK_REQUEST) {
		request_take(p, e->chunk_request);
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK) {
		chunk_take(p, p->trainer, e->chunk);
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_STORED) {
		(void)snprintf(p->refusal, sizeof p->refusal, "%s", e->stored->error);
		p->stored_count++;
	}
}

void offer(struct peers *p, const char *stream)
{
	uint32_t want = p->stored_count + 1;
	uint64_t end_ms = now() + WAIT_MS;
	while (p->stored_count < want) {
		uint32_t never = 0;
		assert_true(now() < end_ms);
		stream_offer_send(p->trainer, NULL, stream, SAMPLE_COUNT);
		for (int i = 0; i < 20 && p->stored_count < want; i++)
			wait_for(p, &never, 0);
	}
}

void offer_round(struct peers *p, uint32_t round)
{
	char name[STREAM_NAME_BYTES_MAX];
	for (uint32_t fold = 0; fold < FOLD_COUNT; fold++) {
		(void)snprintf(name, sizeof name, "oof/%u/%u", round, fold);
		offer(p, name);
	}
}

/* --- both --- */

static void drain(struct peers *p)
{
	struct peer_id from;
	struct frame *f;
	struct err_msg msg;
	while (socket_receive(p->coordinator, &from, &f, &msg) == ERR_OK) {
		p->selector = from;
		coordinator_take(p, frame_envelope(f));
		frame_free(f);
	}
	while (socket_receive(p->trainer, &from, &f, &msg) == ERR_OK) {
		trainer_take(p, frame_envelope(f));
		frame_free(f);
	}
}

void wait_for(struct peers *p, const uint32_t *what, uint32_t want)
{
	uint64_t end_ms = now() + WAIT_MS;
	do {
		zmq_pollitem_t items[2] = {
		    {.socket = socket_zmq(p->coordinator), .events = ZMQ_POLLIN},
		    {.socket = socket_zmq(p->trainer), .events = ZMQ_POLLIN},
		};
		(void)zmq_poll(items, 2, 20);
		drain(p);
		assert_true(now() < end_ms);
	} while (*what < want);
}

const Freeal__Result *wait_result(struct peers *p)
{
	wait_for(p, &p->result_count, p->result_count + 1);
	return p->result;
}

void pull_rows(struct peers *p, const char *stream, bool by_trainer)
{
	p->selection_count = p->nearest_count = 0;
	memset(p->nearest_counts, 0, sizeof p->nearest_counts);
	stream_pull_begin(&p->pull, by_trainer ? p->trainer : p->coordinator,
			  by_trainer ? NULL : &p->selector, stream, 0, now());
	wait_for(p, &p->pull_done, p->pull_done + 1);
}
