/* libs: wire base freeal-coordinator */
/* The coordinator as a process, with this test as its annotator: what it acknowledged
 * survives kill -9, what doesn't fit changes nothing, leases return when they should. */
#include "wire/worker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define SAMPLES 20

static const char task[] = "task: t\n"
			   "labels: [zero, one]\n"
			   "llm: {url: http://127.0.0.1:1/v1, model: m}\n"
			   "rounds: [{shots: 0}]\n";
/* With limits for all annotators together. */
static const char limited_task[] = "task: t\n"
				   "labels: [zero, one]\n"
				   "llm: {url: http://127.0.0.1:1/v1, model: m, concurrency: 6,\n"
				   "      requests_per_minute: 60}\n"
				   "rounds: [{shots: 0}]\n";

struct bench {
	char dir[64], endpoint[96];
	pid_t pid;
	int port;
	char token[128];
	void *context;
	struct worker *trainer; /* settles EMBED */
	struct worker *annotator;
	bool answer;	 /* leases are answered at once */
	int answers_max; /* behind so many the others are held; 0: none is */
	int leases, welcomes, grants;
	bool limited; /* no lease may come before a grant */
	uint8_t project_id[16];
	uint64_t last_item;
	uint32_t last_attempt;
	bool hold_arrivals; /* their EMBED is not answered */
	uint32_t arrivals_leases;
	int recalled, recalled_count; /* entries with a body; answers */
	uint64_t trained;	      /* samples of the TRAIN that was leased; 0: none yet */
};

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static void file_put(const char *dir, const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* False while it is not there. */
static bool file_get(const char *dir, const char *name, char *text, size_t size)
{
	char path[160];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	size_t n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
	return n > 0;
}

static void coordinator_start(struct bench *b)
{
	char project[96], port_file[96], task_file[96], port[32];
	snprintf(project, sizeof project, "%s/project", b->dir);
	snprintf(port_file, sizeof port_file, "%s/port", b->dir);
	snprintf(task_file, sizeof task_file, "%s/task.yaml", b->dir);
	unlink(port_file);
	b->pid = fork();
	if (b->pid == 0) {
		execl(PROGRAMS "/freeal-coordinator", "freeal-coordinator", "--project", project,
		      "--task", task_file, "--bind", b->endpoint, "--port-file", port_file,
		      "--log-level", "error", "--parent-death", (char *)NULL);
		_exit(127);
	}
	uint64_t until = now_ms() + 20000;
	while (!file_get(b->dir, "port", port, sizeof port) && now_ms() < until)
		poll(NULL, 0, 5);
	b->port = atoi(port);
	assert_true(file_get(project, "token", b->token, sizeof b->token));
}

static void coordinator_kill(struct bench *b, int number, int *ret_status)
{
	int status;
	assert_int_equal(kill(b->pid, number), 0);
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	if (ret_status)
		*ret_status = status;
}

/* One request with a connection of its own; the whole reply. */
static void http(struct bench *b, const char *method, const char *path, const char *token,
		 const char *body, char *reply, size_t size)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)b->port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	char *request = malloc(strlen(body) + 1024);
	int n = sprintf(request,
			"%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
			"Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
			method, path, token, strlen(body), body);
	assert_int_equal(write(fd, request, (size_t)n), n);
	free(request);
	size_t used = 0;
	ssize_t got;
	while (used < size - 1 && (got = read(fd, reply + used, size - 1 - used)) > 0)
		used += (size_t)got;
	reply[used] = '\0';
	close(fd);
}

/* The project's id stays the same, whatever happens to the process. */
static void project_take(void *context, const Freeal__Welcome *welcome)
{
	struct bench *b = context;
	const ProtobufCBinaryData *id = &welcome->project->id;
	assert_int_equal(id->len, sizeof b->project_id);
	if (b->welcomes++ > 0)
		assert_memory_equal(id->data, b->project_id, id->len);
	memcpy(b->project_id, id->data, id->len);
}

static void refusal_fail(void *context, const char *reason)
{
	(void)context;
	fail_msg("refused: %s", reason);
}

static void embed_send(struct bench *b, uint64_t item, uint32_t slot)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__EmbedResult body = FREEAL__EMBED_RESULT__INIT;
	Freeal__Result result = FREEAL__RESULT__INIT;
	name.kind = FREEAL__WORK_KIND__EMBED;
	name.item = item;
	name.slot = slot;
	body.dimensions = 1;
	result.name = &name;
	result.attempt = 1;
	result.body_case = FREEAL__RESULT__BODY_EMBED;
	result.embed = &body;
	err_ignore(worker_result(b->trainer, &result)); /* not leased: sent all the same */
}

static void trainer_lease_take(void *context, const Freeal__Work *work)
{
	struct bench *b = context;
	if (work->order_case == FREEAL__WORK__ORDER_TRAIN)
		b->trained = work->train->sample_count;
	if (work->order_case != FREEAL__WORK__ORDER_EMBED)
		return;
	bool arrivals = work->name->slot > 0;
	b->arrivals_leases += arrivals;
	if (!arrivals || !b->hold_arrivals)
		embed_send(b, work->name->item, work->name->slot);
}

static void attempt_send(struct bench *b, uint32_t round, uint64_t item, uint32_t attempt,
			 uint32_t class_id)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__ClassPayload payload = FREEAL__CLASS_PAYLOAD__INIT;
	Freeal__Usage usage = FREEAL__USAGE__INIT;
	Freeal__Annotation annotation = FREEAL__ANNOTATION__INIT;
	Freeal__Result result = FREEAL__RESULT__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.round = round;
	name.item = item;
	usage.requests = 1;
	payload.class_id = class_id;
	annotation.payload_case = FREEAL__ANNOTATION__PAYLOAD_CLASS_LABEL;
	annotation.class_label = &payload;
	annotation.usage = &usage;
	result.name = &name;
	result.attempt = attempt;
	result.body_case = FREEAL__RESULT__BODY_ANNOTATE;
	result.annotate = &annotation;
	err_ignore(worker_result(b->annotator, &result)); /* not leased: sent all the same */
}

static void annotation_send(struct bench *b, uint32_t round, uint64_t item, uint32_t class_id)
{
	attempt_send(b, round, item, 1, class_id);
}

static void lease_take(void *context, const Freeal__Work *work)
{
	struct bench *b = context;
	b->leases++;
	assert_true(!b->limited || b->grants > 0);
	b->last_item = work->name->item;
	b->last_attempt = work->attempt;
	if (b->answer && (!b->answers_max || b->leases <= b->answers_max))
		annotation_send(b, work->name->round, work->name->item,
				(uint32_t)(work->name->item % 2));
}

static void grant_take(void *context, const Freeal__Grant *grant)
{
	struct bench *b = context;
	b->grants++;
	assert_int_equal(grant->endpoint, 0);
	assert_int_equal(grant->limits, 1 | 4);
	assert_int_equal(grant->requests_per_minute, 60);
	assert_int_equal(grant->concurrency, 6);
	assert_int_equal(grant->ttl_ms, 10000);
	assert_in_range(grant->project_version, 1, 2);
}

/* Kept replies come in the order of the keys. */
static void recalled_take(void *context, const Freeal__Envelope *e)
{
	struct bench *b = context;
	if (e->body_case != FREEAL__ENVELOPE__BODY_RECALLED)
		return;
	b->recalled = 0;
	b->recalled_count++;
	for (size_t i = 0; i < e->recalled->n_replies; i++) {
		const Freeal__KeptReply *r = e->recalled->replies[i];
		assert_int_equal(r->key.len, 32);
		assert_int_equal(r->key.data[0], i);
		if (r->body.len == 0)
			continue;
		assert_int_equal(r->body.len, 2);
		assert_int_equal(r->body.data[0], '0' + (int)i);
		b->recalled++;
	}
}

static struct worker *worker_make(struct bench *b, Freeal__Role role,
				  void (*lease)(void *, const Freeal__Work *))
{
	struct worker_handler handler = {.project = project_take,
					 .lease = lease,
					 .grant = grant_take,
					 .other = recalled_take,
					 .refused = refusal_fail,
					 .context = b};
	struct worker *w;
	struct err_msg msg;
	assert_int_equal(worker_new(b->context, b->endpoint, NULL, role, &handler, &w, &msg),
			 ERR_OK);
	return w;
}

/* Turns both workers until `done` says so, 20 s at most. */
static void workers_run(struct bench *b, uint32_t credit, bool (*done)(struct bench *))
{
	uint64_t until = now_ms() + 20000;
	while (!done(b)) {
		assert_true(now_ms() < until);
		zmq_pollitem_t items[2] = {
		    {.socket = socket_zmq(worker_socket(b->annotator)), .events = ZMQ_POLLIN},
		    {.socket = socket_zmq(worker_socket(b->trainer)), .events = ZMQ_POLLIN}};
		worker_credit_set(b->annotator, credit);
		worker_credit_set(b->trainer, 1);
		worker_tick(b->annotator, now_ms());
		worker_tick(b->trainer, now_ms());
		zmq_poll(items, 2, 20);
		worker_drain(b->annotator);
		worker_drain(b->trainer);
	}
}

static int bench_make_with(void **state, const char *task_text)
{
	struct bench *b = calloc(1, sizeof *b);
	*state = b;
	strcpy(b->dir, "/tmp/freeal-coordinator-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	snprintf(b->endpoint, sizeof b->endpoint, "ipc://%s/bus", b->dir);
	file_put(b->dir, "task.yaml", task_text);
	b->context = zmq_ctx_new();
	coordinator_start(b);
	b->annotator = worker_make(b, FREEAL__ROLE__ANNOTATOR, lease_take);
	b->trainer = worker_make(b, FREEAL__ROLE__TRAINER, trainer_lease_take);
	return 0;
}

static int bench_make(void **state)
{
	return bench_make_with(state, task);
}

static int limited_bench_make(void **state)
{
	return bench_make_with(state, limited_task);
}

static int bench_free(void **state)
{
	struct bench *b = *state;
	char command[128];
	kill(b->pid, SIGKILL);
	waitpid(b->pid, NULL, 0);
	worker_free(b->annotator);
	worker_free(b->trainer);
	zmq_ctx_term(b->context);
	snprintf(command, sizeof command, "rm -rf %s", b->dir);
	free(b);
	return system(command);
}

static void samples_send(struct bench *b, int from, int to)
{
	char body[SAMPLES * 64] = "", reply[4096];
	for (int i = from; i < to; i++)
		sprintf(body + strlen(body), "{\"id\":\"s%d\",\"text\":\"text %d\"}\n", i, i);
	http(b, "POST", "/v1/samples", b->token, body, reply, sizeof reply);
	assert_non_null(strstr(reply, "\"rejected\":[]"));
}

static void samples_post(struct bench *b)
{
	char reply[4096];
	samples_send(b, 0, SAMPLES);
	http(b, "POST", "/v1/start", b->token, "{}", reply, sizeof reply);
	assert_non_null(strstr(reply, "200 OK"));
}

static int labelled(struct bench *b)
{
	char reply[16384];
	int count = 0;
	http(b, "GET", "/v1/labels", b->token, "", reply, sizeof reply);
	for (char *at = reply; (at = strstr(at, "\"source\":\"llm\"")); at++)
		count++;
	return count;
}

static bool five_are_acknowledged(struct bench *b)
{
	return b->leases >= 5 && worker_result_count(b->annotator) == 0;
}

static bool all_are_acknowledged(struct bench *b)
{
	return b->leases >= SAMPLES && worker_result_count(b->annotator) == 0;
}

static bool one_is_leased(struct bench *b)
{
	return b->leases >= 1;
}

static bool results_are_acknowledged(struct bench *b)
{
	return worker_result_count(b->annotator) == 0;
}

static bool one_is_paid(struct bench *b)
{
	char reply[4096];
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	return strstr(reply, "\"requests\":1,") != NULL;
}

static bool two_are_paid(struct bench *b)
{
	char reply[4096];
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	return strstr(reply, "\"requests\":2,") != NULL;
}

/* A1, I2, I3: what was acknowledged is there after kill -9, and is not leased again. */
static void acknowledged_annotations_survive_a_kill(void **state)
{
	struct bench *b = *state;
	b->answer = true;
	samples_post(b);
	workers_run(b, 1, five_are_acknowledged);
	coordinator_kill(b, SIGKILL, NULL);
	int before = b->leases;
	coordinator_start(b);
	int kept = labelled(b);
	assert_true(kept >= 5);
	assert_true(kept <= before);
	samples_post(b); /* idempotent */
	workers_run(b, 4, all_are_acknowledged);
	assert_int_equal(labelled(b), SAMPLES);
	/* Nothing that was acknowledged was leased again. */
	assert_in_range(b->leases, SAMPLES, SAMPLES + before - kept);
}

/* Who may send how much is said before anything is leased, and again after a restart. */
static void limits_are_granted(void **state)
{
	struct bench *b = *state;
	b->limited = true;
	samples_post(b);
	workers_run(b, 4, one_is_leased);
	assert_int_equal(b->grants, 1);
	coordinator_kill(b, SIGKILL, NULL);
	coordinator_start(b);
	b->leases = b->grants = 0;
	/* It still holds four. */
	workers_run(b, 4, one_is_leased);
	assert_int_equal(b->grants, 1);
}

static bool six_are_leased(struct bench *b)
{
	return b->leases == 6 && worker_result_count(b->annotator) == 0;
}

static bool arrivals_are_embedded(struct bench *b)
{
	return b->arrivals_leases > 0;
}

static bool trainer_is_acknowledged(struct bench *b)
{
	return worker_result_count(b->trainer) == 0;
}

static bool training_begins(struct bench *b)
{
	return b->trained > 0;
}

/* E2: ANNOTATE takes what comes until all is settled, then no more, restarts or not. */
static void samples_that_come_while_the_llm_is_asked(void **state)
{
	struct bench *b = *state;
	char reply[4096];
	b->answer = b->hold_arrivals = true;
	b->answers_max = 5;
	samples_post(b);
	workers_run(b, 1, six_are_leased);
	samples_send(b, SAMPLES, SAMPLES + 3);
	coordinator_kill(b, SIGKILL, NULL);
	coordinator_start(b);
	samples_send(b, SAMPLES + 3, SAMPLES + 5);
	b->answers_max = 0;
	annotation_send(b, 0, b->last_item, (uint32_t)(b->last_item % 2));
	workers_run(b, 1, arrivals_are_embedded);
	assert_int_equal(labelled(b), SAMPLES);
	samples_send(b, SAMPLES + 5, SAMPLES + 9); /* too late for this round */
	coordinator_kill(b, SIGKILL, NULL);
	coordinator_start(b);
	/* D12: the block's earlier result, which comes again, is not the arrivals'. */
	embed_send(b, 0, 0);
	workers_run(b, 1, trainer_is_acknowledged);
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "\"phase\":\"embed\""));
	assert_non_null(strstr(reply, "\"frozen\":true"));
	b->hold_arrivals = false;
	embed_send(b, 0, 2);
	workers_run(b, 1, training_begins);
	assert_int_equal(b->trained, SAMPLES + 5);
	assert_int_equal(labelled(b), SAMPLES + 5);
}

/* A10: SIGTERM ends it at once with 0. */
static void stops_on_sigterm(void **state)
{
	struct bench *b = *state;
	int status;
	coordinator_kill(b, SIGTERM, &status);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	coordinator_start(b);
}

/* D12, D14: results for other rounds, absent samples or classes are not applied. */
static void results_that_do_not_fit_change_nothing(void **state)
{
	struct bench *b = *state;
	char reply[4096];
	samples_post(b);
	workers_run(b, 1, one_is_leased);
	annotation_send(b, 7, 3, 1);
	annotation_send(b, 0, SAMPLES + 5, 1);
	annotation_send(b, 0, 4, 99);
	workers_run(b, 1, results_are_acknowledged);
	assert_int_equal(labelled(b), 0);
	/* A late answer to work that is still open is kept, once. */
	annotation_send(b, 0, 5, 1);
	workers_run(b, 1, results_are_acknowledged);
	annotation_send(b, 0, 5, 0);
	workers_run(b, 1, results_are_acknowledged);
	assert_int_equal(labelled(b), 1);
	/* Sent again, it cost nothing more; another lease's answer was paid for. */
	workers_run(b, 1, one_is_paid);
	attempt_send(b, 0, 5, 2, 0);
	workers_run(b, 1, results_are_acknowledged);
	assert_int_equal(labelled(b), 1);
	workers_run(b, 1, two_are_paid);
	/* C17: the first one stays, the other is counted. */
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "\"disagreements\":1"));
}

/* A result of item `no` with the reply to question `no`: answered, or failed. */
static void kept_send(struct bench *b, uint8_t no, bool failed)
{
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	Freeal__Annotation annotation = FREEAL__ANNOTATION__INIT;
	Freeal__Result result = FREEAL__RESULT__INIT;
	Freeal__KeptReply reply = FREEAL__KEPT_REPLY__INIT, *replies[1] = {&reply};
	uint8_t key[32] = {no}, body[2] = {(uint8_t)('0' + no), '.'};
	reply.key = (ProtobufCBinaryData){sizeof key, key};
	reply.body = (ProtobufCBinaryData){sizeof body, body};
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = no;
	result.name = &name;
	result.attempt = 1;
	if (failed) {
		result.error = "unreachable";
	} else {
		annotation.reason = "not_a_label";
		result.body_case = FREEAL__RESULT__BODY_ANNOTATE;
		result.annotate = &annotation;
	}
	result.replies = replies;
	result.n_replies = 1;
	err_ignore(worker_result(b->annotator, &result)); /* not leased: sent all the same */
}

static void recall_send(struct bench *b)
{
	uint8_t keys[3][32] = {{0}, {1}, {2}};
	ProtobufCBinaryData list[3];
	Freeal__Recall recall = FREEAL__RECALL__INIT;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	for (int i = 0; i < 3; i++)
		list[i] = (ProtobufCBinaryData){sizeof keys[i], keys[i]};
	recall.keys = list;
	recall.n_keys = 3;
	e.body_case = FREEAL__ENVELOPE__BODY_RECALL;
	e.recall = &recall;
	assert_int_equal(worker_send(b->annotator, &e), ERR_OK);
}

static bool is_recalled(struct bench *b)
{
	return b->recalled_count > 0;
}

static bool is_recalled_twice(struct bench *b)
{
	return b->recalled_count > 1;
}

static bool is_welcome(struct bench *b)
{
	return b->welcomes == 4; /* both workers, twice */
}

/* What is acknowledged has its replies kept, whatever came of it, also after kill -9. */
static void replies_are_kept_and_recalled(void **state)
{
	struct bench *b = *state;
	char reply[8192];
	samples_post(b);
	workers_run(b, 1, one_is_leased);
	kept_send(b, 0, false);
	kept_send(b, 2, true);
	workers_run(b, 1, results_are_acknowledged);
	coordinator_kill(b, SIGKILL, NULL);
	coordinator_start(b);
	workers_run(b, 1, is_welcome);
	recall_send(b);
	workers_run(b, 1, is_recalled);
	assert_int_equal(b->recalled, 2);
	http(b, "GET", "/v1/cache", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "{\"number\":0,\"key\":\"0000000000"));
	assert_non_null(strstr(reply, "{\"number\":1,\"key\":\"0200000000"));
	assert_non_null(strstr(reply, "\"bytes\":2,\"model\":null,\"answer\":null}"));
	http(b, "GET", "/v1/status", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "\"replies\":2,\"bytes\":260}"));
	http(b, "POST", "/v1/cache/clear", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, "200 OK"));
	recall_send(b);
	workers_run(b, 1, is_recalled_twice);
	assert_int_equal(b->recalled, 0);
}

/* A lease handed back is given out again at once, and counts as no attempt. */
static void a_returned_lease_comes_back(void **state)
{
	struct bench *b = *state;
	samples_post(b);
	workers_run(b, 1, one_is_leased);
	Freeal__WorkName name = FREEAL__WORK_NAME__INIT;
	name.kind = FREEAL__WORK_KIND__ANNOTATE;
	name.item = b->last_item;
	uint64_t item = b->last_item;
	b->leases = 0;
	worker_return(b->annotator, &name, "test");
	workers_run(b, 1, one_is_leased);
	assert_int_equal(b->last_item, item);
	assert_int_equal(b->last_attempt, 1);
}

static void http_wants_its_token(void **state)
{
	struct bench *b = *state;
	char reply[4096];
	http(b, "GET", "/v1/status", "wrong", "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 401 "));
	assert_null(strstr(reply, b->token));
	http(b, "GET", "/healthz", "wrong", "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 200 "));
	http(b, "GET", "/v1/model/..%2ftoken", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 404 "));
	http(b, "PUT", "/v1/samples", b->token, "", reply, sizeof reply);
	assert_non_null(strstr(reply, " 405 "));
	http(b, "POST", "/v1/start", b->token, "nonsense", reply, sizeof reply);
	assert_non_null(strstr(reply, " 400 "));
}

/* B9: a second coordinator on the project is refused with exit code 3. */
static void a_project_has_one_coordinator(void **state)
{
	struct bench *b = *state;
	char project[96];
	int status;
	snprintf(project, sizeof project, "%s/project", b->dir);
	pid_t second = fork();
	if (second == 0) {
		freopen("/dev/null", "w", stderr);
		execl(PROGRAMS "/freeal-coordinator", "freeal-coordinator", "--project", project,
		      (char *)NULL);
		_exit(127);
	}
	waitpid(second, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(acknowledged_annotations_survive_a_kill, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(limits_are_granted, limited_bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(samples_that_come_while_the_llm_is_asked, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(stops_on_sigterm, bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(results_that_do_not_fit_change_nothing, bench_make,
					    bench_free),
	    cmocka_unit_test_setup_teardown(replies_are_kept_and_recalled, bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(a_returned_lease_comes_back, bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(http_wants_its_token, bench_make, bench_free),
	    cmocka_unit_test_setup_teardown(a_project_has_one_coordinator, bench_make, bench_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
