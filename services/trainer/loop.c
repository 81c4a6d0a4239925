#include "trainer/loop.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/runner.h"
#include "base/stop.h"
#include "trainer/job.h"
#include "trainer/model_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

/* One job runs and one waits, so that the thread never idles between folds. */
#define JOB_CREDIT 2u
#define OUTBOX_STREAM_MAX 4u
#define JOB_COUNT_MAX 16u /* whatever is leased beyond the credit */
#define EPOCH_BYTES 16
#define HELLO_RETRY_MS 1000u
#define SELECTOR_SILENT_MS 5000u /* after which it may be another process */
#define POLL_MS_MAX 1000u
#define MESSAGES_PER_TURN_MAX 1000
#define JOB_STOP_MS 800u

struct loop {
	const struct loop_config *config;
	struct clock clock;
	uint64_t now_ms; /* of this turn */
	void *zmq;
	struct worker *worker;
	struct socket *selector; /* NULL: endpoint not known yet */
	char selector_endpoint[4 * NAME_BYTES_MAX];
	uint8_t epoch[EPOCH_BYTES];
	uint64_t selector_heard_ms; /* 0: never */
	uint64_t hello_due_ms;
	struct dataset *dataset;
	struct supply *supply;
	struct outbox *outbox;
	struct job_context *context; /* the thread's */
	struct runner *runner;
	char model_dir[4096];
	Freeal__Project *project; /* NULL: before the first Welcome */
	struct job *jobs;	  /* oldest first */
	struct refit *refit;
	char losses_name[STREAM_NAME_BYTES_MAX]; /* the refit's, offered; "": none */
	struct supply_need clean_need;		 /* the refit's answer, being pulled */
	enum err error;				 /* the process should end with it */
	struct err_msg *msg;
};

static void job_remove(struct loop *l, struct job *j)
{
	struct job **at = &l->jobs;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	job_free(j);
}

static void job_end(struct loop *l, struct job *j, const char *error)
{
	job_log(j, error ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, error ? "job_failed" : "job_done",
		error);
	job_report(j, l->worker, error);
	job_remove(l, j);
}

static void hello_send(struct loop *l)
{
	Freeal__Hello hello = FREEAL__HELLO__INIT;
	hello.role = FREEAL__ROLE__TRAINER;
	hello.epoch.data = l->epoch;
	hello.epoch.len = sizeof l->epoch;
	hello.version = (char *)FREEAL_VERSION;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_HELLO;
	e.hello = &hello;
	/* Said again until the selector is heard. */
	err_ignore(socket_send(l->selector, NULL, &e));
}

static void selector_connect(struct loop *l, const char *endpoint)
{
	if (strcmp(endpoint, l->selector_endpoint) == 0 || endpoint[0] == '\0')
		return;
	struct socket *s;
	struct err_msg msg;
	if (strlen(endpoint) >= sizeof l->selector_endpoint ||
	    socket_connect(l->zmq, endpoint, l->config->auth, FREEAL__ROLE__SELECTOR, &s, &msg) !=
		ERR_OK) {
		log_warn("selector_endpoint_bad", "endpoint=%s", endpoint);
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

static void project_take(void *context, const Freeal__Welcome *welcome)
{
	struct loop *l = context;
	selector_connect(l, welcome->selector);
	if (!welcome->project)
		return;
	Freeal__Project *project = frame_message_copy(&welcome->project->base);
	if (!project)
		return;
	if (l->project)
		freeal__project__free_unpacked(l->project, NULL);
	l->project = project;
	log_info("welcome", "task=%s labels=%zu selector=%s", project->task, project->n_labels,
		 l->selector_endpoint);
}

static void lease_take(void *context, const Freeal__Work *work)
{
	struct loop *l = context;
	struct job **at = &l->jobs;
	uint32_t count = 0;
	for (; *at; at = &(*at)->next)
		count++;
	struct job *j = l->project && count < JOB_COUNT_MAX ? job_new(work, l->project) : NULL;
	if (!j) {
		worker_return(l->worker, work->name, "no room");
		return;
	}
	*at = j;
	job_log(j, LOG_LEVEL_DEBUG, "lease", NULL);
}

static void cancel_take(void *context, const Freeal__WorkName *name)
{
	struct loop *l = context;
	struct job *j = l->jobs;
	while (j && (atomic_load(&j->cancel) || !job_named(j, name)))
		j = j->next;
	if (!j)
		return;
	job_log(j, LOG_LEVEL_INFO, "job_cancelled", NULL);
	if (j->state == JOB_RUNNING) {
		atomic_store(&j->cancel, true);
		return;
	}
	if (j->state == JOB_OFFERED)
		(void)outbox_drop(l->outbox, j->outcome.stream_name);
	job_remove(l, j);
}

static void chunk_take(struct loop *l, const Freeal__Chunk *chunk)
{
	enum err e = supply_chunk(l->supply, chunk, l->now_ms);
	if (e && !l->error)
		l->error = err_set(l->msg, e, "cannot store the training set in %s: %s",
				   l->config->data, err_str(e));
}

static void other_take(void *context, const Freeal__Envelope *e)
{
	struct loop *l = context;
	struct socket *s = worker_socket(l->worker);
	if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK) {
		chunk_take(l, e->chunk);
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK_REQUEST) {
		if (strcmp(e->chunk_request->stream, MODEL_STREAM_NAME) == 0)
			model_stream_answer(l->model_dir, s, e->chunk_request);
		else
			stream_missing_send(s, NULL, e->chunk_request->stream);
	}
}

static void refused_take(void *context, const char *reason)
{
	struct loop *l = context;
	if (!l->error)
		l->error = err_set(l->msg, ERR_PROTOCOL, "the coordinator refused: %s", reason);
}

static struct job *running_job(const struct loop *l)
{
	struct job *j = l->jobs;
	while (j && j->state != JOB_RUNNING)
		j = j->next;
	return j;
}

/* The selector has the losses: the clean set that it made of them is pulled. */
static void losses_stored(struct loop *l, const Freeal__Stored *stored)
{
	l->losses_name[0] = '\0';
	const struct job *j = running_job(l);
	if (stored->error[0] || !j || !j->refit) {
		refit_answer(l->refit, NULL, ERR_INVALID, stored->error);
		return;
	}
	l->clean_need = (struct supply_need){.sample_count = j->work->train->sample_count};
	(void)snprintf(l->clean_need.selection, sizeof l->clean_need.selection, "clean%s",
		       strchr(stored->stream, '/'));
}

/* Sends the losses that a training wants a clean set for, and hands it over. */
static void refit_tick(struct loop *l)
{
	uint32_t epoch;
	struct outbox_stream *losses = refit_take(l->refit, &epoch);
	if (losses) {
		l->clean_need.selection[0] = '\0';
		(void)snprintf(l->losses_name, sizeof l->losses_name, "%s",
			       outbox_stream_name(losses));
		enum err e = outbox_put(l->outbox, losses);
		assert(!e); /* jobs start only while there is room */
	}
	if (l->clean_need.selection[0] == '\0')
		return;
	struct err_msg msg = {0};
	enum err e = supply_check(l->supply, &l->clean_need, l->now_ms, &msg);
	if (e == ERR_AGAIN)
		return;
	l->clean_need.selection[0] = '\0';
	refit_answer(l->refit, e ? NULL : supply_selection_take(l->supply), e, msg.text);
}

/* The selector has the stream, or won't take it: its job is done. */
static void stored_take(struct loop *l, const Freeal__Stored *stored)
{
	if (!outbox_drop(l->outbox, stored->stream))
		return;
	if (strcmp(stored->stream, l->losses_name) == 0) {
		losses_stored(l, stored);
		return;
	}
	struct job *j = l->jobs;
	while (j &&
	       (j->state != JOB_OFFERED || strcmp(j->outcome.stream_name, stored->stream) != 0))
		j = j->next;
	if (j)
		job_end(l, j, stored->error[0] ? stored->error : NULL);
}

static void selector_envelope_take(struct loop *l, const Freeal__Envelope *e)
{
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_STORED:
		stored_take(l, e->stored);
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

static void selector_drain(struct loop *l)
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
		selector_envelope_take(l, frame_envelope(f));
		frame_free(f);
	}
}

/* Takes what the thread has finished. */
static void runner_drain(struct loop *l)
{
	struct runner_item item;
	if (!runner_take(l->runner, &item))
		return;
	struct job *j = item.job;
	enum err e = item.error;
	if (l->losses_name[0]) {
		/* Cancelled in the middle of a refit. */
		(void)outbox_drop(l->outbox, l->losses_name);
		l->losses_name[0] = '\0';
	}
	l->clean_need.selection[0] = '\0';
	if (atomic_load(&j->cancel)) {
		job_remove(l, j);
	} else if (e == ERR_IO || e == ERR_CORRUPT || e == ERR_FULL) {
		/* Nothing is reported: the lease goes back when the process ends. */
		l->error = err_set(l->msg, e, "%s", j->msg.text);
	} else if (e) {
		job_end(l, j, j->msg.text);
	} else if (!j->outcome.stream) {
		job_end(l, j, NULL);
	} else {
		/* Jobs start only while there is room. */
		e = outbox_put(l->outbox, j->outcome.stream);
		assert(!e);
		j->outcome.stream = NULL;
		j->state = JOB_OFFERED;
	}
}

static enum err job_runner_run(void *job, void *context)
{
	return job_run(job, context);
}

/* Starts the oldest waiting job once all that it needs is here. */
static void jobs_tick(struct loop *l)
{
	struct job *j = l->jobs;
	uint32_t busy_count = 0;
	for (; j; j = j->next)
		busy_count += j->state != JOB_OFFERED;
	uint32_t offered_count = outbox_count(l->outbox);
	uint32_t room = OUTBOX_STREAM_MAX - offered_count;
	uint32_t limit = room < JOB_CREDIT ? room : JOB_CREDIT;
	worker_credit_set(l->worker, busy_count < limit ? limit - busy_count : 0);

	for (j = l->jobs; j && j->state != JOB_WAITING;)
		j = j->next;
	if (!j || !runner_idle(l->runner) || room == 0)
		return;
	struct supply_need need = {0};
	enum err e = job_need(j, &need);
	if (!e)
		e = supply_check(l->supply, &need, l->now_ms, &j->msg);
	if (e == ERR_AGAIN)
		return;
	if (e) {
		job_end(l, j, j->msg.text);
		return;
	}
	if (need.selection[0]) {
		j->selection = supply_selection_take(l->supply);
		if (strcmp(j->work->train->recipe, "paper") == 0)
			j->refit = l->refit;
	}
	j->state = JOB_RUNNING;
	job_log(j, LOG_LEVEL_INFO, "job_start", NULL);
	runner_start(l->runner, j, &j->cancel);
}

static uint64_t selector_tick(struct loop *l)
{
	if (!l->selector)
		return UINT64_MAX;
	bool waiting = outbox_count(l->outbox) > 0;
	bool silent = l->selector_heard_ms == 0 ||
		      (waiting && l->now_ms - l->selector_heard_ms >= SELECTOR_SILENT_MS);
	if (silent && l->now_ms >= l->hello_due_ms) {
		hello_send(l);
		l->hello_due_ms = l->now_ms + HELLO_RETRY_MS;
	}
	uint64_t next_ms = outbox_tick(l->outbox, l->selector, l->now_ms);
	return silent && l->hello_due_ms < next_ms ? l->hello_due_ms : next_ms;
}

/* All work that is due; returns when there is more. */
static uint64_t loop_tick(struct loop *l)
{
	runner_drain(l);
	refit_tick(l);
	jobs_tick(l);
	struct job *running = running_job(l);
	worker_progress_set(l->worker, running ? atomic_load(&running->done) : 0,
			    running ? atomic_load(&running->total) : 0);
	uint64_t next_ms = l->now_ms + POLL_MS_MAX;
	uint64_t due_ms[] = {selector_tick(l), supply_tick(l->supply, l->now_ms),
			     worker_tick(l->worker, l->now_ms)};
	for (size_t i = 0; i < sizeof due_ms / sizeof due_ms[0]; i++) {
		if (due_ms[i] < next_ms)
			next_ms = due_ms[i];
	}
	return next_ms;
}

static enum err loop_turns(struct loop *l)
{
	while (!l->error && !stop_requested()) {
		l->now_ms = clock_mono_ms(&l->clock);
		(void)worker_drain(l->worker);
		selector_drain(l);
		uint64_t next_ms = loop_tick(l);
		zmq_pollitem_t items[4] = {
		    {.socket = socket_zmq(worker_socket(l->worker)), .events = ZMQ_POLLIN},
		    {.fd = runner_fd(l->runner), .events = ZMQ_POLLIN},
		    {.fd = stop_fd(), .events = ZMQ_POLLIN},
		};
		int count = 3;
		if (l->selector)
			items[count++] = (zmq_pollitem_t){.socket = socket_zmq(l->selector),
							  .events = ZMQ_POLLIN};
		long wait_ms = next_ms > l->now_ms ? (long)(next_ms - l->now_ms) : 0;
		if (zmq_poll(items, count, wait_ms) < 0 && errno != EINTR)
			return err_set(l->msg, ERR_IO, "cannot poll: %s", zmq_strerror(errno));
	}
	return l->error;
}

static enum err loop_open(struct loop *l)
{
	const struct loop_config *config = l->config;
	if (snprintf(l->model_dir, sizeof l->model_dir, "%s/model", config->data) >=
	    (int)sizeof l->model_dir)
		return err_set(l->msg, ERR_INVALID, "%s: the path is too long", config->data);
	if (getrandom(l->epoch, sizeof l->epoch, 0) != sizeof l->epoch)
		return err_set(l->msg, ERR_IO, "no random numbers");
	enum err e = dataset_open(config->data, &l->dataset, l->msg);
	if (e)
		return e;
	struct worker_handler handler = {.project = project_take,
					 .lease = lease_take,
					 .cancel = cancel_take,
					 .other = other_take,
					 .refused = refused_take,
					 .context = l};
	l->zmq = zmq_ctx_new();
	if (!l->zmq)
		return err_set(l->msg, ERR_NO_MEMORY, "cannot make a zmq context");
	e = worker_new(l->zmq, config->coordinator, config->auth, FREEAL__ROLE__TRAINER, &handler,
		       &l->worker, l->msg);
	if (!e)
		e = supply_new(l->dataset, worker_socket(l->worker), &l->supply);
	if (!e)
		e = outbox_new(OUTBOX_STREAM_MAX, &l->outbox);
	if (!e)
		e = job_context_new(l->dataset, config->data, l->model_dir, config->thread_count,
				    &l->context);
	if (!e)
		e = runner_new(job_runner_run, l->context, &l->runner, l->msg);
	return e ? e : refit_new(runner_fd(l->runner), &l->refit);
}

/* False: the thread hangs in its job and the rest can't be freed. */
static bool loop_close(struct loop *l)
{
	worker_free(l->worker);
	socket_free(l->selector);
	bool joined = runner_free(l->runner, JOB_STOP_MS);
	if (l->zmq)
		(void)zmq_ctx_term(l->zmq);
	if (!joined)
		return false;
	job_context_free(l->context);
	while (l->jobs)
		job_remove(l, l->jobs);
	refit_free(l->refit);
	outbox_free(l->outbox);
	supply_free(l->supply);
	dataset_close(l->dataset);
	if (l->project)
		freeal__project__free_unpacked(l->project, NULL);
	return true;
}

enum err loop_run(const struct loop_config *config, struct err_msg *msg)
{
	struct loop *l = calloc(1, sizeof *l);
	if (!l)
		return err_set(msg, ERR_NO_MEMORY, "no memory");
	*msg = (struct err_msg){0};
	l->config = config;
	l->clock = clock_system();
	l->msg = msg;
	enum err e = loop_open(l);
	if (e && msg->text[0] == '\0')
		(void)err_set(msg, e, "cannot start: %s", err_str(e));
	if (!e)
		e = loop_turns(l);
	if (!loop_close(l)) {
		log_warn("job_abandoned", "reason=stopping");
		_exit((int)err_exit_code(e));
	}
	free(l);
	return e;
}
