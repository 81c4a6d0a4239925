#include "coordinator_bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

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

void coordinator_start(struct bench *b)
{
	char project[96], port_file[96], task_file[96], port[32];
	snprintf(project, sizeof project, "%s/project", b->dir);
	snprintf(port_file, sizeof port_file, "%s/port", b->dir);
	snprintf(task_file, sizeof task_file, "%s/task.yaml", b->dir);
	unlink(port_file);
	char *const argv[] = {"freeal-coordinator",
			      "--project",
			      project,
			      "--task",
			      task_file,
			      "--bind",
			      b->endpoint,
			      "--port-file",
			      port_file,
			      "--log-level",
			      "error",
			      "--parent-death",
			      NULL};
	b->pid = process_start(argv);
	uint64_t until = now() + 20000;
	while (!file_get(b->dir, "port", port, sizeof port) && now() < until)
		poll(NULL, 0, 5);
	b->port = atoi(port);
	assert_true(file_get(project, "token", b->token, sizeof b->token));
}

void coordinator_kill(struct bench *b)
{
	assert_int_equal(process_stop(&b->pid, SIGKILL, 20000), -1);
}

void http(struct bench *b, const char *method, const char *path, const char *token,
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

void embed_send(struct bench *b, uint64_t item, uint32_t slot)
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

void attempt_send(struct bench *b, uint32_t round, uint64_t item, uint32_t attempt,
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

void annotation_send(struct bench *b, uint32_t round, uint64_t item, uint32_t class_id)
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

void workers_run(struct bench *b, uint32_t credit, bool (*done)(struct bench *))
{
	uint64_t until = now() + 20000;
	while (!done(b)) {
		assert_true(now() < until);
		zmq_pollitem_t items[2] = {
		    {.socket = socket_zmq(worker_socket(b->annotator)), .events = ZMQ_POLLIN},
		    {.socket = socket_zmq(worker_socket(b->trainer)), .events = ZMQ_POLLIN}};
		worker_credit_set(b->annotator, credit);
		worker_credit_set(b->trainer, 1);
		worker_tick(b->annotator, now());
		worker_tick(b->trainer, now());
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

int bench_make(void **state)
{
	return bench_make_with(state, task);
}

int limited_bench_make(void **state)
{
	return bench_make_with(state, limited_task);
}

int bench_free(void **state)
{
	struct bench *b = *state;
	process_kill(b->pid);
	worker_free(b->annotator);
	worker_free(b->trainer);
	zmq_ctx_term(b->context);
	int gone = folder_remove(b->dir);
	free(b);
	return gone;
}

void samples_send(struct bench *b, int from, int to)
{
	char body[SAMPLES * 64] = "", reply[4096];
	for (int i = from; i < to; i++)
		sprintf(body + strlen(body), "{\"id\":\"s%d\",\"text\":\"text %d\"}\n", i, i);
	http(b, "POST", "/v1/samples", b->token, body, reply, sizeof reply);
	assert_non_null(strstr(reply, "\"rejected\":[]"));
}

void samples_post(struct bench *b)
{
	char reply[4096];
	samples_send(b, 0, SAMPLES);
	http(b, "POST", "/v1/start", b->token, "{}", reply, sizeof reply);
	assert_non_null(strstr(reply, "200 OK"));
}

int labelled(struct bench *b)
{
	char reply[16384];
	int count = 0;
	http(b, "GET", "/v1/labels", b->token, "", reply, sizeof reply);
	for (char *at = reply; (at = strstr(at, "\"source\":\"llm\"")); at++)
		count++;
	return count;
}

bool one_is_leased(struct bench *b)
{
	return b->leases >= 1;
}

bool results_are_acknowledged(struct bench *b)
{
	return worker_result_count(b->annotator) == 0;
}
