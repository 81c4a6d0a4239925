#include "annotator/batch.h"

#include "annotator/annotator_impl.h"
#include "annotator/batch_job.h"
#include "annotator/order.h"
#include "base/crash.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADOPTED_MAX 64u
#define COLLECT_MS 1000u /* without another ask, a job is made of what there is */
#define NOTE_MS 5000u	 /* then it is told again */
#define NOTE_TRIES_MAX 12u
#define ADOPT_MS 3000u /* for the leases of an adopted job to come */
#define POLL_FACTOR_MAX 12u

uint32_t batch_leases_max(void)
{
	return BATCH_JOBS_MAX * BATCH_LINES_MAX;
}

static void job_go(struct annotator *a, struct batch_job *j, enum batch_state state)
{
	j->state = state;
	j->tries = 0;
	j->due_ms = a->now_ms;
	a->dirty = true;
}

static void job_link(struct annotator *a, struct batch_job *j)
{
	j->lane->in_flight++;
	j->next = a->jobs;
	a->jobs = j;
}

static void job_unlink(struct annotator *a, struct batch_job *j)
{
	struct batch_job **at = &a->jobs;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	j->lane->in_flight--;
	struct lane *lane = j->lane;
	batch_job_free(j);
	lane_settled(lane);
}

void batch_free(struct annotator *a)
{
	while (a->jobs)
		job_unlink(a, a->jobs);
}

static uint32_t jobs_count(const struct annotator *a, bool adopted)
{
	uint32_t count = 0;
	for (const struct batch_job *j = a->jobs; j; j = j->next)
		count += j->adopted == adopted;
	return count;
}

static struct batch_job *job_find(const struct annotator *a, const ProtobufCBinaryData *token)
{
	for (struct batch_job *j = a->jobs; j && token->len == BATCH_TOKEN_BYTES; j = j->next)
		if (j->state != BATCH_COLLECTS && memcmp(j->token, token->data, token->len) == 0)
			return j;
	return NULL;
}

/* Puts back what has no answer. */
static void job_asks_return(struct annotator *a, struct batch_job *j)
{
	for (size_t i = 0; i < j->line_count; i++) {
		struct ask *ask = j->lines[i].ask;
		j->lines[i].ask = NULL;
		if (ask)
			queue_push(&a->queues[queue_of(a, ask->work->name)], ask);
	}
}

/* The coordinator stores where the job is; the answer is a BatchNoted. */
static void job_note_send(struct annotator *a, struct batch_job *j)
{
	bool over = j->state == BATCH_CLOSES;
	Freeal__WorkName **names = calloc(j->line_count, sizeof(Freeal__WorkName *));
	ProtobufCBinaryData *keys = calloc(j->line_count, sizeof *keys);
	Freeal__BatchNote note;
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	j->noted = false;
	j->note_ms = a->now_ms + NOTE_MS;
	if (names && keys) {
		batch_job_note(j, over, names, keys, &note);
		e.body_case = FREEAL__ENVELOPE__BODY_BATCH_NOTE;
		e.batch_note = &note;
		err_ignore(worker_send(a->worker, &e)); /* it is told again */
	}
	free(names);
	free(keys);
}

/* Collecting. */

static struct batch_job *job_collecting(struct annotator *a, struct lane *lane)
{
	for (struct batch_job *j = a->jobs; j; j = j->next)
		if (j->state == BATCH_COLLECTS && j->lane == lane)
			return j;
	if (jobs_count(a, false) >= BATCH_JOBS_MAX)
		return NULL;
	struct batch_job *j = batch_job_new(lane);
	if (j)
		job_link(a, j);
	return j;
}

static void job_seal(struct annotator *a, struct batch_job *j)
{
	if (j->line_count == 0 || batch_job_seal(j)) {
		job_asks_return(a, j);
		job_unlink(a, j);
		return;
	}
	job_go(a, j, BATCH_NOTES);
	job_note_send(a, j);
}

/* False: the job is full, and the ask is its caller's. */
static bool ask_collect(struct annotator *a, struct batch_job *j, struct ask *ask)
{
	struct buf body;
	struct err_msg msg;
	bool keyed = ask_key_set(a, ask, j->lane);
	buf_init(&body, PROMPT_BYTES_MAX);
	const struct order_address to = {llm_of(a, ask), j->lane->endpoint, &j->lane->dialect};
	uint64_t first_id;
	enum err e = order_body_write(&a->orders, &to, &ask, 1, &first_id, &body, &msg);
	if (e)
		ask_failed(a, ask, j->lane->endpoint, "malformed", msg.text);
	else
		e = batch_job_add(j, ask, keyed, body.data, body.size);
	buf_done(&body);
	return e != ERR_LIMIT || j->line_count == 0;
}

void batch_collect(struct annotator *a, uint32_t at)
{
	struct queue *q = &a->queues[at];
	struct lane *lane = a->lanes[queue_llm(a, at)->endpoints[0]];
	while (queue_peek(q, a->now_ms)) {
		/* A job is the probe, too. */
		if (lane->throttle.blocked && a->now_ms < lane->throttle.probe_due_ms)
			return;
		struct batch_job *j = job_collecting(a, lane);
		if (!j)
			return;
		struct ask *ask = queue_pop(q, a->now_ms);
		j->due_ms =
		    a->now_ms +
		    (a->config.batch_poll_ms < COLLECT_MS ? a->config.batch_poll_ms : COLLECT_MS);
		if (ask_collect(a, j, ask)) {
			if (j->line_count == BATCH_LINES_MAX)
				job_seal(a, j);
			continue;
		}
		queue_push_front(q, ask);
		job_seal(a, j);
	}
}

static void job_send(struct annotator *a, struct batch_job *j)
{
	enum err e = batch_request(a, j);
	if (!e) {
		j->flying = true;
		if (j->lane->throttle.blocked)
			throttle_probe_sent(&j->lane->throttle, a->now_ms);
		return;
	}
	struct client_reply none = {.transfer =
					e == ERR_NOT_FOUND ? TRANSFER_NO_KEY : TRANSFER_UNREACHABLE,
				    .retry_after_ms = RETRY_AFTER_NONE,
				    .error = e == ERR_NOT_FOUND ? "" : err_str(e),
				    .body = "",
				    .sent_ms = a->now_ms};
	batch_done(a, j, &none);
}

/* What came of them. */

/* The job has no more answers: its results are stored first, then that it is over. */
static void job_close(struct annotator *a, struct batch_job *j)
{
	job_asks_return(a, j);
	job_go(a, j, BATCH_CLOSES);
	j->noted = false;
	j->note_ms = 0;
}

/* The provider does not take the job at all: a person has to look. */
static void job_refused(struct annotator *a, struct batch_job *j)
{
	const struct reply_error none = {0};
	struct lane *l = j->lane;
	lane_blocked_write(l, "batch", 0, &none, j->object.error);
	throttle_block(&l->throttle, a->now_ms);
	throttle_probe_sent(&l->throttle, a->now_ms);
	lane_block_say(a, l);
	job_close(a, j);
}

static void job_polled(struct annotator *a, struct batch_job *j)
{
	const struct batch_object *o = &j->object;
	if (o->status == BATCH_RUNS) {
		j->due_ms = a->now_ms + j->poll_ms;
		j->poll_ms += j->poll_ms / 2;
		if (j->poll_ms > POLL_FACTOR_MAX * a->config.batch_poll_ms)
			j->poll_ms = POLL_FACTOR_MAX * a->config.batch_poll_ms;
	} else if (o->status == BATCH_FAILED) {
		job_refused(a, j);
	} else if (*o->output_file) {
		job_go(a, j, BATCH_FETCHES);
	} else if (*o->error_file) {
		job_go(a, j, BATCH_FETCHES_ERRORS);
	} else {
		job_close(a, j);
	}
}

static void job_made(struct annotator *a, struct batch_job *j)
{
	log_info("batch_job", "job=%s lines=%zu", j->object.id, j->line_count);
	job_note_send(a, j);
	job_go(a, j, BATCH_POLLS);
	j->due_ms = a->now_ms + j->poll_ms;
}

/* A page of all jobs. One that is not there was not made. */
static enum err job_looked_for(struct annotator *a, struct batch_job *j,
			       const struct client_reply *reply)
{
	enum err e = batch_list_find(reply->body, reply->body_size, j->word, &j->object, j->after);
	if (!e) {
		job_made(a, j);
		return ERR_OK;
	}
	if (e != ERR_NOT_FOUND)
		return e;
	if (*j->after)
		j->due_ms = a->now_ms;
	else if (j->adopted)
		job_close(a, j);
	else
		job_go(a, j, BATCH_CREATES);
	return ERR_OK;
}

/* An error is a reply that can't be read. */
static enum err job_replied(struct annotator *a, struct batch_job *j,
			    const struct client_reply *reply)
{
	enum err e = ERR_OK;
	switch (j->state) {
	case BATCH_UPLOADS:
		e = batch_file_parse(reply->body, reply->body_size, j->file);
		if (!e)
			job_go(a, j, BATCH_CREATES);
		return e;
	case BATCH_CREATES:
		e = batch_object_parse(reply->body, reply->body_size, &j->object);
		crash_point("batch_made");
		if (!e)
			job_made(a, j);
		return e;
	case BATCH_FINDS:
		return job_looked_for(a, j, reply);
	case BATCH_POLLS:
		e = batch_object_parse(reply->body, reply->body_size, &j->object);
		if (!e)
			job_polled(a, j);
		return e;
	case BATCH_FETCHES:
		batch_answers_take(a, j, reply->body, reply->body_size);
		if (*j->object.error_file)
			job_go(a, j, BATCH_FETCHES_ERRORS);
		else
			job_close(a, j);
		return ERR_OK;
	case BATCH_FETCHES_ERRORS:
		batch_answers_take(a, j, reply->body, reply->body_size);
		job_close(a, j);
		return ERR_OK;
	default:
		return ERR_OK;
	}
}

/* A request about the job failed. One that should have made it may have. */
static void job_failed(struct annotator *a, struct batch_job *j, const struct judgement *judged,
		       const struct outcome *o, const struct reply_error *error,
		       const struct client_reply *reply, uint64_t delay_ms)
{
	struct lane *l = j->lane;
	bool gone = o->transfer == TRANSFER_DONE && o->status == 404 && j->state >= BATCH_POLLS;
	bool lost = gone || o->transfer == TRANSFER_TOO_LARGE;
	if (lost) {
		log_error("batch_job_lost", "job=%s status=%u", j->object.id, o->status);
		job_close(a, j);
		return;
	}
	j->tries++;
	j->due_ms = a->now_ms + delay_ms;
	if (j->state == BATCH_CREATES && o->status / 100 != 4) {
		j->after[0] = '\0';
		j->state = BATCH_FINDS;
	}
	if (judged->verdict != VERDICT_BLOCK && judged->verdict != VERDICT_UNUSABLE)
		return;
	if (!l->blocked_said)
		lane_blocked_write(l, judged->reason, o->status, error, reply->error);
	throttle_block(&l->throttle, a->now_ms);
	lane_block_say(a, l);
	j->due_ms = a->now_ms + a->config.probe_ms;
}

void batch_done(void *context, void *cookie, const struct client_reply *reply)
{
	struct annotator *a = context;
	struct batch_job *j = cookie;
	struct reply_error error = {0};
	bool done = reply->transfer == TRANSFER_DONE;
	bool success = done && reply->status / 100 == 2;
	bool unread = success && job_replied(a, j, reply) != ERR_OK;
	j->flying = false;
	a->dirty = true;
	if (done && !success)
		reply_error_parse(reply->body, reply->body_size, &error);
	struct outcome o = {.transfer = reply->transfer,
			    .status = reply->status,
			    .code = error.code,
			    .retry_after_ms = reply->retry_after_ms,
			    .malformed = unread};
	struct judgement judged = judgement_of(&o);
	bool refused = success && j->state == BATCH_CLOSES && j->lane->throttle.blocked;
	uint64_t delay_ms = refused ? 0
				    : throttle_note(&j->lane->throttle, &judged, &o, j->tries,
						    reply->sent_ms, a->now_ms);
	lane_resumed_say(a, j->lane);
	if (judged.verdict != VERDICT_ANSWER)
		job_failed(a, j, &judged, &o, &error, reply, delay_ms);
}

/* The coordinator's words. */

void batch_note_take(struct annotator *a, const Freeal__BatchNote *note)
{
	struct batch_job *j;
	if (job_find(a, &note->token) || note->endpoint >= a->lane_count ||
	    jobs_count(a, true) >= ADOPTED_MAX)
		return;
	enum err e = batch_job_adopt(a->lanes[note->endpoint], note, &j);
	if (e) {
		log_error("batch_job_not_adopted", "error=\"%s\"", err_str(e));
		return;
	}
	job_link(a, j);
	j->poll_ms = a->config.batch_poll_ms;
	j->due_ms = a->now_ms + ADOPT_MS;
	a->dirty = true;
	log_info("batch_job_adopted", "job=\"%s\" lines=%zu", j->object.id, j->line_count);
}

void batch_noted_take(struct annotator *a, const Freeal__BatchNoted *noted)
{
	struct batch_job *j = job_find(a, &noted->token);
	/* That it is over has not been told yet: this is about an earlier note. */
	if (!j || (j->state == BATCH_CLOSES && j->note_ms == 0))
		return;
	j->noted = true;
	a->dirty = true;
	if (j->state == BATCH_NOTES) {
		crash_point("batch_noted");
		job_go(a, j, BATCH_UPLOADS);
	}
}

void batch_tell_again(struct annotator *a)
{
	for (struct batch_job *j = a->jobs; j; j = j->next)
		j->note_ms = j->noted ? j->note_ms : 0;
	a->dirty = true;
}

bool batch_claim(struct annotator *a, struct ask *ask)
{
	for (struct batch_job *j = a->jobs; j; j = j->next)
		if (batch_job_claim(j, ask))
			return true;
	return false;
}

/* Does what is due about one job, which may end it; returns when it wants to be looked at. */
static uint64_t job_step(struct annotator *a, struct batch_job *j)
{
	bool closes = j->state == BATCH_CLOSES;
	if (closes && j->noted) {
		job_unlink(a, j);
		return UINT64_MAX;
	}
	if (j->state == BATCH_COLLECTS) {
		if (a->now_ms < j->due_ms)
			return j->due_ms;
		job_seal(a, j);
		return a->now_ms;
	}
	/* It is not taken, or another one has the works: nothing was sent, so they start anew. */
	if (j->state == BATCH_NOTES && j->tries > NOTE_TRIES_MAX) {
		job_asks_return(a, j);
		job_unlink(a, j);
		return a->now_ms;
	}
	/* First the results, then the end of what leads to them. */
	bool tells = !j->noted && (!closes || worker_result_count(a->worker) == 0);
	if (tells && a->now_ms >= j->note_ms) {
		j->tries += j->state == BATCH_NOTES;
		job_note_send(a, j);
	}
	uint64_t due_ms = tells ? j->note_ms : UINT64_MAX;
	if (closes || j->state == BATCH_NOTES || j->flying)
		return due_ms;
	if (a->now_ms >= j->due_ms)
		job_send(a, j);
	else if (j->due_ms < due_ms)
		due_ms = j->due_ms;
	return due_ms;
}

uint64_t batch_pump(struct annotator *a)
{
	uint64_t due_ms = UINT64_MAX;
	for (struct batch_job *j = a->jobs, *next; j; j = next) {
		next = j->next;
		uint64_t job_ms = job_step(a, j);
		due_ms = job_ms < due_ms ? job_ms : due_ms;
	}
	return due_ms;
}
