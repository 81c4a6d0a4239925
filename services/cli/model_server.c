#include "cli/model_server.h"

#include "base/clock.h"
#include "base/stop.h"
#include "cli/children.h"
#include "cli/path.h"
#include "cli/run_folder.h"
#include "wire/socket.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <zmq.h>

#define REPLY_MS 600000
#define LOOK_MS 100
#define SEND_MS 5

struct model_server {
	struct path folder; /* of its socket and log */
	struct children *children;
	void *context;
	struct socket *socket;
	struct clock clock;
};

static enum err server_spawn(struct model_server *m, const char *model_folder,
			     const char *log_level, const char *endpoint, struct err_msg *msg)
{
	struct path program;
	enum err e = path_program("freeal-trainer", &program, msg);
	if (e)
		return e;
	const char *argv[] = {program.text, "--parent-death", "--log-level", log_level, "--serve",
			      model_folder, "--bind",	      endpoint,	     NULL};
	const struct child_spec spec = {.name = "trainer", .argv = argv, .once = true};
	e = children_new(m->folder.text, &m->children);
	if (e)
		return err_set(msg, e, "cannot start the trainer: %s", err_str(e));
	return children_start(m->children, &spec, clock_mono_ms(&m->clock), msg);
}

static enum err server_connect(struct model_server *m, const char *endpoint, struct err_msg *msg)
{
	m->context = zmq_ctx_new();
	if (!m->context)
		return err_set(msg, ERR_NO_MEMORY, "cannot set up ZeroMQ");
	return socket_connect(m->context, endpoint, NULL, FREEAL__ROLE__TRAINER, &m->socket, msg);
}

enum err model_server_start(const char *model_folder, const char *log_level,
			    struct model_server **ret_server, struct err_msg *msg)
{
	struct model_server *m = calloc(1, sizeof *m);
	if (!m)
		return err_set(msg, ERR_NO_MEMORY, "no memory");
	m->clock = clock_system();
	struct path endpoint;
	enum err e = run_folder_make(&m->folder, msg);
	if (e) {
		free(m);
		return e;
	}
	e = run_folder_endpoint(m->folder.text, "predict", &endpoint, msg);
	if (!e)
		e = server_spawn(m, model_folder, log_level, endpoint.text, msg);
	if (!e)
		e = server_connect(m, endpoint.text, msg);
	if (e)
		model_server_stop(m);
	else
		*ret_server = m;
	return e;
}

void model_server_stop(struct model_server *m)
{
	if (!m)
		return;
	children_free(m->children);
	socket_free(m->socket);
	if (m->context)
		(void)zmq_ctx_term(m->context);
	run_folder_remove(NULL, m->folder.text);
	free(m);
}

static enum err reply_check(const Freeal__Envelope *envelope, size_t count,
			    const Freeal__PredictReply **ret_reply, struct err_msg *msg)
{
	if (envelope->body_case != FREEAL__ENVELOPE__BODY_PREDICT_REPLY)
		return err_set(msg, ERR_PROTOCOL, "the trainer sent no prediction");
	const Freeal__PredictReply *reply = envelope->predict_reply;
	if (reply->error && reply->error[0])
		return err_set(msg, ERR_PROTOCOL, "the trainer cannot predict: %s", reply->error);
	bool good = reply->n_labels > 0 && reply->n_class_ids == count &&
		    reply->n_probabilities == count * reply->n_labels;
	for (size_t i = 0; good && i < count; i++)
		good = reply->class_ids[i] >= 0 && (size_t)reply->class_ids[i] < reply->n_labels;
	if (!good)
		return err_set(msg, ERR_PROTOCOL, "the trainer's prediction is malformed");
	*ret_reply = reply;
	return ERR_OK;
}

/* Sends `request` once the trainer is there, and waits for its answer, looking after the
 * trainer. */
static enum err server_receive(struct model_server *m, Freeal__Envelope *request,
			       struct frame **ret_frame, struct err_msg *msg)
{
	uint64_t until_ms = clock_mono_ms(&m->clock) + REPLY_MS;
	for (;;) {
		struct peer_id from;
		enum err e = request ? socket_send(m->socket, NULL, request) : ERR_OK;
		if (e && e != ERR_AGAIN)
			return err_set(msg, e, "cannot ask the trainer: %s", err_str(e));
		if (!e)
			request = NULL;
		e = socket_receive(m->socket, &from, ret_frame, msg);
		if (e != ERR_AGAIN)
			return e;
		uint64_t now_ms = clock_mono_ms(&m->clock);
		if (stop_requested())
			return ERR_CANCELLED;
		e = children_tick(m->children, now_ms, msg);
		if (e)
			return e;
		if (now_ms >= until_ms)
			return err_set(msg, ERR_PROTOCOL, "the trainer does not answer");
		zmq_pollitem_t items[] = {
		    {.socket = socket_zmq(m->socket), .events = ZMQ_POLLIN},
		    {.fd = stop_fd(), .events = ZMQ_POLLIN},
		};
		(void)zmq_poll(items, 2, request ? SEND_MS : LOOK_MS);
	}
}

enum err model_server_ask(struct model_server *m, ProtobufCBinaryData *texts, size_t count,
			  struct frame **ret_frame, const Freeal__PredictReply **ret_reply,
			  struct err_msg *msg)
{
	Freeal__PredictRequest request = FREEAL__PREDICT_REQUEST__INIT;
	request.n_texts = count;
	request.texts = texts;
	Freeal__Envelope envelope = FREEAL__ENVELOPE__INIT;
	envelope.body_case = FREEAL__ENVELOPE__BODY_PREDICT_REQUEST;
	envelope.predict_request = &request;
	struct frame *frame;
	enum err e = server_receive(m, &envelope, &frame, msg);
	if (e)
		return e;
	e = reply_check(frame_envelope(frame), count, ret_reply, msg);
	if (e)
		frame_free(frame);
	else
		*ret_frame = frame;
	return e;
}
