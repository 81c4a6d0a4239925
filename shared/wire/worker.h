/*
 * The worker's side of the bus: hello, credit, leases, heartbeats and results.
 * Used by annotator, trainer and selector, each from its one loop thread.
 *
 *   loop: poll {worker_socket's fd, own fds} until worker_tick's time
 *         worker_drain(worker)            handlers are called from here
 *         worker_result(...)              for what is finished
 *         worker_tick(worker, now_ms)     sends hello, credit, heartbeats, results
 *
 * A result is kept and sent again until the coordinator says that it is on disk.
 * When the coordinator restarts (another epoch), the worker says Hello again and goes
 * on with the leases that it has. When it comes back with another project, leases and
 * results of the old one are dropped (`cancel` is called) before `project` is.
 */
#ifndef FREEAL_WIRE_WORKER_H
#define FREEAL_WIRE_WORKER_H

#include "wire/socket.h"

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* Called from worker_drain. Messages are valid during the call alone. */
struct worker_handler {
	/* First Welcome, and again when the project changed. */
	void (*project)(void *context, const Freeal__Welcome *welcome);
	/* A new lease. Attempts that the worker holds already are not passed on twice. */
	void (*lease)(void *context, const Freeal__Work *work);
	/* No result is wanted any more. May be NULL. */
	void (*cancel)(void *context, const Freeal__WorkName *name);
	void (*pool)(void *context, const Freeal__Pool *pool);	  /* may be NULL */
	void (*grant)(void *context, const Freeal__Grant *grant); /* may be NULL */
	/* Anything else: Offer, Stored, ChunkRequest, Chunk. May be NULL. */
	void (*other)(void *context, const Freeal__Envelope *envelope);
	/* The coordinator refused us; `reason` is for people. The service should stop. */
	void (*refused)(void *context, const char *reason);
	void *context;
};

/* `auth` is NULL, or the keys for the endpoint as in socket_connect. */
enum err worker_new(void *zmq_context, const char *endpoint, const struct auth *auth,
		    Freeal__Role role, const struct worker_handler *handler,
		    struct worker **ret_worker, struct err_msg *msg) WARN_UNUSED;
/* Hands unfinished leases back (as far as the socket takes it), then frees. */
void worker_free(struct worker *w);

struct socket *worker_socket(const struct worker *w);

/* Reads messages until there is none, at most a bounded number; true: there may be more. */
bool worker_drain(struct worker *w);

/* How many more leases fit; sent with the next tick when it changed. */
void worker_credit_set(struct worker *w, uint32_t credit);
/* Progress shown to people and carried by heartbeats. */
void worker_progress_set(struct worker *w, uint64_t done, uint64_t total);

/* Takes a copy of the result (name, attempt and body) and ends the lease on this side.
 * ERR_NOT_FOUND: no such lease is held (expired or cancelled); the result is sent all
 * the same, because a late answer is worth keeping. */
enum err worker_result(struct worker *w, Freeal__Result *result);
/* Hands a lease back, to be given to somebody at once. */
void worker_return(struct worker *w, const Freeal__WorkName *name, const char *reason);
/* Sends a Status now (blocked, in flight, ...). */
void worker_status(struct worker *w, Freeal__Status *status);
/* Sends any envelope to the coordinator; as socket_send. */
enum err worker_send(struct worker *w, Freeal__Envelope *e) WARN_UNUSED;

/* Leases held, results not yet acknowledged. */
uint32_t worker_lease_count(const struct worker *w);
uint32_t worker_result_count(const struct worker *w);

/* Does what is due at `now_ms` and returns when it wants to be called next. */
uint64_t worker_tick(struct worker *w, uint64_t now_ms);

#endif
