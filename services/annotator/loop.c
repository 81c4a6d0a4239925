#include "annotator/loop.h"

#include "annotator/batch.h"
#include "base/log.h"
#include "base/stop.h"

#include <zmq.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct loop {
	struct annotator *annotator;
	struct worker *worker;
	struct client *client;
	struct client *batch_client;
	int epoll_fd;
	struct clock clock;
	char refused[256]; /* the coordinator's reason; "": none */
};

/* The worker hands one context to all its handlers, and the loop stands before them. */
static void on_project(void *context, const Freeal__Welcome *welcome)
{
	annotator_project(((struct loop *)context)->annotator, welcome);
}

static void on_lease(void *context, const Freeal__Work *work)
{
	annotator_lease(((struct loop *)context)->annotator, work);
}

static void on_cancel(void *context, const Freeal__WorkName *name)
{
	annotator_cancel(((struct loop *)context)->annotator, name);
}

static void on_pool(void *context, const Freeal__Pool *pool)
{
	annotator_pool(((struct loop *)context)->annotator, pool);
}

static void on_other(void *context, const Freeal__Envelope *envelope)
{
	annotator_other(((struct loop *)context)->annotator, envelope);
}

static void on_grant(void *context, const Freeal__Grant *grant)
{
	annotator_grant(((struct loop *)context)->annotator, grant);
}

static void on_refused(void *context, const char *reason)
{
	struct loop *l = context;
	(void)snprintf(l->refused, sizeof l->refused, "%s", *reason ? reason : "no reason given");
}

static enum err watch(struct loop *l, int fd, struct err_msg *msg)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return err_set(msg, ERR_IO, "epoll: %s", strerror(errno));
	return ERR_OK;
}

static enum err loop_open(struct loop *l, void *zmq, const struct annotator_config *config,
			  const char *coordinator, const struct auth *auth, struct err_msg *msg)
{
	const struct worker_handler handler = {
	    .project = on_project,
	    .lease = on_lease,
	    .cancel = on_cancel,
	    .pool = on_pool,
	    .other = on_other,
	    .grant = on_grant,
	    .refused = on_refused,
	    .context = l,
	};
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return err_set(msg, ERR_IO, "epoll: %s", strerror(errno));
	enum err e = annotator_new(config, &l->annotator);
	if (e)
		return err_set(msg, e, "no memory for an annotator");
	e = client_new(&l->clock, config->concurrency_max, annotator_done, l->annotator, &l->client,
		       msg);
	if (!e)
		e = client_new(&l->clock, BATCH_JOBS_MAX, batch_done, l->annotator,
			       &l->batch_client, msg);
	if (!e)
		e = worker_new(zmq, coordinator, auth, FREEAL__ROLE__ANNOTATOR, &handler,
			       &l->worker, msg);
	if (e)
		return e;
	annotator_connect(l->annotator, l->worker, l->client);
	annotator_batch_connect(l->annotator, l->batch_client);
	e = watch(l, socket_fd(worker_socket(l->worker)), msg);
	if (!e)
		e = watch(l, client_fd(l->client), msg);
	if (!e)
		e = watch(l, client_fd(l->batch_client), msg);
	if (!e)
		e = watch(l, stop_fd(), msg);
	return e;
}

static void loop_close(struct loop *l)
{
	if (l->worker)
		annotator_stop(l->annotator);
	client_free(l->batch_client);
	client_free(l->client);
	worker_free(l->worker);
	annotator_free(l->annotator);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One turn; returns how long to wait before the next one. The bus is read last: its
 * descriptor is edge-triggered, also by sends, so nothing may be sent between that and
 * the wait. What its handlers want to be done makes the next turn come at once. */
static int loop_turn(struct loop *l)
{
	annotator_now_set(l->annotator, clock_mono_ms(&l->clock));
	client_run(l->client);
	client_run(l->batch_client);
	uint64_t now_ms = clock_mono_ms(&l->clock);
	annotator_now_set(l->annotator, now_ms);
	uint64_t due_ms = annotator_pump(l->annotator);
	due_ms = earlier(due_ms, client_due_ms(l->client));
	due_ms = earlier(due_ms, client_due_ms(l->batch_client));
	due_ms = earlier(due_ms, worker_tick(l->worker, now_ms));
	struct err_msg notice;
	if (socket_notice(worker_socket(l->worker), now_ms, &notice))
		log_warn("no_coordinator", "%s", notice.text);
	if (worker_drain(l->worker) || annotator_dirty(l->annotator))
		return 0;
	now_ms = clock_mono_ms(&l->clock);
	if (due_ms <= now_ms)
		return 0;
	return due_ms - now_ms < 60000 ? (int)(due_ms - now_ms) : 60000;
}

enum err loop_run(const struct annotator_config *config, const char *coordinator,
		  const struct auth *auth, struct err_msg *msg)
{
	struct loop l = {.epoll_fd = -1, .clock = clock_system()};
	void *zmq = zmq_ctx_new();
	if (!zmq)
		return err_set(msg, ERR_NO_MEMORY, "no memory for ZeroMQ");
	enum err e = loop_open(&l, zmq, config, coordinator, auth, msg);
	if (!e)
		log_info("started", "coordinator=%s concurrency=%u", coordinator,
			 config->concurrency_max);
	while (!e && !stop_requested()) {
		int wait_ms = loop_turn(&l);
		if (l.refused[0])
			e = err_set(msg, ERR_VERSION, "the coordinator refused this annotator: %s",
				    l.refused);
		struct epoll_event events[4];
		if (!e && wait_ms != 0)
			(void)epoll_wait(l.epoll_fd, events, 4, wait_ms);
	}
	/* What is done goes out; what is not goes back. */
	if (l.worker)
		(void)worker_tick(l.worker, clock_mono_ms(&l.clock));
	loop_close(&l);
	(void)zmq_ctx_term(zmq);
	return e;
}
