/* libs: wire */
/* Signals that arrive in the middle of sending and receiving lose nothing and split nothing. */
#include "wire/socket.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define MESSAGE_COUNT 40000

struct signaller {
	pthread_t thread, target;
	atomic_bool over;
};

static void ignore(int number)
{
	(void)number;
}

static void *signals_send(void *context)
{
	struct signaller *s = context;
	while (!atomic_load(&s->over))
		(void)pthread_kill(s->target, SIGUSR1);
	return NULL;
}

static void signals_lose_nothing(void **state)
{
	(void)state;
	char endpoint[64];
	struct err_msg msg;
	struct socket *router, *dealer;
	void *context = zmq_ctx_new();
	(void)snprintf(endpoint, sizeof endpoint, "ipc:///tmp/test_socket.%d", (int)getpid());
	assert_int_equal(socket_bind(context, endpoint, NULL, &router, &msg), ERR_OK);
	assert_int_equal(
	    socket_connect(context, endpoint, NULL, FREEAL__ROLE__COORDINATOR, &dealer, &msg),
	    ERR_OK);
	struct sigaction action = {.sa_handler = ignore};
	(void)sigaction(SIGUSR1, &action, NULL);
	struct signaller s = {.target = pthread_self()};
	assert_int_equal(pthread_create(&s.thread, NULL, signals_send, &s), 0);

	Freeal__Refused body = FREEAL__REFUSED__INIT;
	Freeal__Envelope envelope = FREEAL__ENVELOPE__INIT;
	char number[32];
	envelope.body_case = FREEAL__ENVELOPE__BODY_REFUSED;
	envelope.refused = &body;
	body.reason = number;
	struct peer_id peer;
	int sent = 0, echoed = 0, back = 0;
	struct frame *f;
	while (back < MESSAGE_COUNT) {
		(void)snprintf(number, sizeof number, "%d", sent);
		if (sent < MESSAGE_COUNT) {
			enum err e = socket_send(dealer, NULL, &envelope);
			assert_true(e == ERR_OK || e == ERR_AGAIN);
			sent += e == ERR_OK;
		}
		enum err e = socket_receive(router, &peer, &f, &msg);
		assert_true(e == ERR_OK || e == ERR_AGAIN);
		if (!e) {
			(void)snprintf(number, sizeof number, "%d", echoed++);
			assert_string_equal(frame_envelope(f)->refused->reason, number);
			frame_free(f);
			while ((e = socket_send(router, &peer, &envelope)) == ERR_AGAIN)
				continue;
			assert_int_equal(e, ERR_OK);
		}
		e = socket_receive(dealer, &peer, &f, &msg);
		assert_true(e == ERR_OK || e == ERR_AGAIN);
		if (!e) {
			(void)snprintf(number, sizeof number, "%d", back++);
			assert_string_equal(frame_envelope(f)->refused->reason, number);
			frame_free(f);
		}
	}
	atomic_store(&s.over, true);
	(void)pthread_join(s.thread, NULL);
	socket_free(dealer);
	socket_free(router);
	(void)zmq_ctx_term(context);
	(void)unlink(endpoint + strlen("ipc://"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(signals_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
