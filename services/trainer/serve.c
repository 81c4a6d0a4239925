#include "trainer/serve.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/stop.h"
#include "math/softmax.h"
#include "trainer/model.h"
#include "wire/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#define MESSAGES_PER_TURN_MAX 1000
#define SLICE_ROWS 256u

struct server {
	struct socket *socket;
	struct model *model;
};

/* What one reply points to. */
struct reply_rows {
	const char **texts;
	size_t *sizes;
	float *probabilities;
	int32_t *class_ids;
};

static void reply_send(struct server *s, const struct peer_id *to, Freeal__PredictReply *reply)
{
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_PREDICT_REPLY;
	e.predict_reply = reply;
	if (socket_send(s->socket, to, &e) != ERR_LIMIT)
		return;
	Freeal__PredictReply refusal = FREEAL__PREDICT_REPLY__INIT;
	refusal.error = (char *)"too many texts in one request";
	e.predict_reply = &refusal;
	/* A client that is gone needs no answer. */
	err_ignore(socket_send(s->socket, to, &e));
}

static bool rows_alloc(struct reply_rows *r, size_t count, size_t class_count)
{
	r->texts = calloc(count + 1, sizeof *r->texts);
	r->sizes = calloc(count + 1, sizeof *r->sizes);
	r->probabilities = calloc(count * class_count + 1, sizeof *r->probabilities);
	r->class_ids = calloc(count + 1, sizeof *r->class_ids);
	return r->texts && r->sizes && r->probabilities && r->class_ids;
}

static void rows_free(struct reply_rows *r)
{
	free(r->texts);
	free(r->sizes);
	free(r->probabilities);
	free(r->class_ids);
}

/* In slices, so that a stop is heard. */
static enum err request_predict(struct server *s, const struct reply_rows *rows, size_t count,
				struct err_msg *msg)
{
	enum err e = ERR_OK;
	for (size_t at = 0; !e && at < count; at += SLICE_ROWS) {
		size_t n = count - at < SLICE_ROWS ? count - at : SLICE_ROWS;
		e = stop_requested()
			? err_set(msg, ERR_CANCELLED, "stopped")
			: model_predict(s->model, rows->texts + at, rows->sizes + at, n, NULL,
					rows->probabilities + at * model_class_count(s->model),
					msg);
	}
	return e;
}

static void request_answer(struct server *s, const struct peer_id *from,
			   const Freeal__PredictRequest *request)
{
	size_t count = request->n_texts, class_count = model_class_count(s->model);
	struct reply_rows rows = {0};
	struct err_msg msg = {0};
	enum err e = ERR_OK;
	/* The answer has to fit into one frame. */
	if (count > FRAME_BYTES_MAX / (class_count * sizeof(float)))
		e = err_set(&msg, ERR_LIMIT, "%zu texts are too many for one request", count);
	else if (!rows_alloc(&rows, count, class_count))
		e = err_set(&msg, ERR_NO_MEMORY, "no memory for %zu texts", count);
	for (size_t i = 0; !e && i < count; i++) {
		rows.texts[i] = (const char *)request->texts[i].data;
		rows.sizes[i] = request->texts[i].len;
	}
	if (!e)
		e = request_predict(s, &rows, count, &msg);
	Freeal__PredictReply reply = FREEAL__PREDICT_REPLY__INIT;
	if (e) {
		reply.error = msg.text;
	} else {
		for (size_t i = 0; i < count; i++)
			rows.class_ids[i] = (int32_t)softmax_argmax(
			    rows.probabilities + i * class_count, class_count);
		reply.class_ids = rows.class_ids;
		reply.n_class_ids = count;
		reply.probabilities = rows.probabilities;
		reply.n_probabilities = count * class_count;
		reply.labels = model_labels(s->model);
		reply.n_labels = class_count;
	}
	reply_send(s, from, &reply);
	rows_free(&rows);
}

static void server_drain(struct server *s)
{
	for (int i = 0; i < MESSAGES_PER_TURN_MAX && !stop_requested(); i++) {
		struct peer_id from;
		struct frame *f;
		struct err_msg msg;
		enum err e = socket_receive(s->socket, &from, &f, &msg);
		if (e == ERR_AGAIN)
			return;
		if (e) {
			log_warn("message_bad", "reason=%s", msg.text);
			continue;
		}
		const Freeal__Envelope *envelope = frame_envelope(f);
		if (envelope->body_case == FREEAL__ENVELOPE__BODY_PREDICT_REQUEST)
			request_answer(s, &from, envelope->predict_request);
		frame_free(f);
	}
}

static enum err server_turns(struct server *s, struct err_msg *msg)
{
	while (!stop_requested()) {
		server_drain(s);
		zmq_pollitem_t items[2] = {
		    {.socket = socket_zmq(s->socket), .events = ZMQ_POLLIN},
		    {.fd = stop_fd(), .events = ZMQ_POLLIN},
		};
		if (zmq_poll(items, 2, -1) < 0 && errno != EINTR)
			return err_set(msg, ERR_IO, "cannot poll: %s", zmq_strerror(errno));
	}
	return ERR_OK;
}

enum err serve_run(const char *model_dir, uint32_t thread_count, const char *endpoint,
		   const struct auth *auth, struct err_msg *msg)
{
	struct server s = {0};
	enum err e = model_load(model_dir, thread_count, -1, &s.model, msg);
	if (e)
		return e;
	void *zmq = zmq_ctx_new();
	e = zmq ? socket_bind(zmq, endpoint, auth, &s.socket, msg)
		: err_set(msg, ERR_NO_MEMORY, "cannot make a zmq context");
	if (!e) {
		log_info("serving", "model=%s labels=%zu", model_dir, model_class_count(s.model));
		e = server_turns(&s, msg);
	}
	socket_free(s.socket);
	if (zmq)
		(void)zmq_ctx_term(zmq);
	model_free(s.model);
	return e;
}
