/* libs: wire base */
/* The worker's side of the bus against a scripted coordinator in the same process. */
#include "wire/stream.h"
#include "wire/worker.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

struct bench {
	void *context;
	struct socket *coordinator;
	struct worker *worker;
	struct peer_id peer;
	uint64_t now_ms;
	int projects, leases, cancels, refusals;
	char endpoint[64];
};

static void project_count(void *context, const Freeal__Welcome *welcome)
{
	(void)welcome;
	((struct bench *)context)->projects++;
}

static void lease_count_up(void *context, const Freeal__Work *work)
{
	(void)work;
	((struct bench *)context)->leases++;
}

static void cancel_count(void *context, const Freeal__WorkName *name)
{
	(void)name;
	((struct bench *)context)->cancels++;
}

static void refusal_count(void *context, const char *reason)
{
	(void)reason;
	((struct bench *)context)->refusals++;
}

static int bench_make(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	struct err_msg msg;
	snprintf(b->endpoint, sizeof b->endpoint, "ipc:///tmp/freeal-worker-%d", (int)getpid());
	b->context = zmq_ctx_new();
	b->now_ms = 1000;
	struct worker_handler handler = {.project = project_count,
					 .lease = lease_count_up,
					 .cancel = cancel_count,
					 .refused = refusal_count,
					 .context = b};
	if (socket_bind(b->context, b->endpoint, NULL, &b->coordinator, &msg) ||
	    worker_new(b->context, b->endpoint, NULL, FREEAL__ROLE__ANNOTATOR, &handler, &b->worker,
		       &msg))
		return -1;
	*state = b;
	return 0;
}

static int bench_free(void **state)
{
	struct bench *b = *state;
	worker_free(b->worker);
	socket_free(b->coordinator);
	zmq_ctx_term(b->context);
	free(b);
	return 0;
}

/* Waits for the worker's next message of that kind; others are skipped. */
static struct frame *expect(struct bench *b, Freeal__Envelope__BodyCase kind)
{
	for (int i = 0; i < 100; i++) {
		zmq_pollitem_t item = {.socket = socket_zmq(b->coordinator), .events = ZMQ_POLLIN};
		struct frame *f;
		struct err_msg msg;
		worker_tick(b->worker, b->now_ms);
		zmq_poll(&item, 1, 100);
		while (socket_receive(b->coordinator, &b->peer, &f, &msg) == ERR_OK) {
			if (frame_envelope(f)->body_case == kind)
				return f;
			frame_free(f);
		}
		b->now_ms += 500;
	}
	fail_msg("no message of kind %d", (int)kind);
	return NULL;
}

static void expect_and_drop(struct bench *b, Freeal__Envelope__BodyCase kind)
{
	frame_free(expect(b, kind));
}

/* Sends to the worker and lets it read. */
static void say(struct bench *b, Freeal__Envelope *e, const int *counter, int wanted)
{
	assert_int_equal(socket_send(b->coordinator, &b->peer, e), ERR_OK);
	for (int i = 0; i < 100; i++) {
		zmq_pollitem_t item = {.socket = socket_zmq(worker_socket(b->worker)),
				       .events = ZMQ_POLLIN};
		zmq_poll(&item, 1, 50);
		worker_drain(b->worker);
		if (!counter || *counter == wanted)
			return;
	}
	fail_msg("the worker did not take it");
}

static void welcome_to(struct bench *b, uint8_t epoch, uint8_t project_id)
{
	uint8_t bytes[16] = {epoch}, id[16] = {project_id};
	Freeal__Project project = FREEAL__PROJECT__INIT;
	project.id = (ProtobufCBinaryData){sizeof id, id};
	Freeal__Welcome body = FREEAL__WELCOME__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	body.project = &project;
	body.epoch.data = bytes;
	body.epoch.len = sizeof bytes;
	body.heartbeat_ms = 1000;
	e.body_case = FREEAL__ENVELOPE__BODY_WELCOME;
	e.welcome = &body;
	say(b, &e, &b->projects, b->projects + 1);
}

static void welcome(struct bench *b, uint8_t epoch)
{
	welcome_to(b, epoch, 1);
}

static void lease(struct bench *b, uint64_t item, uint32_t attempt, int wanted)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__Work work = FREEAL__WORK__INIT;
	Freeal__Work *works[1] = {&work};
	Freeal__Lease body = FREEAL__LEASE__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = item;
	work.name = &name;
	work.attempt = attempt;
	body.works = works;
	body.n_works = 1;
	e.body_case = FREEAL__ENVELOPE__BODY_LEASE;
	e.lease = &body;
	say(b, &e, &b->leases, wanted);
}

static enum err answer(struct bench *b, uint64_t item)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__Annotation annotation = FREEAL__ANNOTATION__INIT;
	Freeal__Result result = FREEAL__RESULT__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = item;
	result.name = &name;
	result.body_case = FREEAL__RESULT__BODY_ANNOTATE;
	result.annotate = &annotation;
	return worker_result(b->worker, &result);
}

static void joins_and_tells_what_it_can_hold(void **state)
{
	struct bench *b = *state;
	struct frame *f = expect(b, FREEAL__ENVELOPE__BODY_HELLO);
	assert_int_equal(frame_envelope(f)->hello->role, FREEAL__ROLE__ANNOTATOR);
	assert_int_equal(frame_envelope(f)->hello->epoch.len, 16);
	frame_free(f);
	welcome(b, 1);
	worker_credit_set(b->worker, 5);
	f = expect(b, FREEAL__ENVELOPE__BODY_RENEW);
	assert_int_equal(frame_envelope(f)->renew->credit, 5);
	frame_free(f);
	lease(b, 1, 1, 1);
	worker_credit_set(b->worker, 4); /* one is held: five in all, as before */
	f = expect(b, FREEAL__ENVELOPE__BODY_RENEW);
	assert_int_equal(frame_envelope(f)->renew->credit, 5);
	assert_int_equal(frame_envelope(f)->renew->n_names, 1);
	frame_free(f);
}

static void a_result_is_sent_until_it_is_acknowledged(void **state)
{
	struct bench *b = *state;
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_HELLO);
	welcome(b, 1);
	lease(b, 42, 3, 1);
	assert_int_equal(answer(b, 42), ERR_OK);
	assert_int_equal(answer(b, 42), ERR_EXISTS);
	for (int i = 0; i < 2; i++) {
		struct frame *f = expect(b, FREEAL__ENVELOPE__BODY_RESULTS);
		assert_int_equal(frame_envelope(f)->results->results[0]->name->item, 42);
		assert_int_equal(frame_envelope(f)->results->results[0]->attempt, 3);
		frame_free(f);
	}
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__WorkName *names[1] = {&name};
	uint32_t attempts[1] = {3};
	Freeal__Ack body = FREEAL__ACK__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = 42;
	body.names = names;
	body.n_names = 1;
	body.attempts = attempts;
	body.n_attempts = 1;
	e.body_case = FREEAL__ENVELOPE__BODY_ACK;
	e.ack = &body;
	assert_int_equal(socket_send(b->coordinator, &b->peer, &e), ERR_OK);
	for (int i = 0; i < 100 && worker_result_count(b->worker) > 0; i++) {
		zmq_pollitem_t item = {.socket = socket_zmq(worker_socket(b->worker)),
				       .events = ZMQ_POLLIN};
		zmq_poll(&item, 1, 50);
		worker_drain(b->worker);
	}
	assert_int_equal(worker_result_count(b->worker), 0);
}

/* D8: a new coordinator process gets the results that the old one did not acknowledge; so
 * does the old one on a new connection. */
static void what_is_open_is_sent_to(struct bench *b, uint8_t epoch)
{
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_HELLO);
	welcome(b, 1);
	lease(b, 1, 1, 1);
	lease(b, 2, 1, 2);
	assert_int_equal(answer(b, 1), ERR_OK);
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_RESULTS);
	Freeal__Refused refused = FREEAL__REFUSED__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	refused.reason = (char *)"hello first";
	e.body_case = FREEAL__ENVELOPE__BODY_REFUSED;
	e.refused = &refused;
	say(b, &e, NULL, 0);
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_HELLO);
	uint64_t before_ms = b->now_ms;
	welcome(b, epoch);
	struct frame *f = expect(b, FREEAL__ENVELOPE__BODY_RESULTS);
	assert_int_equal(frame_envelope(f)->results->results[0]->name->item, 1);
	frame_free(f);
	assert_true(b->now_ms - before_ms < 5000); /* at once, not with the next resend */
	f = expect(b, FREEAL__ENVELOPE__BODY_RENEW);
	assert_int_equal(frame_envelope(f)->renew->n_names, 1);
	assert_int_equal(frame_envelope(f)->renew->names[0]->item, 2);
	frame_free(f);
	assert_int_equal(b->refusals, 0);
}

static void a_restarted_coordinator_gets_what_is_open(void **state)
{
	what_is_open_is_sent_to(*state, 2);
}

static void a_new_connection_gets_what_is_open(void **state)
{
	what_is_open_is_sent_to(*state, 1);
}

static void a_cancelled_lease_is_gone(void **state)
{
	struct bench *b = *state;
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_HELLO);
	welcome(b, 1);
	lease(b, 9, 1, 1);
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__WorkName *names[1] = {&name};
	Freeal__Cancel body = FREEAL__CANCEL__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = 9;
	body.names = names;
	body.n_names = 1;
	e.body_case = FREEAL__ENVELOPE__BODY_CANCEL;
	e.cancel = &body;
	say(b, &e, &b->cancels, 1);
	assert_int_equal(worker_lease_count(b->worker), 0);
	assert_int_equal(answer(b, 9), ERR_NOT_FOUND); /* late: sent all the same */
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_RESULTS);
}

/* The works of another project have the same names: nothing of the old one may answer them. */
static void another_project_drops_what_is_held(void **state)
{
	struct bench *b = *state;
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_HELLO);
	welcome_to(b, 1, 1);
	lease(b, 1, 1, 1);
	lease(b, 2, 1, 2);
	assert_int_equal(answer(b, 1), ERR_OK);
	expect_and_drop(b, FREEAL__ENVELOPE__BODY_RESULTS);
	welcome_to(b, 2, 1);
	assert_int_equal(worker_result_count(b->worker), 1);
	welcome_to(b, 3, 2);
	assert_int_equal(worker_result_count(b->worker), 0);
	assert_int_equal(worker_lease_count(b->worker), 0);
	assert_int_equal(b->cancels, 1);
	lease(b, 2, 1, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(joins_and_tells_what_it_can_hold, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(a_result_is_sent_until_it_is_acknowledged, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(a_restarted_coordinator_gets_what_is_open, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(a_new_connection_gets_what_is_open, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(another_project_drops_what_is_held, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(a_cancelled_lease_is_gone, bench_make, bench_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
