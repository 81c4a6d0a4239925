#include "base/log.h"
#include "trainer/loop_state.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define HELLO_RETRY_MS 1000u
#define HELLO_UNSENT_MS 50u	 /* as often as the socket tries to connect */
#define SELECTOR_SILENT_MS 5000u /* after which it may be another process */
#define MESSAGES_PER_TURN_MAX 1000

/* False: it is not connected yet. */
static bool hello_send(struct loop *l)
{
	Freeal__Hello hello = FREEAL__HELLO__INIT;
	hello.role = FREEAL__ROLE__TRAINER;
	hello.epoch.data = l->epoch;
	hello.epoch.len = sizeof l->epoch;
	hello.version = (char *)FREEAL_VERSION;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_HELLO;
	e.hello = &hello;
	return socket_send(l->selector, NULL, &e) == ERR_OK;
}

void selector_connect(struct loop *l, const char *endpoint)
{
	if (strcmp(endpoint, l->selector_endpoint) == 0 || endpoint[0] == '\0')
		return;
	struct socket *s;
	struct err_msg msg = {"the name is too long"};
	if (strlen(endpoint) >= sizeof l->selector_endpoint ||
	    socket_connect(l->zmq, endpoint, l->config->auth, FREEAL__ROLE__SELECTOR, &s, &msg) !=
		ERR_OK) {
		log_warn("selector_endpoint_bad", "endpoint=%s reason=\"%s\"", endpoint, msg.text);
		return;
	}
	/* Everything said to the selector can be said again: no waiting at the end. */
	int linger_ms = 0;
	(void)zmq_setsockopt(socket_zmq(s), ZMQ_LINGER, &linger_ms, sizeof linger_ms);
	socket_free(l->selector);
	l->selector = s;
	(void)snprintf(l->selector_endpoint, sizeof l->selector_endpoint, "%s", endpoint);
	l->selector_heard_ms = 0;
	l->hello_due_ms = 0;
	supply_selector_set(l->supply, s);
}

static void envelope_take(struct loop *l, const Freeal__Envelope *e)
{
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_STORED:
		jobs_stored(l, e->stored);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK_REQUEST:
		outbox_answer(l->outbox, l->selector, e->chunk_request, l->now_ms);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK:
		chunk_take(l, e->chunk);
		break;
	case FREEAL__ENVELOPE__BODY_REFUSED:
		/* A new process that wants to know who we are. */
		l->hello_due_ms = 0;
		l->selector_heard_ms = 0;
		break;
	default:
		break;
	}
}

void selector_drain(struct loop *l)
{
	for (int i = 0; l->selector && i < MESSAGES_PER_TURN_MAX; i++) {
		struct peer_id from;
		struct frame *f;
		struct err_msg msg;
		enum err e = socket_receive(l->selector, &from, &f, &msg);
		if (e == ERR_AGAIN)
			return;
		if (e) {
			log_warn("selector_message_bad", "reason=%s", msg.text);
			continue;
		}
		l->selector_heard_ms = l->now_ms;
		envelope_take(l, frame_envelope(f));
		frame_free(f);
	}
}

uint64_t selector_tick(struct loop *l)
{
	if (!l->selector)
		return UINT64_MAX;
	bool waiting = outbox_count(l->outbox) > 0;
	bool silent = l->selector_heard_ms == 0 ||
		      (waiting && l->now_ms - l->selector_heard_ms >= SELECTOR_SILENT_MS);
	if (silent && l->now_ms >= l->hello_due_ms) {
		/* Said again until the selector is heard. */
		l->hello_due_ms = l->now_ms + (hello_send(l) ? HELLO_RETRY_MS : HELLO_UNSENT_MS);
	}
	struct err_msg notice;
	if (socket_notice(l->selector, l->now_ms, &notice))
		log_warn("no_selector", "%s", notice.text);
	uint64_t next_ms = outbox_tick(l->outbox, l->selector, l->now_ms);
	return silent && l->hello_due_ms < next_ms ? l->hello_due_ms : next_ms;
}
