#include "annotator_bench.h"

#include "base/clock.h"

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

uint64_t bench_now(void)
{
	struct clock c = clock_system();
	return clock_mono_ms(&c);
}

void bench_send(struct bench *b, Freeal__Envelope *e)
{
	assert_int_equal(socket_send(b->socket, &b->annotator, e), ERR_OK);
}

static void endpoint_write(struct bench *b, uint32_t i, char *url, Freeal__Endpoint *e)
{
	const struct bench_endpoint *from = &b->endpoints[i];
	freeal__endpoint__init(e);
	e->name = (char *)from->model;
	e->url = url;
	e->model = (char *)from->model;
	e->key_env = (char *)from->key_env;
	e->timeout_ms = 600;
	e->concurrency = from->concurrency;
	e->requests_per_minute = from->requests_per_minute;
	e->tokens_per_minute = from->tokens_per_minute;
	e->nano_usd_per_million_in = 3000000;
	e->nano_usd_per_million_out = 5000000;
}

void bench_grant(struct bench *b)
{
	for (uint32_t i = 0; i < b->endpoint_count; i++) {
		const struct bench_endpoint *from = &b->endpoints[i];
		Freeal__Grant grant = FREEAL__GRANT__INIT;
		grant.endpoint = i;
		grant.project_version = b->version;
		grant.ttl_ms = b->grant_ttl_ms;
		grant.concurrency = from->concurrency;
		grant.requests_per_minute = from->requests_per_minute;
		grant.tokens_per_minute = from->tokens_per_minute;
		grant.limits = (from->requests_per_minute ? 1u : 0u) |
			       (from->tokens_per_minute ? 2u : 0u) | (from->concurrency ? 4u : 0u);
		Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
		e.body_case = FREEAL__ENVELOPE__BODY_GRANT;
		e.grant = &grant;
		if (grant.limits && grant.ttl_ms)
			bench_send(b, &e);
	}
}

void bench_welcome(struct bench *b)
{
	Freeal__Label labels[2], *label_list[2] = {&labels[0], &labels[1]};
	freeal__label__init(&labels[0]);
	freeal__label__init(&labels[1]);
	labels[0].name = "negative";
	labels[1].name = "positive";
	Freeal__Endpoint endpoints[BENCH_ENDPOINTS_MAX], *endpoint_list[BENCH_ENDPOINTS_MAX];
	uint32_t positions[BENCH_ENDPOINTS_MAX];
	char urls[BENCH_ENDPOINTS_MAX][64];
	for (uint32_t i = 0; i < b->endpoint_count; i++) {
		(void)snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%d/%s/v1", b->port,
			       b->endpoints[i].model);
		endpoint_write(b, i, urls[i], &endpoints[i]);
		endpoint_list[i] = &endpoints[i];
		positions[i] = i;
	}
	Freeal__Llm llm = FREEAL__LLM__INIT;
	llm.endpoints = positions;
	llm.n_endpoints = b->endpoint_count;
	llm.max_tokens = 20;
	llm.attempts_max = 2;
	llm.retries_max = 3;
	llm.samples = b->samples;
	llm.batch = b->batch;
	llm.candidates = b->candidates;
	llm.reasoning = b->reasoning;
	Freeal__RoundConfig round = FREEAL__ROUND_CONFIG__INIT, *rounds[] = {&round};
	round.llm = &llm;
	Freeal__Project project = FREEAL__PROJECT__INIT;
	project.version = b->version;
	project.task = "t";
	project.labels = label_list;
	project.n_labels = 2;
	project.rounds = rounds;
	project.n_rounds = 1;
	project.endpoints = endpoint_list;
	project.n_endpoints = b->endpoint_count;
	Freeal__Welcome welcome = FREEAL__WELCOME__INIT;
	welcome.project = &project;
	welcome.epoch.data = (uint8_t *)"0123456789abcdef";
	welcome.epoch.len = 16;
	welcome.heartbeat_ms = 200;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_WELCOME;
	e.welcome = &welcome;
	bench_send(b, &e);
	bench_grant(b);
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
	bench_send(b, &e);
}

static void message_take(struct bench *b, const Freeal__Envelope *e)
{
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_HELLO:
		b->hello_count++;
		assert_int_equal(e->hello->role, FREEAL__ROLE__ANNOTATOR);
		bench_welcome(b);
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
		b->limited = e->status->limited;
		(void)snprintf(b->reason, sizeof b->reason, "%s", e->status->reason);
		break;
	default:
		fail_msg("unexpected message %d", (int)e->body_case);
	}
}

/* Plays the coordinator for `ms`, or until *what reaches `want` (what: may be NULL). */
void bench_play(struct bench *b, const uint32_t *what, uint32_t want, uint64_t ms)
{
	for (uint64_t end = bench_now() + ms; bench_now() < end && (!what || *what < want);) {
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

void bench_wait_results(struct bench *b, uint32_t want)
{
	bench_play(b, &b->result_count, want, WAIT_MS_MAX);
	assert_int_equal(b->result_count, want);
}

void bench_wait_blocked(struct bench *b, bool blocked)
{
	for (uint64_t end = bench_now() + WAIT_MS_MAX; bench_now() < end && b->blocked != blocked;)
		bench_play(b, NULL, 0, 20);
	assert_int_equal(b->blocked, blocked);
}

void bench_lease_work(struct bench *b, Freeal__Work *work)
{
	Freeal__Lease lease = FREEAL__LEASE__INIT;
	lease.works = &work;
	lease.n_works = 1;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_LEASE;
	e.lease = &lease;
	bench_send(b, &e);
}

void bench_lease_shots(struct bench *b, uint64_t item, const char *text, uint32_t attempt,
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
	bench_lease_work(b, &work);
}

void bench_lease(struct bench *b, uint64_t item, const char *text)
{
	bench_lease_shots(b, item, text, 1, NULL, 0);
}

void bench_start(struct bench *b)
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
	bench_play(b, &b->hello_count, hellos + 1, WAIT_MS_MAX);
	assert_int_equal(b->hello_count, hellos + 1);
	bench_play(b, &b->credit, 1, WAIT_MS_MAX);
	assert_true(b->credit > 0);
}

int bench_stop(struct bench *b)
{
	int status;
	uint64_t begin = bench_now();
	assert_int_equal(kill(b->pid, SIGTERM), 0);
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	assert_true(bench_now() - begin < 2000);
	b->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int bench_setup(void **state)
{
	static int port;
	struct bench *b = calloc(1, sizeof *b);
	if (!port)
		port = llm_start();
	llm_reset();
	b->port = port;
	b->version = 1;
	b->endpoints[0] = (struct bench_endpoint){.model = "m", .key_env = "", .concurrency = 16};
	b->endpoints[1] = (struct bench_endpoint){.model = "n", .key_env = "", .concurrency = 16};
	b->endpoint_count = 1;
	b->grant_ttl_ms = 60000;
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

int bench_teardown(void **state)
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

const Freeal__Annotation *bench_annotation(const struct bench *b, size_t item)
{
	const Freeal__Result *r = b->results[item];
	assert_non_null(r);
	assert_string_equal(r->error, "");
	assert_int_equal(r->body_case, FREEAL__RESULT__BODY_ANNOTATE);
	return r->annotate;
}

void bench_expect_class(const struct bench *b, size_t item, uint32_t class_id, uint32_t requests)
{
	const Freeal__Annotation *a = bench_annotation(b, item);
	assert_string_equal(a->reason, "");
	assert_int_equal(a->payload_case, FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL);
	assert_int_equal(a->class_label->class_id, class_id);
	assert_int_equal(a->usage->requests, requests);
}

void bench_expect_reason(const struct bench *b, size_t item, const char *reason, uint32_t requests)
{
	const Freeal__Annotation *a = bench_annotation(b, item);
	assert_string_equal(a->reason, reason);
	assert_int_equal(a->payload_case, FREEAL__ANNOTATION__PAYLOAD__NOT_SET);
	assert_int_equal(a->usage->requests, requests);
}

int bench_log_count(const struct bench *b, const char *words)
{
	char line[4096];
	int count = 0;
	FILE *log = fopen(b->log, "r");
	assert_non_null(log);
	while (fgets(line, sizeof line, log))
		count += strstr(line, words) != NULL;
	(void)fclose(log);
	return count;
}
