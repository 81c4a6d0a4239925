#include "base/crash.h"
#include "base/log.h"
#include "trainer/loop_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A trainer takes a fold when it is idle and leaves the others to its replicas: asking for
 * the next one costs a message to and fro. */
#define JOB_CREDIT 1u
#define OUTBOX_STREAM_MAX 4u
#define JOB_STOP_MS 800u

static enum err lane_run(void *job, void *context)
{
	return job_run(job, context);
}

enum err lanes_open(struct loop *l)
{
	enum err e = outbox_new(OUTBOX_STREAM_MAX, &l->outbox);
	for (size_t i = 0; !e && i < LANE_COUNT; i++) {
		struct lane *lane = &l->lanes[i];
		e = job_context_new(l->dataset, l->folder, &l->models, l->config->thread_count,
				    &lane->context);
		if (!e)
			e = runner_new(lane_run, lane->context, &lane->runner, l->msg);
	}
	return e ? e : refit_new(runner_fd(l->lanes[LANE_HEAVY].runner), &l->refit);
}

bool lanes_close(struct loop *l)
{
	bool joined = true;
	for (size_t i = 0; i < LANE_COUNT; i++)
		joined &= runner_free(l->lanes[i].runner, JOB_STOP_MS);
	if (!joined)
		return false;
	for (size_t i = 0; i < LANE_COUNT; i++)
		job_context_free(l->lanes[i].context);
	while (l->jobs)
		job_remove(l, l->jobs);
	refit_free(l->refit);
	outbox_free(l->outbox);
	return true;
}

bool lanes_idle(const struct loop *l)
{
	return runner_idle(l->lanes[LANE_HEAVY].runner) && runner_idle(l->lanes[LANE_LIGHT].runner);
}

struct job *job_running_heavy(const struct loop *l)
{
	struct job *j = l->jobs;
	while (j && (j->state != JOB_RUNNING || job_is_light(j)))
		j = j->next;
	return j;
}

void job_remove(struct loop *l, struct job *j)
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

void job_cancel(struct loop *l, struct job *j)
{
	job_log(j, LOG_LEVEL_INFO, "job_cancelled", NULL);
	if (j->state == JOB_RUNNING) {
		atomic_store(&j->cancel, true);
		return;
	}
	if (j->state == JOB_OFFERED)
		(void)outbox_drop(l->outbox, j->outcome.stream_name);
	job_remove(l, j);
}

/* The selector has the losses: the clean set that it made of them is pulled. */
static void losses_stored(struct loop *l, const Freeal__Stored *stored)
{
	l->losses_name[0] = '\0';
	const struct job *j = job_running_heavy(l);
	if (stored->error[0] || !j || !j->refit) {
		refit_answer(l->refit, NULL, ERR_INVALID, stored->error);
		return;
	}
	l->clean_need = (struct supply_need){.sample_count = j->work->train->sample_count};
	(void)snprintf(l->clean_need.selection, sizeof l->clean_need.selection, "clean%s",
		       strchr(stored->stream, '/'));
}

void jobs_stored(struct loop *l, const Freeal__Stored *stored)
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

/* A training may have been cancelled in the middle of a refit. */
static void refit_drop(struct loop *l)
{
	if (l->losses_name[0])
		(void)outbox_drop(l->outbox, l->losses_name);
	l->losses_name[0] = '\0';
	l->clean_need.selection[0] = '\0';
}

/* Takes what the lane's thread has finished. */
static void lane_drain(struct loop *l, enum lane_kind kind)
{
	struct runner_item item;
	if (!runner_take(l->lanes[kind].runner, &item))
		return;
	struct job *j = item.job;
	enum err e = item.error;
	if (kind == LANE_HEAVY)
		refit_drop(l);
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

/* Starts the lane's oldest waiting job once all that it needs is here. */
static void lane_start(struct loop *l, enum lane_kind kind)
{
	struct job *j = l->jobs;
	while (j && (j->state != JOB_WAITING || job_is_light(j) != (kind == LANE_LIGHT)))
		j = j->next;
	bool room = kind == LANE_LIGHT || outbox_count(l->outbox) < OUTBOX_STREAM_MAX;
	if (!j || !room || !runner_idle(l->lanes[kind].runner))
		return;
	struct supply_need need = {0};
	enum err e = job_need(j, &need);
	if (!e)
		e = supply_check(l->supply, &need, l->now_ms, &j->msg);
	if (e == ERR_AGAIN)
		return;
	if (e == ERR_NOT_FOUND)
		j->missing =
		    need.selection[0] ? FREEAL__MISSING__JUDGEMENTS : FREEAL__MISSING__MODEL;
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
	crash_point("job_start");
	runner_start(l->lanes[kind].runner, j, &j->cancel);
}

/* Jobs that nobody wants any more don't count: what is leased in their place is PREDICT,
 * or waits for the thread. */
static void credit_tick(struct loop *l)
{
	uint32_t busy_count = 0;
	for (struct job *j = l->jobs; j; j = j->next)
		busy_count += j->state != JOB_OFFERED && !atomic_load(&j->cancel);
	uint32_t room = OUTBOX_STREAM_MAX - outbox_count(l->outbox);
	uint32_t limit = !l->project_ready ? 0 : room < JOB_CREDIT ? room : JOB_CREDIT;
	worker_credit_set(l->worker, busy_count < limit ? limit - busy_count : 0);
}

void jobs_tick(struct loop *l)
{
	for (enum lane_kind kind = 0; kind < LANE_COUNT; kind++)
		lane_drain(l, kind);
	refit_tick(l);
	for (enum lane_kind kind = 0; kind < LANE_COUNT; kind++)
		lane_start(l, kind);
	credit_tick(l);
}
