#include "trainer_peers.h"

#include "base/rng.h"
#include "wire/folder_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define ROWS_PER_CHUNK 100
#define WAIT_MS 30000

/* --- texts --- */

static void texts_make(struct peers *p)
{
	static const char *const words[CLASS_COUNT][6] = {
	    {"engine", "wheel", "brake", "gearbox", "motor", "tyre"},
	    {"violin", "melody", "chorus", "opera", "tenor", "rhythm"},
	    {"glacier", "mountain", "valley", "river", "forest", "meadow"},
	};
	static const char *const filler[8] = {"the", "old",  "new",  "is",
					      "was", "very", "with", "some"};
	struct rng r = rng_make(7);
	for (int i = 0; i < SAMPLE_COUNT; i++) {
		int c = i % CLASS_COUNT;
		p->gold[i] = p->labels[i] = c;
		if (i % 20 == 19)
			p->labels[i] = -1;
		else if (i % 10 == 3)
			p->labels[i] = (c + 1) % CLASS_COUNT;
		(void)snprintf(p->texts[i], sizeof p->texts[i], "%s %s %s %s %s %d",
			       filler[rng_below(&r, 8)], words[c][rng_below(&r, 6)],
			       filler[rng_below(&r, 8)], words[c][rng_below(&r, 6)],
			       filler[rng_below(&r, 8)], i);
	}
}

/* --- the process --- */

void trainer_start(struct peers *p, char *const argv[])
{
	p->pid = process_start(argv);
}

void trainer_train(struct peers *p)
{
	char *const argv[] = {"freeal-trainer", "--coordinator",  p->bus,      "--data",
			      p->data,		"--parent-death", "--threads", "1",
			      "--log-level",	"warn",		  NULL};
	trainer_start(p, argv);
}

/* Returns the exit code, or -1 after a signal; fails when it takes more than 2 s. */
int trainer_stop(struct peers *p, int signal_number)
{
	return process_stop(&p->pid, signal_number, 2000);
}

int peers_setup(void **state)
{
	struct peers *p = calloc(1, sizeof *p);
	assert_non_null(p);
	(void)snprintf(p->dir, sizeof p->dir, "/tmp/freeal-trainer-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->bus, sizeof p->bus, "ipc://%s/bus", p->dir);
	(void)snprintf(p->selector_endpoint, sizeof p->selector_endpoint, "ipc://%s/selector",
		       p->dir);
	(void)snprintf(p->data, sizeof p->data, "%s/data", p->dir);
	(void)snprintf(p->model, sizeof p->model, "%s/pulled", p->dir);
	texts_make(p);
	p->zmq = zmq_ctx_new();
	struct err_msg msg;
	assert_int_equal(socket_bind(p->zmq, p->bus, NULL, &p->coordinator.socket, &msg), ERR_OK);
	assert_int_equal(socket_bind(p->zmq, p->selector_endpoint, NULL, &p->selector.socket, &msg),
			 ERR_OK);
	p->store = true;
	p->recipe = "default";
	p->fold_count = FOLD_COUNT;
	p->vocabulary_count = SAMPLE_COUNT;
	*state = p;
	return 0;
}

int peers_teardown(void **state)
{
	struct peers *p = *state;
	process_kill(p->pid);
	for (size_t i = 0; i < p->result_count; i++)
		freeal__result__free_unpacked(p->results[i], NULL);
	socket_free(p->coordinator.socket);
	socket_free(p->selector.socket);
	(void)zmq_ctx_term(p->zmq);
	int gone = folder_remove(p->dir);
	free(p);
	return gone;
}

/* --- what the coordinator and the selector send --- */

void embed_lease(struct peers *p, uint32_t slot)
{
	ProtobufCBinaryData texts[2] = {{5, (uint8_t *)"motor"}, {5, (uint8_t *)"opera"}};
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__EMBED;
	name.slot = slot;
	Freeal__EmbedOrder order = FREEAL__EMBED_ORDER__INIT;
	order.sample_count = SAMPLE_COUNT;
	order.vocabulary_count = p->vocabulary_count;
	if (slot == 0) {
		order.to = SAMPLE_COUNT;
	} else {
		order.pool_version = 1;
		order.texts = texts;
		order.n_texts = 2;
	}
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.order_case = FREEAL__WORK__ORDER_EMBED;
	work.embed = &order;
	lease_send(p->coordinator.socket, &p->coordinator.trainer, &work);
}

void train_lease(struct peers *p, uint32_t fold, uint32_t attempt)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__TRAIN;
	name.item = fold;
	Freeal__TrainOrder order = FREEAL__TRAIN_ORDER__INIT;
	order.sample_count = order.change_count = SAMPLE_COUNT;
	order.fold = fold;
	order.folds = p->fold_count;
	order.final = fold == FOLD_COUNT;
	order.recipe = (char *)p->recipe;
	order.seed = 1;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.attempt = attempt;
	work.order_case = FREEAL__WORK__ORDER_TRAIN;
	work.train = &order;
	lease_send(p->coordinator.socket, &p->coordinator.trainer, &work);
}

void predict_lease(struct peers *p, uint64_t from, uint64_t to)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__PREDICT;
	Freeal__PredictOrder order = FREEAL__PREDICT_ORDER__INIT;
	order.sample_count = SAMPLE_COUNT;
	order.from = from;
	order.to = to;
	order.model_checksum = p->model_checksum;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.order_case = FREEAL__WORK__ORDER_PREDICT;
	work.predict = &order;
	lease_send(p->coordinator.socket, &p->coordinator.trainer, &work);
}

void cancel_send(struct peers *p, Freeal__WorkKind kind, uint64_t item)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = kind;
	name.item = item;
	Freeal__WorkName *names[1] = {&name};
	Freeal__Cancel cancel = FREEAL__CANCEL__INIT;
	cancel.names = names;
	cancel.n_names = 1;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_CANCEL;
	e.cancel = &cancel;
	assert_int_equal(socket_send(p->coordinator.socket, &p->coordinator.trainer, &e), ERR_OK);
}

void trainer_welcome(struct peers *p)
{
	welcome_send(p->coordinator.socket, &p->coordinator.trainer, p->selector_endpoint);
}

static void body_send(struct peer *peer, const char *stream, uint64_t seq, const void *body)
{
	uint8_t data[65536];
	assert_true(protobuf_c_message_get_packed_size(body) <= sizeof data);
	size_t bytes = protobuf_c_message_pack(body, data);
	uint64_t next = seq + ROWS_PER_CHUNK;
	/* A trainer that is gone can't be sent to. */
	err_ignore(stream_chunk_send(peer->socket, &peer->trainer, stream, seq, next,
				     next >= SAMPLE_COUNT, data, bytes));
}

static bool has_set(const struct peers *p, uint64_t sample_no)
{
	return p->sets && sample_no % 3 == 0;
}

/* "samples", "changes" or "selection/0": rows seq .. seq+99. */
static void chunk_make(struct peers *p, struct peer *peer, const char *stream, uint64_t seq)
{
	Freeal__SampleRow samples[ROWS_PER_CHUNK], *sample_pointers[ROWS_PER_CHUNK];
	Freeal__SelectionRow rows[ROWS_PER_CHUNK], *row_pointers[ROWS_PER_CHUNK];
	uint64_t nos[ROWS_PER_CHUNK];
	char ids[ROWS_PER_CHUNK][16];
	for (size_t i = 0; i < ROWS_PER_CHUNK; i++) {
		size_t no = seq + i;
		nos[i] = no;
		int size = snprintf(ids[i], sizeof ids[i], "id%zu", no);
		freeal__sample_row__init(sample_pointers[i] = &samples[i]);
		samples[i].id = (ProtobufCBinaryData){(size_t)size, (uint8_t *)ids[i]};
		samples[i].text =
		    (ProtobufCBinaryData){strlen(p->texts[no]), (uint8_t *)p->texts[no]};
		freeal__selection_row__init(row_pointers[i] = &rows[i]);
		rows[i].sample_no = no;
		rows[i].clean = p->labels[no] == p->gold[no];
		rows[i].slm_label = p->gold[no];
		rows[i].class_id = has_set(p, no) ? p->gold[no] : p->labels[no];
	}
	Freeal__SampleChunk sample_chunk = FREEAL__SAMPLE_CHUNK__INIT;
	sample_chunk.rows = sample_pointers;
	Freeal__SelectionChunk selection_chunk = FREEAL__SELECTION_CHUNK__INIT;
	selection_chunk.rows = row_pointers;
	sample_chunk.n_rows = selection_chunk.n_rows = ROWS_PER_CHUNK;
	Freeal__ChangeChunk change_chunk = FREEAL__CHANGE_CHUNK__INIT;
	Freeal__Candidates sets[ROWS_PER_CHUNK], *set_pointers[ROWS_PER_CHUNK];
	uint32_t candidates[ROWS_PER_CHUNK][2];
	int32_t class_ids[ROWS_PER_CHUNK];
	change_chunk.sample_nos = nos;
	change_chunk.class_ids = class_ids;
	change_chunk.candidates = set_pointers;
	memcpy(class_ids, p->labels + seq, sizeof class_ids);
	for (size_t i = 0; i < ROWS_PER_CHUNK; i++) {
		if (!has_set(p, seq + i))
			continue;
		size_t n = change_chunk.n_candidates++;
		freeal__candidates__init(set_pointers[n] = &sets[n]);
		class_ids[i] = -1;
		candidates[n][0] = (uint32_t)(p->gold[seq + i] + 1) % CLASS_COUNT;
		candidates[n][1] = (uint32_t)p->gold[seq + i];
		sets[n].row = (uint32_t)i;
		sets[n].class_ids = candidates[n];
		sets[n].n_class_ids = 2;
	}
	change_chunk.n_sample_nos = change_chunk.n_class_ids = ROWS_PER_CHUNK;
	if (strcmp(stream, "samples") == 0)
		body_send(peer, stream, seq, &sample_chunk);
	else if (strcmp(stream, "changes") == 0)
		body_send(peer, stream, seq, &change_chunk);
	else
		body_send(peer, stream, seq, &selection_chunk);
}

static void request_take(struct peers *p, struct peer *peer, const Freeal__ChunkRequest *r)
{
	if (strcmp(r->stream, "model") == 0) {
		p->model_request_count++;
		folder_stream_answer(p->model, peer->socket, &peer->trainer, r);
		return;
	}
	p->sample_request_count += strcmp(r->stream, "samples") == 0;
	assert_int_equal(r->next_seq % ROWS_PER_CHUNK, 0);
	uint64_t seq = r->next_seq;
	for (uint32_t i = 0; i < r->credit && seq < SAMPLE_COUNT; i++, seq += ROWS_PER_CHUNK)
		chunk_make(p, peer, r->stream, seq);
}

/* --- what they receive --- */

static void results_take(struct peers *p, const Freeal__Results *body)
{
	for (size_t i = 0; i < body->n_results; i++) {
		assert_true(p->result_count < RESULT_COUNT_MAX);
		Freeal__Result *r =
		    result_take(p->coordinator.socket, &p->coordinator.trainer, body->results[i]);
		p->results[p->result_count++] = r;
		if (r->body_case == FREEAL__RESULT__BODY_TRAIN && r->train->model_checksum)
			p->model_checksum = r->train->model_checksum;
	}
}

static void oof_take(struct peers *p, const Freeal__Chunk *chunk)
{
	Freeal__OofChunk *body =
	    frame_message_unpack(&freeal__oof_chunk__descriptor, chunk->body.data, chunk->body.len);
	assert_non_null(body);
	assert_int_equal(body->n_class_ids, body->n_sample_nos);
	assert_int_equal(body->n_probabilities, body->n_sample_nos * CLASS_COUNT);
	for (size_t i = 0; i < body->n_sample_nos; i++) {
		uint64_t no = body->sample_nos[i];
		assert_true(no < SAMPLE_COUNT);
		if (has_set(p, no))
			p->sets_right += body->class_ids[i] == p->gold[no];
		else
			assert_int_equal(body->class_ids[i], p->labels[no]);
		p->oof_count[no]++;
		memcpy(p->probabilities[no], body->probabilities + i * CLASS_COUNT,
		       sizeof p->probabilities[no]);
	}
	frame_message_free(body);
}

static void vectors_take(struct peers *p, const Freeal__Chunk *chunk)
{
	Freeal__VectorChunk *body = frame_message_unpack(&freeal__vector_chunk__descriptor,
							 chunk->body.data, chunk->body.len);
	assert_non_null(body);
	assert_true(body->dimensions > 0);
	assert_int_equal(body->first, p->vector_count);
	size_t row_bytes = body->dimensions * sizeof(float);
	assert_int_equal(body->vectors.len % row_bytes, 0);
	p->vector_count += body->vectors.len / row_bytes;
	p->vector_dimensions = body->dimensions;
	p->vector_hash = hash_bytes(p->vector_hash, body->vectors.data, body->vectors.len);
	frame_message_free(body);
}

static void losses_take(struct peers *p, const Freeal__Chunk *chunk)
{
	Freeal__LossChunk *body = frame_message_unpack(&freeal__loss_chunk__descriptor,
						       chunk->body.data, chunk->body.len);
	assert_non_null(body);
	assert_int_equal(body->n_losses, body->n_sample_nos);
	assert_int_equal(body->n_class_ids, body->n_sample_nos);
	for (size_t i = 0; i < body->n_sample_nos; i++) {
		assert_int_equal(body->class_ids[i], p->labels[body->sample_nos[i]]);
		assert_true(body->losses[i] >= 0 && body->losses[i] < 1e6f);
	}
	p->loss_stream_count += chunk->last;
	frame_message_free(body);
}

static void selector_take(struct peers *p, const Freeal__Envelope *e)
{
	struct peer *peer = &p->selector;
	if (e->body_case == FREEAL__ENVELOPE__BODY_OFFER) {
		p->offer_count++;
		bool same = p->pull.active && strcmp(p->pull.name, e->offer->stream) == 0;
		if (p->store && !same) {
			p->vector_count = p->vector_hash = 0;
			stream_pull_begin(&p->pull, peer->socket, &peer->trainer, e->offer->stream,
					  0, now());
		}
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK) {
		if (stream_pull_take(&p->pull, peer->socket, e->chunk, now()) != ERR_OK)
			return;
		if (strncmp(e->chunk->stream, "oof/", 4) == 0)
			oof_take(p, e->chunk);
		else if (strncmp(e->chunk->stream, "loss/", 5) == 0)
			losses_take(p, e->chunk);
		else
			vectors_take(p, e->chunk);
		if (e->chunk->last) {
			p->stored_count++;
			stream_stored_send(peer->socket, &peer->trainer, e->chunk->stream, "");
		}
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK_REQUEST) {
		request_take(p, peer, e->chunk_request);
	}
}

static void model_take(struct peers *p, const Freeal__Chunk *chunk)
{
	if (stream_pull_take(&p->model_pull, p->coordinator.socket, chunk, now()) != ERR_OK)
		return;
	Freeal__FileChunk *body = frame_message_unpack(&freeal__file_chunk__descriptor,
						       chunk->body.data, chunk->body.len);
	assert_non_null(body);
	assert_null(strchr(body->name, '/'));
	char path[512];
	(void)snprintf(path, sizeof path, "%s/%s", p->model, body->name);
	FILE *file = fopen(path, body->offset ? "r+b" : "wb");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)body->offset, SEEK_SET), 0);
	assert_int_equal(fwrite(body->data.data, 1, body->data.len, file), body->data.len);
	assert_int_equal(fclose(file), 0);
	frame_message_free(body);
	p->model_done = p->model_pull.done;
}

static void coordinator_take(struct peers *p, const Freeal__Envelope *e)
{
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_HELLO:
		trainer_welcome(p);
		break;
	case FREEAL__ENVELOPE__BODY_READY:
		p->credit = e->ready->credit;
		break;
	case FREEAL__ENVELOPE__BODY_RESULTS:
		results_take(p, e->results);
		break;
	case FREEAL__ENVELOPE__BODY_RENEW:
		p->credit = e->renew->credit;
		if (e->renew->n_names > 0)
			p->lease_renew_count++;
		break;
	case FREEAL__ENVELOPE__BODY_RETURN_WORK:
		p->return_count += (uint32_t)e->return_work->n_names;
		p->leaving_count += e->return_work->leaving;
		break;
	case FREEAL__ENVELOPE__BODY_STATUS:
		p->blocked_count += e->status->blocked;
		p->free_count += !e->status->blocked;
		(void)snprintf(p->blocked_reason, sizeof p->blocked_reason, "%s",
			       e->status->reason);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK_REQUEST:
		request_take(p, &p->coordinator, e->chunk_request);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK:
		model_take(p, e->chunk);
		break;
	default:
		break;
	}
}

static void peer_drain(struct peers *p, struct peer *peer,
		       void (*take)(struct peers *, const Freeal__Envelope *))
{
	struct peer_id from;
	struct frame *frame;
	struct err_msg msg;
	while (peer->socket && socket_receive(peer->socket, &from, &frame, &msg) == ERR_OK) {
		const Freeal__Envelope *e = frame_envelope(frame);
		if (e->body_case == FREEAL__ENVELOPE__BODY_HELLO) {
			assert_int_equal(e->hello->role, FREEAL__ROLE__TRAINER);
			peer->hello_count++;
			peer->trainer = from;
		}
		/* What a killed trainer left in the queue has no receiver any more. */
		if (peer_id_equal(&from, &peer->trainer))
			take(p, e);
		frame_free(frame);
	}
}

/* Plays both until *what reaches `want`. */
void wait_for(struct peers *p, const uint32_t *what, uint32_t want)
{
	uint64_t end_ms = now() + WAIT_MS;
	while (*what < want) {
		if (now() > end_ms)
			fail_msg("the trainer did not answer in time");
		if (p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == p->pid) {
			p->pid = 0;
			fail_msg("the trainer has ended");
		}
		peer_drain(p, &p->coordinator, coordinator_take);
		peer_drain(p, &p->selector, selector_take);
		(void)stream_pull_tick(&p->model_pull, p->coordinator.socket, now());
		(void)zmq_poll(NULL, 0, 1);
	}
}

const Freeal__Result *wait_result(struct peers *p)
{
	uint32_t before = p->result_count;
	wait_for(p, &p->result_count, before + 1);
	assert_string_equal(p->results[before]->error, "");
	return p->results[before];
}

void model_pull(struct peers *p)
{
	(void)mkdir(p->model, 0700);
	p->model_done = 0;
	stream_pull_begin(&p->model_pull, p->coordinator.socket, &p->coordinator.trainer, "model",
			  0, now());
	wait_for(p, &p->model_done, 1);
}
