#include "selector/loop.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/runner.h"
#include "base/stop.h"
#include "selector/history.h"
#include "selector/intake.h"
#include "selector/job.h"
#include "wire/work.h"
#include "wire/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#define POLL_MS_MAX 1000u
#define MESSAGES_PER_TURN_MAX 1000
#define JOB_STOP_MS 3000u
#define EPOCH_BYTES 16
#define STREAM_CREDIT_MAX 16u

struct loop {
	const struct loop_config *config;
	struct clock clock;
	uint64_t now_ms; /* of this turn */
	void *zmq;
	struct worker *worker;
	struct socket *trainers; /* the ROUTER that they connect to */
	uint8_t epoch[EPOCH_BYTES];
	struct history *history;
	struct intake *intake;
	struct runner *runner;
	uint8_t project_id[PROJECT_ID_BYTES];
	size_t project_classes; /* of the last Welcome */
	size_t class_count;	/* 0: the history isn't known to be the project's */
	struct job *waiting;	/* leased, not started */
	struct job *running;
	struct job *ended; /* to be reported behind the commit */
	enum err ended_error;
	enum err error; /* the process should end with it */
	struct err_msg *msg;
};

static void fail(struct loop *l, enum err e, const char *what)
{
	if (e && !l->error)
		l->error = err_set(l->msg, e, "%s: %s in %s", what, err_str(e), l->config->data);
}

static void job_log(const struct job *j, enum log_level level, const char *event,
		    const char *reason)
{
	static const char *const kinds[] = {"select", "retrieve", "refit"};
	bool refit = j->rows == HISTORY_CLEAN;
	log_write(level, event, "kind=%s round=%u %s=%u%s%s", kinds[j->rows],
		  refit ? losses_round(j->losses) : j->work->name->round,
		  refit ? "epoch" : "attempt", refit ? losses_epoch(j->losses) : j->work->attempt,
		  reason ? " reason=" : "", reason ? reason : "");
}

static void classes_set(struct loop *l, size_t class_count)
{
	l->class_count = class_count;
	intake_classes_set(l->intake, class_count);
}

/* Makes sure that the history is the project's; another project's is removed, because it can
 * be made again. Waits for a job that still reads it. */
static void project_check(struct loop *l)
{
	static const uint8_t none[PROJECT_ID_BYTES];
	bool wiped = false;
	if (l->class_count || !l->project_classes || l->running || l->error)
		return;
	if (memcmp(l->project_id, none, sizeof none) != 0)
		fail(l,
		     history_project_set(l->history, l->project_id, sizeof l->project_id, &wiped),
		     "cannot remove another project's rows");
	if (wiped)
		log_warn("data_removed", "folder=%s reason=\"it was another project's\"",
			 l->config->data);
	classes_set(l, l->project_classes);
}

static void project_take(void *context, const Freeal__Welcome *welcome)
{
	struct loop *l = context;
	const Freeal__Project *project = welcome->project;
	if (!project)
		return;
	log_info("welcome", "task=%s labels=%zu", project->task, project->n_labels);
	l->project_classes = project->n_labels;
	bool named = project->id.len == sizeof l->project_id;
	if (named && memcmp(project->id.data, l->project_id, sizeof l->project_id) != 0) {
		memcpy(l->project_id, project->id.data, sizeof l->project_id);
		classes_set(l, 0);
		if (l->running)
			atomic_store(&l->running->cancel, true);
		if (l->ended) {
			job_free(l->ended);
			l->ended = NULL;
		}
	}
	if (l->class_count)
		classes_set(l, l->project_classes);
	project_check(l);
}

static void lease_take(void *context, const Freeal__Work *work)
{
	struct loop *l = context;
	struct job *j =
	    l->class_count && !l->waiting ? job_new(work, l->history, l->class_count) : NULL;
	if (!j) {
		worker_return(l->worker, work->name, "not ready");
		return;
	}
	l->waiting = j;
}

static void cancel_take(void *context, const Freeal__WorkName *name)
{
	struct loop *l = context;
	if (l->waiting && work_name_equal(l->waiting->work->name, name)) {
		job_free(l->waiting);
		l->waiting = NULL;
	} else if (l->running && l->running->work &&
		   work_name_equal(l->running->work->name, name)) {
		atomic_store(&l->running->cancel, true);
	}
}

static void pool_take(void *context, const Freeal__Pool *pool)
{
	struct loop *l = context;
	fail(l, history_pool_put(l->history, pool), "cannot store a pool");
}

static void refused_take(void *context, const char *reason)
{
	struct loop *l = context;
	if (!l->error)
		l->error = err_set(l->msg, ERR_PROTOCOL, "the coordinator refused: %s", reason);
}

static bool rows_parse(const char *stream, enum history_rows *ret_rows, uint32_t *ret_part)
{
	uint32_t round, more = 0, more_max = 0;
	int end = 0;
	if (sscanf(stream, "selection/%9u%n", &round, &end) == 1) {
		*ret_rows = HISTORY_SELECTION;
		*ret_part = round;
	} else if (sscanf(stream, "nearest/%9u/%9u%n", &round, &more, &end) == 2) {
		*ret_rows = HISTORY_NEAREST;
		*ret_part = HISTORY_NEAREST_PART(round, more);
		more_max = HISTORY_NEAREST_SLOT_MAX;
	} else if (sscanf(stream, "clean/%5u/%5u%n", &round, &more, &end) == 2) {
		*ret_rows = HISTORY_CLEAN;
		*ret_part = HISTORY_CLEAN_PART(round, more);
		more_max = HISTORY_EPOCH_MAX;
	} else {
		return false;
	}
	return stream[end] == '\0' && more <= more_max;
}

/* Serves selection, nearest and clean; `to` is NULL for the coordinator. */
static void rows_serve(struct loop *l, struct socket *s, const struct peer_id *to,
		       const Freeal__ChunkRequest *request)
{
	enum history_rows rows;
	uint32_t part;
	if (!rows_parse(request->stream, &rows, &part)) {
		stream_missing_send(s, to, request->stream);
		return;
	}
	uint32_t credit = request->credit < STREAM_CREDIT_MAX ? request->credit : STREAM_CREDIT_MAX;
	struct buf body;
	bool last = false;
	buf_init(&body, FRAME_BYTES_MAX);
	for (uint64_t seq = request->next_seq; credit > 0 && !last; seq++, credit--) {
		buf_reset(&body);
		enum err e = history_rows_get(l->history, rows, part, seq, &body, &last);
		if (e == ERR_NOT_FOUND && seq == request->next_seq)
			stream_missing_send(s, to, request->stream);
		else if (e != ERR_NOT_FOUND)
			fail(l, e, "cannot read rows");
		/* What is not sent now is asked for again. */
		if (e || stream_chunk_send(s, to, request->stream, seq, seq + 1, last,
					   buf_str(&body), body.size) != ERR_OK)
			break;
	}
	buf_done(&body);
}

static void other_take(void *context, const Freeal__Envelope *e)
{
	struct loop *l = context;
	if (e->body_case == FREEAL__ENVELOPE__BODY_CHUNK_REQUEST)
		rows_serve(l, worker_socket(l->worker), NULL, e->chunk_request);
}

static void welcome_send(struct loop *l, const struct peer_id *to)
{
	Freeal__Welcome welcome = FREEAL__WELCOME__INIT;
	welcome.epoch.data = l->epoch;
	welcome.epoch.len = sizeof l->epoch;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_WELCOME;
	e.welcome = &welcome;
	/* Not sent: the trainer says Hello again. */
	err_ignore(socket_send(l->trainers, to, &e));
}

static void chunk_take(struct loop *l, const struct peer_id *from, const Freeal__Chunk *chunk)
{
	struct err_msg msg;
	enum err e = intake_chunk(l->intake, from, chunk, l->now_ms, &msg);
	if (e)
		fail(l, e, "cannot store a stream");
	else if (msg.text[0])
		log_warn("stream_refused", "stream=%s reason=%s", chunk->stream, msg.text);
}

static void connections_log(struct loop *l)
{
	struct err_msg notice;
	if (socket_notice(worker_socket(l->worker), l->now_ms, &notice))
		log_warn("no_coordinator", "%s", notice.text);
	if (socket_notice(l->trainers, l->now_ms, &notice))
		log_warn("peers_refused", "%s", notice.text);
}

static void trainer_envelope_take(struct loop *l, const struct peer_id *from,
				  const Freeal__Envelope *e)
{
	if (!socket_admits(l->trainers, from, FREEAL__ROLE__TRAINER))
		return;
	switch (e->body_case) {
	case FREEAL__ENVELOPE__BODY_HELLO:
		welcome_send(l, from);
		break;
	case FREEAL__ENVELOPE__BODY_OFFER:
		intake_offer(l->intake, from, e->offer, l->now_ms);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK:
		chunk_take(l, from, e->chunk);
		break;
	case FREEAL__ENVELOPE__BODY_CHUNK_REQUEST:
		rows_serve(l, l->trainers, from, e->chunk_request);
		break;
	default:
		break;
	}
}

static void trainers_drain(struct loop *l)
{
	for (int i = 0; !l->error && i < MESSAGES_PER_TURN_MAX; i++) {
		struct peer_id from;
		struct frame *f;
		struct err_msg msg;
		enum err e = socket_receive(l->trainers, &from, &f, &msg);
		if (e == ERR_AGAIN)
			return;
		if (e) {
			log_warn("trainer_message_bad", "reason=%s", msg.text);
			continue;
		}
		trainer_envelope_take(l, &from, frame_envelope(f));
		frame_free(f);
	}
}

/* The rows are whole: marks them so, and forgets what no later round needs. */
static void job_finish(struct loop *l, struct job *j, uint64_t chunk_count)
{
	enum err e = history_rows_end(l->history, j->rows, j->part, chunk_count);
	if (!e && j->rows == HISTORY_SELECTION)
		e = history_oof_prune(l->history, j->part);
	fail(l, e, "cannot store rows");
}

static void runner_drain(struct loop *l)
{
	struct runner_item item;
	while (!l->error && runner_take(l->runner, &item)) {
		struct job *j = item.job;
		if (item.data) {
			if (!atomic_load(&j->cancel))
				fail(l,
				     history_rows_put(l->history, j->rows, j->part, item.seq,
						      item.data, item.size),
				     "cannot store rows");
			free(item.data);
			crash_point("rows_put");
			continue;
		}
		l->running = NULL;
		if (atomic_load(&j->cancel)) {
			job_log(j, LOG_LEVEL_INFO, "job_cancelled", NULL);
			job_free(j);
			continue;
		}
		if (!item.error)
			job_finish(l, j, item.seq);
		crash_point("rows_end");
		l->ended = j;
		l->ended_error = item.error;
	}
}

/* Tells the coordinator, or the trainer that waits for its refit. */
static void job_tell(struct loop *l, struct job *j, const char *error)
{
	if (j->rows == HISTORY_CLEAN) {
		intake_refitted(l->intake, losses_round(j->losses), losses_epoch(j->losses), error);
		return;
	}
	Freeal__Result result = FREEAL__RESULT__INIT;
	result.name = j->work->name;
	result.attempt = j->work->attempt;
	if (error) {
		result.error = (char *)error;
		result.missing = j->missing;
	} else if (j->rows == HISTORY_SELECTION) {
		result.body_case = FREEAL__RESULT__BODY_SELECT;
		result.select = &j->select;
	} else {
		result.body_case = FREEAL__RESULT__BODY_RETRIEVE;
		result.retrieve = &j->retrieve;
	}
	enum err e = worker_result(l->worker, &result);
	if (e == ERR_NO_MEMORY)
		fail(l, e, "cannot report");
}

/* Behind the commit: the result of the job that has ended. */
static void job_report(struct loop *l)
{
	struct job *j = l->ended;
	enum err e = l->ended_error;
	if (!j)
		return;
	const char *error = e ? (j->msg.text[0] ? j->msg.text : err_str(e)) : NULL;
	if (e == ERR_IO || e == ERR_CORRUPT)
		fail(l, e, error);
	job_tell(l, j, error);
	job_log(j, e ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, e ? "job_failed" : "job_done", error);
	job_free(j);
	l->ended = NULL;
}

/* Work of the coordinator's comes first; it and refits don't meet in practice. */
static struct job *job_next(struct loop *l)
{
	struct job *j = l->waiting;
	l->waiting = NULL;
	if (j)
		return j;
	struct losses *losses = intake_losses_take(l->intake);
	if (!losses)
		return NULL;
	j = job_new_refit(losses, l->history, l->class_count);
	if (!j)
		fail(l, ERR_NO_MEMORY, "cannot refit");
	return j;
}

static enum err job_runner_run(void *job, void *context)
{
	(void)context;
	return job_run(job);
}

static enum err chunk_emit(struct job *j, const void *data, size_t size)
{
	return runner_put(j->emit_context, data, size, &j->msg);
}

/* Starts what was leased, once the last job is reported. */
static void job_start(struct loop *l)
{
	if (l->running || l->ended || !runner_idle(l->runner))
		return;
	struct job *j = job_next(l);
	if (!j)
		return;
	l->running = j;
	enum err e = history_rows_begin(l->history, j->rows, j->part);
	if (!e && j->work)
		e = history_vectors_prune(l->history, j->vocabulary);
	if (!e)
		e = history_commit(l->history);
	if (e) {
		fail(l, e, "cannot store rows");
		return;
	}
	job_log(j, LOG_LEVEL_INFO, "job_start", NULL);
	crash_point("job_start");
	j->emit = chunk_emit;
	j->emit_context = l->runner;
	runner_start(l->runner, j, &j->cancel);
}

static uint64_t loop_tick(struct loop *l)
{
	runner_drain(l);
	project_check(l);
	fail(l, history_commit(l->history), "cannot commit");
	if (l->error)
		return l->now_ms;
	crash_point("selector_commit");
	job_report(l);
	intake_confirm(l->intake);
	job_start(l);
	worker_credit_set(l->worker, l->waiting || l->running || !l->class_count ? 0 : 1);
	if (l->running)
		worker_progress_set(l->worker, atomic_load(&l->running->done),
				    atomic_load(&l->running->total));
	uint64_t next_ms = l->now_ms + POLL_MS_MAX;
	uint64_t due_ms[] = {intake_tick(l->intake, l->now_ms), worker_tick(l->worker, l->now_ms)};
	for (size_t i = 0; i < sizeof due_ms / sizeof due_ms[0]; i++)
		if (due_ms[i] < next_ms)
			next_ms = due_ms[i];
	return next_ms;
}

static enum err loop_turns(struct loop *l)
{
	while (!l->error && !stop_requested()) {
		l->now_ms = clock_mono_ms(&l->clock);
		(void)worker_drain(l->worker);
		trainers_drain(l);
		connections_log(l);
		uint64_t next_ms = loop_tick(l);
		zmq_pollitem_t items[] = {
		    {.socket = socket_zmq(worker_socket(l->worker)), .events = ZMQ_POLLIN},
		    {.socket = socket_zmq(l->trainers), .events = ZMQ_POLLIN},
		    {.fd = runner_fd(l->runner), .events = ZMQ_POLLIN},
		    {.fd = stop_fd(), .events = ZMQ_POLLIN},
		};
		long wait_ms = next_ms > l->now_ms ? (long)(next_ms - l->now_ms) : 0;
		if (zmq_poll(items, sizeof items / sizeof items[0], wait_ms) < 0 && errno != EINTR)
			return err_set(l->msg, ERR_IO, "cannot poll: %s", zmq_strerror(errno));
	}
	return l->error;
}

static enum err loop_open(struct loop *l)
{
	const struct loop_config *config = l->config;
	if (getrandom(l->epoch, sizeof l->epoch, 0) != sizeof l->epoch)
		return err_set(l->msg, ERR_IO, "no random numbers");
	enum err e = history_open(config->data, &l->history, l->msg);
	if (e)
		return e;
	struct worker_handler handler = {
	    .project = project_take,
	    .lease = lease_take,
	    .cancel = cancel_take,
	    .pool = pool_take,
	    .other = other_take,
	    .refused = refused_take,
	    .context = l,
	};
	l->zmq = zmq_ctx_new();
	if (!l->zmq)
		return err_set(l->msg, ERR_NO_MEMORY, "no memory for the bus");
	e = socket_bind(l->zmq, config->bind, config->auth, &l->trainers, l->msg);
	if (!e)
		e = worker_new(l->zmq, config->coordinator, config->auth, FREEAL__ROLE__SELECTOR,
			       &handler, &l->worker, l->msg);
	if (!e && intake_new(l->history, l->trainers, &l->intake) != ERR_OK)
		e = err_set(l->msg, ERR_NO_MEMORY, "no memory for streams");
	return e ? e : runner_new(job_runner_run, NULL, &l->runner, l->msg);
}

/* False: the thread hangs in its job, which still reads the store. */
static bool loop_close(struct loop *l)
{
	worker_free(l->worker);
	socket_free(l->trainers);
	bool ended = runner_free(l->runner, JOB_STOP_MS);
	if (l->zmq)
		(void)zmq_ctx_term(l->zmq);
	if (!ended)
		return false;
	intake_free(l->intake);
	job_free(l->waiting);
	job_free(l->running);
	job_free(l->ended);
	history_close(l->history);
	return true;
}

enum err loop_run(const struct loop_config *config, struct err_msg *msg)
{
	struct loop l = {.config = config, .clock = clock_system(), .msg = msg};
	enum err e = loop_open(&l);
	if (!e) {
		log_info("ready", "bind=%s", config->bind);
		e = loop_turns(&l);
	}
	if (!loop_close(&l)) {
		log_warn("job_abandoned", "reason=stopping");
		_exit((int)err_exit_code(e));
	}
	return e;
}
