/* libs: wire base proto freeal-annotator annotator_llm.c jansson */
#include "annotator_llm.h"
#include "base/clock.h"
#include "base/limits.h"
#include "wire/socket.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

/*
 * The annotator as a process between a coordinator, played here, and an LLM endpoint in
 * a thread (annotator_llm.h).
 */

#define RESULT_COUNT_MAX 4096
#define WAIT_MS_MAX 30000
#define PROBE_MS 300
#define PROBE_TEXT "300"
#define KEY "sk-secret-of-this-test"

struct bench {
	char dir[64], bus[128], log[128];
	void *zmq;
	struct socket *socket;
	struct peer_id annotator;
	pid_t pid;
	int port;
	uint64_t version; /* of the project */
	const char *key_env;
	uint32_t concurrency;
	/* What came. */
	Freeal__Result *results[RESULT_COUNT_MAX]; /* by item */
	uint32_t result_count, return_count, leaving_count, hello_count, credit;
	bool blocked;
	char reason[512];
};

static uint64_t now(void)
{
	struct clock c = clock_system();
	return clock_mono_ms(&c);
}

static void send_to(struct bench *b, Freeal__Envelope *e)
{
	assert_int_equal(socket_send(b->socket, &b->annotator, e), ERR_OK);
}

static void welcome_send(struct bench *b)
{
	char url[64];
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", b->port);
	Freeal__Label labels[2], *label_list[2] = {&labels[0], &labels[1]};
	freeal__label__init(&labels[0]);
	freeal__label__init(&labels[1]);
	labels[0].name = "negative";
	labels[1].name = "positive";
	Freeal__Endpoint endpoint = FREEAL__ENDPOINT__INIT, *endpoints[] = {&endpoint};
	endpoint.name = "the one";
	endpoint.url = url;
	endpoint.model = "m";
	endpoint.key_env = (char *)b->key_env;
	endpoint.timeout_ms = 600;
	endpoint.concurrency = b->concurrency;
	endpoint.nano_usd_per_million_in = 3000000;
	endpoint.nano_usd_per_million_out = 5000000;
	uint32_t first = 0;
	Freeal__Llm llm = FREEAL__LLM__INIT;
	llm.endpoints = &first;
	llm.n_endpoints = 1;
	llm.max_tokens = 20;
	llm.attempts_max = 2;
	llm.retries_max = 3;
	Freeal__RoundConfig round = FREEAL__ROUND_CONFIG__INIT, *rounds[] = {&round};
	round.llm = &llm;
	Freeal__Project project = FREEAL__PROJECT__INIT;
	project.version = b->version;
	project.task = "t";
	project.labels = label_list;
	project.n_labels = 2;
	project.rounds = rounds;
	project.n_rounds = 1;
	project.endpoints = endpoints;
	project.n_endpoints = 1;
	Freeal__Welcome welcome = FREEAL__WELCOME__INIT;
	welcome.project = &project;
	welcome.epoch.data = (uint8_t *)"0123456789abcdef";
	welcome.epoch.len = 16;
	welcome.heartbeat_ms = 200;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_WELCOME;
	e.welcome = &welcome;
	send_to(b, &e);
}

static Freeal__Result *result_copy(const Freeal__Result *r)
{
	size_t size = freeal__result__get_packed_size(r);
	uint8_t *data = malloc(size + 1);
	(void)freeal__result__pack(r, data);
	Freeal__Result *copy = freeal__result__unpack(NULL, size, data);
	free(data);
	return copy;
}

static void results_take(struct bench *b, const Freeal__Results *results)
{
	Freeal__WorkName *names[RESULTS_PER_MESSAGE_MAX];
	uint32_t attempts[RESULTS_PER_MESSAGE_MAX];
	for (size_t i = 0; i < results->n_results; i++) {
		const Freeal__Result *r = results->results[i];
		names[i] = r->name;
		attempts[i] = r->attempt;
		assert_true(r->name->item < RESULT_COUNT_MAX);
		if (b->results[r->name->item])
			continue;
		b->results[r->name->item] = result_copy(r);
		b->result_count++;
	}
	Freeal__Ack ack = FREEAL__ACK__INIT;
	ack.names = names;
	ack.attempts = attempts;
	ack.n_names = ack.n_attempts = results->n_results;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_ACK;
	e.ack = &ack;
	send_to(b, &e);
}

static void message_take(struct bench *b, const Freeal__Envelope *e)
{
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_HELLO:
		b->hello_count++;
		assert_int_equal(e->hello->role, FREEAL__ROLE__ANNOTATOR);
		welcome_send(b);
		break;
	case FREEAL__ENVELOPE__BODY_READY:
		b->credit = e->ready->credit;
		break;
	case FREEAL__ENVELOPE__BODY_RENEW:
		b->credit = e->renew->credit;
		break;
	case FREEAL__ENVELOPE__BODY_RESULTS:
		results_take(b, e->results);
		break;
	case FREEAL__ENVELOPE__BODY_RETURN_WORK:
		b->return_count += (uint32_t)e->return_work->n_names;
		b->leaving_count += e->return_work->leaving;
		break;
	case FREEAL__ENVELOPE__BODY_STATUS:
		b->blocked = e->status->blocked;
		(void)snprintf(b->reason, sizeof b->reason, "%s", e->status->reason);
		break;
	default:
		fail_msg("unexpected message %d", (int)e->body_case);
	}
}

/* Plays the coordinator for `ms`, or until *what reaches `want` (what: may be NULL). */
static void play(struct bench *b, const uint32_t *what, uint32_t want, uint64_t ms)
{
	for (uint64_t end = now() + ms; now() < end && (!what || *what < want);) {
		zmq_pollitem_t item = {.socket = socket_zmq(b->socket), .events = ZMQ_POLLIN};
		(void)zmq_poll(&item, 1, 10);
		struct frame *f;
		struct err_msg msg;
		while (socket_receive(b->socket, &b->annotator, &f, &msg) == ERR_OK) {
			message_take(b, frame_envelope(f));
			frame_free(f);
		}
	}
}

static void wait_results(struct bench *b, uint32_t want)
{
	play(b, &b->result_count, want, WAIT_MS_MAX);
	assert_int_equal(b->result_count, want);
}

static void wait_blocked(struct bench *b, bool blocked)
{
	for (uint64_t end = now() + WAIT_MS_MAX; now() < end && b->blocked != blocked;)
		play(b, NULL, 0, 20);
	assert_int_equal(b->blocked, blocked);
}

static void lease_send(struct bench *b, Freeal__Work *work)
{
	Freeal__Lease lease = FREEAL__LEASE__INIT;
	lease.works = &work;
	lease.n_works = 1;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_LEASE;
	e.lease = &lease;
	send_to(b, &e);
}

static void lease_shots(struct bench *b, uint64_t item, const char *text, uint32_t attempt,
			uint32_t *demonstrations, size_t count)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = item;
	Freeal__AnnotateOrder order = FREEAL__ANNOTATE_ORDER__INIT;
	order.text.data = (uint8_t *)text;
	order.text.len = strlen(text);
	order.pool_version = count ? 1 : 0;
	order.demonstrations = demonstrations;
	order.n_demonstrations = count;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.attempt = attempt;
	work.ttr_ms = 10000;
	work.order_case = FREEAL__WORK__ORDER_ANNOTATE;
	work.annotate = &order;
	lease_send(b, &work);
}

static void lease(struct bench *b, uint64_t item, const char *text)
{
	lease_shots(b, item, text, 1, NULL, 0);
}

static void start(struct bench *b)
{
	uint32_t hellos = b->hello_count;
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0) {
		setenv("TEST_KEY", KEY, 1);
		unsetenv("MISSING_KEY");
		if (!freopen(b->log, "a", stderr))
			_exit(126);
		execl(PROGRAMS "/freeal-annotator", "freeal-annotator", "--coordinator", b->bus,
		      "--probe-ms", PROBE_TEXT, "--parent-death", (char *)NULL);
		_exit(127);
	}
	play(b, &b->hello_count, hellos + 1, WAIT_MS_MAX);
	assert_int_equal(b->hello_count, hellos + 1);
	play(b, &b->credit, 1, WAIT_MS_MAX);
	assert_true(b->credit > 0);
}

static int stop(struct bench *b)
{
	int status;
	uint64_t begin = now();
	assert_int_equal(kill(b->pid, SIGTERM), 0);
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	assert_true(now() - begin < 2000);
	b->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int setup(void **state)
{
	static int port;
	struct bench *b = calloc(1, sizeof *b);
	if (!port)
		port = llm_start();
	llm_reset();
	b->port = port;
	b->version = 1;
	b->key_env = "";
	b->concurrency = 16;
	(void)snprintf(b->dir, sizeof b->dir, "/tmp/freeal-test-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	(void)snprintf(b->bus, sizeof b->bus, "ipc://%s/bus", b->dir);
	(void)snprintf(b->log, sizeof b->log, "%s/log", b->dir);
	b->zmq = zmq_ctx_new();
	struct err_msg msg;
	if (socket_bind(b->zmq, b->bus, NULL, &b->socket, &msg) != ERR_OK)
		return -1;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	if (b->pid) {
		(void)kill(b->pid, SIGKILL);
		(void)waitpid(b->pid, NULL, 0);
	}
	socket_free(b->socket);
	(void)zmq_ctx_term(b->zmq);
	for (size_t i = 0; i < RESULT_COUNT_MAX; i++) {
		if (b->results[i])
			freeal__result__free_unpacked(b->results[i], NULL);
	}
	(void)unlink(b->log);
	(void)unlink(b->bus + 6);
	(void)rmdir(b->dir);
	free(b);
	return 0;
}

static const Freeal__Annotation *annotation(const struct bench *b, size_t item)
{
	const Freeal__Result *r = b->results[item];
	assert_non_null(r);
	assert_string_equal(r->error, "");
	assert_int_equal(r->body_case, FREEAL__RESULT__BODY_ANNOTATE);
	return r->annotate;
}

static void expect_class(const struct bench *b, size_t item, uint32_t class_id, uint32_t requests)
{
	const Freeal__Annotation *a = annotation(b, item);
	assert_string_equal(a->reason, "");
	assert_int_equal(a->payload_case, FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL);
	assert_int_equal(a->class_label->class_id, class_id);
	assert_int_equal(a->usage->requests, requests);
}

static void expect_reason(const struct bench *b, size_t item, const char *reason, uint32_t requests)
{
	const Freeal__Annotation *a = annotation(b, item);
	assert_string_equal(a->reason, reason);
	assert_int_equal(a->payload_case, FREEAL__ANNOTATION__PAYLOAD__NOT_SET);
	assert_int_equal(a->usage->requests, requests);
}

static void test_labels(void **state)
{
	struct bench *b = *state;
	b->key_env = "TEST_KEY";
	start(b);
	for (uint64_t i = 0; i < 1000; i++) {
		char text[32];
		(void)snprintf(text, sizeof text, "%s %d", i % 3 ? "negative" : "positive", (int)i);
		lease(b, i, text);
		if (i % 50 == 0)
			play(b, NULL, 0, 1);
	}
	wait_results(b, 1000);
	for (size_t i = 0; i < 1000; i++)
		expect_class(b, i, i % 3 ? 0 : 1, 1);
	const Freeal__Annotation *a = annotation(b, 0);
	assert_memory_equal(a->answer.data, "Positive.", 9);
	assert_string_equal(a->model, "m");
	assert_int_equal(a->usage->tokens_in, 10);
	assert_int_equal(a->usage->tokens_out, 2);
	assert_int_equal(a->usage->nano_usd, 10 * 3 + 2 * 5);
	assert_int_equal(llm_request_count(), 1000);
	assert_string_equal(llm_request_at(0)->authorization, "Bearer " KEY);
	/* Never more at once than allowed, and over connections that are used again. */
	assert_true(llm_busy_max() <= 16);
	assert_true(llm_connection_count() <= 17);
	assert_int_equal(stop(b), 0);
}

static void test_many_in_flight(void **state)
{
	struct bench *b = *state;
	b->concurrency = 200;
	llm_delay_set(200);
	start(b);
	assert_true(b->credit >= 200);
	uint64_t begin = now();
	for (uint64_t i = 0; i < 400; i++)
		lease(b, i, i % 2 ? "positive" : "negative");
	wait_results(b, 400);
	/* Two hundred at a time: two waits of 200 ms and some work. */
	assert_true(now() - begin < 3000);
	assert_true(llm_busy_max() > 100);
	assert_true(llm_busy_max() <= 200);
}

static void test_faults(void **state)
{
	struct bench *b = *state;
	start(b);
	lease(b, 0, "500-twice");
	lease(b, 1, "hang-once");
	lease(b, 2, "close-once");
	lease(b, 3, "large-once");
	lease(b, 4, "bad");
	lease(b, 5, "bad-once");
	lease(b, 6, "malformed");
	lease(b, 7, "length");
	lease(b, 8, "filter");
	lease(b, 9, "rejected");
	lease(b, 10, "positive");
	wait_results(b, 11);
	expect_class(b, 0, 0, 3);
	expect_class(b, 1, 0, 2);
	/* A connection that is used again and closed is tried once more by curl itself. */
	assert_int_equal(annotation(b, 2)->class_label->class_id, 0);
	expect_class(b, 3, 0, 2);
	expect_reason(b, 4, "not_a_label", 2);
	assert_memory_equal(annotation(b, 4)->answer.data, "maybe", 5);
	expect_class(b, 5, 0, 2);
	expect_reason(b, 6, "malformed", 4);
	expect_reason(b, 7, "length", 2);
	expect_reason(b, 8, "refused", 1);
	expect_reason(b, 9, "rejected", 1);
	expect_class(b, 10, 1, 1);
	assert_false(b->blocked);
	assert_int_equal(b->return_count, 0);
	assert_int_equal(stop(b), 0);
}

static void test_retry_after(void **state)
{
	struct bench *b = *state;
	start(b);
	lease(b, 0, "429-once 2");
	play(b, NULL, 0, 300);
	for (uint64_t i = 1; i < 20; i++)
		lease(b, i, "positive");
	wait_results(b, 20);
	expect_class(b, 0, 0, 2);
	struct llm_request last;
	(void)llm_text_count("429-once 2", &last);
	uint64_t first_ms = llm_request_at(0)->at_ms;
	assert_true(last.at_ms - first_ms >= 2000 && last.at_ms - first_ms < 3000);
	/* Nobody else hammers it either. */
	for (int i = 1; i < llm_request_count(); i++)
		assert_true(llm_request_at(i)->at_ms - first_ms >= 2000);
	assert_int_equal(b->return_count, 0);
}

static void test_blocked_and_resumed(void **state)
{
	struct bench *b = *state;
	b->key_env = "TEST_KEY";
	llm_status_set(401);
	start(b);
	for (uint64_t i = 0; i < 40; i++)
		lease(b, i, "positive");
	wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "TEST_KEY"));
	assert_non_null(strstr(b->reason, "401"));
	assert_null(strstr(b->reason, KEY));
	/* All but the probe go back; nothing but a probe is sent; no credit is given. */
	play(b, &b->return_count, 39, 2000);
	assert_int_equal(b->return_count, 39);
	int requests = llm_request_count();
	play(b, NULL, 0, 4 * PROBE_MS);
	int probes = llm_request_count() - requests;
	assert_true(probes >= 2 && probes <= 5);
	assert_int_equal(b->credit, 1);
	assert_int_equal(b->result_count, 0);
	llm_status_set(0);
	wait_blocked(b, false);
	wait_results(b, 1);
	play(b, NULL, 0, 300);
	assert_true(b->credit >= 16);
	char line[1024];
	int blocked_lines = 0;
	FILE *log = fopen(b->log, "r");
	assert_non_null(log);
	while (fgets(line, sizeof line, log)) {
		blocked_lines += strstr(line, "endpoint_blocked") != NULL;
		assert_null(strstr(line, KEY));
	}
	(void)fclose(log);
	assert_int_equal(blocked_lines, 1);
}

static void test_blocked_no_credit(void **state)
{
	struct bench *b = *state;
	start(b);
	lease(b, 0, "quota-once");
	wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "credit"));
	wait_blocked(b, false);
	wait_results(b, 1);
	expect_class(b, 0, 0, 2);
}

static void test_blocked_no_key(void **state)
{
	struct bench *b = *state;
	b->key_env = "MISSING_KEY";
	start(b);
	lease(b, 0, "positive");
	wait_blocked(b, true);
	assert_non_null(strstr(b->reason, "set MISSING_KEY"));
	assert_int_equal(llm_request_count(), 0);
	/* A project with other settings is tried at once. */
	b->key_env = "TEST_KEY";
	b->version++;
	welcome_send(b);
	wait_blocked(b, false);
	wait_results(b, 1);
	expect_class(b, 0, 1, 1);
}

static void test_endpoint_down(void **state)
{
	struct bench *b = *state;
	start(b);
	/* It hangs on everything: a pause, then this work fails, to be leased again. */
	lease(b, 0, "hang");
	wait_blocked(b, true);
	assert_int_equal(llm_text_count("hang", NULL), 4);
	wait_results(b, 1);
	assert_non_null(strstr(b->results[0]->error, "timeout"));
	/* The last lease of a work ends as unusable, so that it does not end the run. */
	lease_shots(b, 1, "hang", WORK_ATTEMPTS_MAX, NULL, 0);
	wait_results(b, 2);
	assert_string_equal(annotation(b, 1)->reason, "timeout");
	lease(b, 2, "positive");
	wait_results(b, 3);
	wait_blocked(b, false);
	expect_class(b, 2, 1, 1);
}

static void pool_send(struct bench *b)
{
	Freeal__Demonstration items[2], *list[2] = {&items[0], &items[1]};
	for (uint32_t i = 0; i < 2; i++) {
		freeal__demonstration__init(&items[i]);
		items[i].text.data = (uint8_t *)(i ? "lovely" : "dull");
		items[i].text.len = i ? 6 : 4;
		items[i].class_id = i;
	}
	Freeal__Pool pool = FREEAL__POOL__INIT;
	pool.version = 1;
	pool.demonstrations = list;
	pool.n_demonstrations = 2;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_POOL;
	e.pool = &pool;
	send_to(b, &e);
}

static void test_demonstrations(void **state)
{
	struct bench *b = *state;
	start(b);
	pool_send(b);
	lease_shots(b, 0, "positive", 1, (uint32_t[]){1, 0}, 2);
	lease_shots(b, 1, "positive", 1, (uint32_t[]){7}, 1);
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__GENERATE;
	name.item = 2;
	Freeal__GenerateOrder order = FREEAL__GENERATE_ORDER__INIT;
	order.class_id = 1;
	order.count = 5;
	Freeal__Work work = FREEAL__WORK__INIT;
	work.name = &name;
	work.attempt = 1;
	work.order_case = FREEAL__WORK__ORDER_GENERATE;
	work.generate = &order;
	lease_send(b, &work);
	wait_results(b, 3);
	expect_class(b, 0, 1, 1);
	assert_int_equal(annotation(b, 0)->n_demonstrations, 2);
	assert_int_equal(annotation(b, 0)->pool_version, 1);
	struct llm_request last;
	assert_int_equal(llm_text_count("positive", &last), 1);
	assert_int_equal(last.turns, 5);
	assert_non_null(strstr(b->results[1]->error, "demonstration 7"));
	const Freeal__GenerateResult *g = b->results[2]->generate;
	assert_non_null(g);
	assert_int_equal(g->n_texts, 2);
	assert_memory_equal(g->texts[1].data, "two", 3);
	assert_int_equal(g->usage->requests, 1);
}

static void test_stop_returns_leases(void **state)
{
	struct bench *b = *state;
	b->concurrency = 4;
	llm_delay_set(400);
	start(b);
	for (uint64_t i = 0; i < 20; i++)
		lease(b, i, "positive");
	play(b, NULL, 0, 100);
	assert_int_equal(stop(b), 0);
	play(b, NULL, 0, 300);
	assert_int_equal(b->leaving_count, 1);
	assert_true(b->result_count < 20);
	/* The lease of another one goes on where this one stopped. */
	start(b);
	lease(b, 100, "positive");
	play(b, NULL, 0, 1000);
	expect_class(b, 100, 1, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_labels),
	    TEST(test_many_in_flight),
	    TEST(test_faults),
	    TEST(test_retry_after),
	    TEST(test_blocked_and_resumed),
	    TEST(test_blocked_no_credit),
	    TEST(test_blocked_no_key),
	    TEST(test_endpoint_down),
	    TEST(test_demonstrations),
	    TEST(test_stop_returns_leases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
