#include "trainer/loop.h"

#include "base/folder.h"
#include "base/log.h"
#include "base/stop.h"
#include "trainer/job_context.h"
#include "trainer/loop_state.h"
#include "trainer/plan.h"
#include "wire/folder_stream.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define JOB_COUNT_MAX 16u /* whatever is leased beyond the credit */
#define POLL_MS_MAX 1000u
#define SLOT_COUNT_MAX 1000u
#define CHECK_RETRY_MS 5000u

/* What jobs have kept beside the replica. */
static void encoder_leftovers_delete(const char *folder)
{
	char path[PATH_MAX];
	struct err_msg msg;
	if (folder_path(folder, JOB_VECTORS_NAME, path, &msg) == ERR_OK)
		folder_delete(path);
	if (folder_path(folder, JOB_TRAINING_NAME, path, &msg) == ERR_OK)
		(void)unlink(path);
}

/* Whether this machine can train the project's model; told to people where it can't, and tried
 * again, because they may put the checkpoint where it belongs. */
static bool project_possible(struct loop *l)
{
	struct err_msg msg = {0};
	if (l->now_ms < l->check_due_ms)
		return false;
	enum err e = plan_check(l->project, l->config->thread_count, &msg);
	if (e || l->blocked) {
		Freeal__Status status = FREEAL__STATUS__INIT;
		status.blocked = e != ERR_OK;
		status.reason = msg.text;
		worker_status(l->worker, &status);
	}
	if (e && !l->blocked)
		log_error("model_impossible", "reason=\"%s\"", msg.text);
	l->blocked = e != ERR_OK;
	l->check_due_ms = e ? l->now_ms + CHECK_RETRY_MS : 0;
	return !e;
}

/* Makes sure that replica and models are the project's; what is here of another one is
 * removed, because all of it can be had again. Waits for jobs that still use it. */
static void project_check(struct loop *l)
{
	if (l->project_ready || !l->project || !lanes_idle(l))
		return;
	const ProtobufCBinaryData *id = &l->project->id;
	bool wiped = false;
	enum err e = id->len ? dataset_project_set(l->dataset, id->data, id->len, &wiped) : ERR_OK;
	if (e) {
		l->error = err_set(l->msg, e, "cannot empty %s: %s", l->folder, err_str(e));
		return;
	}
	if (wiped) {
		log_warn("data_removed", "folder=%s reason=\"it was another project's\"",
			 l->folder);
		model_folders_delete(&l->models);
		encoder_leftovers_delete(l->folder);
		supply_reset(l->supply);
		for (size_t i = 0; i < LANE_COUNT; i++)
			job_context_reset(l->lanes[i].context);
	}
	l->project_ready = project_possible(l);
}

static bool project_same(const Freeal__Project *a, const Freeal__Project *b)
{
	return a->id.len == b->id.len &&
	       (a->id.len == 0 || memcmp(a->id.data, b->id.data, a->id.len) == 0);
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
	l->project_ready &= l->project && project_same(l->project, project);
	if (l->project)
		freeal__project__free_unpacked(l->project, NULL);
	l->project = project;
	l->check_due_ms = 0;
	log_info("welcome", "task=%s labels=%zu selector=%s", project->task, project->n_labels,
		 l->selector_endpoint);
	project_check(l);
}

static void lease_take(void *context, const Freeal__Work *work)
{
	struct loop *l = context;
	struct job **at = &l->jobs;
	uint32_t count = 0;
	for (; *at; at = &(*at)->next)
		count++;
	bool room = l->project_ready && count < JOB_COUNT_MAX;
	struct job *j = room ? job_new(work, l->project) : NULL;
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
	if (j)
		job_cancel(l, j);
}

void chunk_take(struct loop *l, const Freeal__Chunk *chunk)
{
	enum err e = supply_chunk(l->supply, chunk, l->now_ms);
	if (e && !l->error)
		l->error = err_set(l->msg, e, "cannot store what was pulled in %s: %s", l->folder,
				   err_str(e));
}

static void other_take(void *context, const Freeal__Envelope *e)
{
	struct loop *l = context;
	struct socket *s = worker_socket(l->worker);
	if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK) {
		chunk_take(l, e->chunk);
	} else if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK_REQUEST) {
		if (strcmp(e->chunk_request->stream, "model") == 0)
			folder_stream_answer(l->models.made, s, NULL, e->chunk_request);
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

/* All work that is due; returns when there is more. */
static uint64_t loop_tick(struct loop *l)
{
	jobs_tick(l);
	project_check(l);
	const struct job *running = job_running_heavy(l);
	for (const struct job *j = l->jobs; j && !running; j = j->next)
		running = j->state == JOB_RUNNING ? j : NULL;
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
		struct err_msg notice;
		if (socket_notice(worker_socket(l->worker), l->now_ms, &notice))
			log_warn("no_coordinator", "%s", notice.text);
		uint64_t next_ms = loop_tick(l);
		zmq_pollitem_t items[5] = {
		    {.socket = socket_zmq(worker_socket(l->worker)), .events = ZMQ_POLLIN},
		    {.fd = runner_fd(l->lanes[LANE_HEAVY].runner), .events = ZMQ_POLLIN},
		    {.fd = runner_fd(l->lanes[LANE_LIGHT].runner), .events = ZMQ_POLLIN},
		    {.fd = stop_fd(), .events = ZMQ_POLLIN},
		};
		int count = 4;
		if (l->selector)
			items[count++] = (zmq_pollitem_t){.socket = socket_zmq(l->selector),
							  .events = ZMQ_POLLIN};
		long wait_ms = next_ms > l->now_ms ? (long)(next_ms - l->now_ms) : 0;
		if (zmq_poll(items, count, wait_ms) < 0 && errno != EINTR)
			return err_set(l->msg, ERR_IO, "cannot poll: %s", zmq_strerror(errno));
	}
	return l->error;
}

/* Replicas may share config->data: each takes the first slot in it, DATA/0, DATA/1 and so
 * on, that no other process has. */
static enum err slot_open(struct loop *l)
{
	const char *data = l->config->data;
	if (mkdir(data, 0700) != 0 && errno != EEXIST)
		return err_set(l->msg, ERR_IO, "cannot make %s: %s", data, strerror(errno));
	enum err e = ERR_BUSY;
	for (unsigned slot = 0; e == ERR_BUSY && slot < SLOT_COUNT_MAX; slot++) {
		if (snprintf(l->folder, sizeof l->folder, "%s/%u", data, slot) >=
		    (int)sizeof l->folder)
			return err_set(l->msg, ERR_LIMIT, "%s: the path is too long", data);
		e = dataset_open(l->folder, &l->dataset, l->msg);
	}
	return e ? e : model_folders_set(&l->models, l->folder, l->msg);
}

static enum err loop_open(struct loop *l)
{
	if (getrandom(l->epoch, sizeof l->epoch, 0) != sizeof l->epoch)
		return err_set(l->msg, ERR_IO, "no random numbers");
	enum err e = slot_open(l);
	if (e)
		return e;
	log_info("data", "folder=%s threads=%u", l->folder, l->config->thread_count);
	struct worker_handler handler = {.project = project_take,
					 .lease = lease_take,
					 .cancel = cancel_take,
					 .other = other_take,
					 .refused = refused_take,
					 .context = l};
	l->zmq = zmq_ctx_new();
	if (!l->zmq)
		return err_set(l->msg, ERR_NO_MEMORY, "cannot make a zmq context");
	e = worker_new(l->zmq, l->config->coordinator, l->config->auth, FREEAL__ROLE__TRAINER,
		       &handler, &l->worker, l->msg);
	if (!e)
		e = supply_new(l->dataset, &l->models, worker_socket(l->worker), &l->supply);
	return e ? e : lanes_open(l);
}

/* False: a thread hangs in its job and the rest can't be freed. */
static bool loop_close(struct loop *l)
{
	worker_free(l->worker);
	socket_free(l->selector);
	bool joined = lanes_close(l);
	if (l->zmq)
		(void)zmq_ctx_term(l->zmq);
	if (!joined)
		return false;
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
