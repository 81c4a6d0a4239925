/*
 * A service's job thread: runs one job at a time. The job's chunks and its end come back
 * through a short queue, which the loop empties when the file descriptor is readable.
 * All calls but runner_put are the loop's.
 */
#ifndef FREEAL_BASE_RUNNER_H
#define FREEAL_BASE_RUNNER_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct runner;

/* Does the job, on the thread. `context` is runner_new's. */
typedef enum err (*runner_job_run)(void *job, void *context);

/* Starts the thread. `context` is borrowed and must outlive it. */
enum err runner_new(runner_job_run run, void *context, struct runner **ret_runner,
		    struct err_msg *msg) WARN_UNUSED;
/* Sets the running job's flag and waits for the thread, at most `timeout_ms`. False: it still
 * runs, nothing was freed, and the process should end. */
bool runner_free(struct runner *r, uint32_t timeout_ms);

/* Readable when runner_take has something. It is an eventfd: what a job's thread hands over
 * by another way may be announced there, too. */
int runner_fd(const struct runner *r);
bool runner_idle(const struct runner *r);
/* Only while it is idle. Job and flag stay the caller's and must live until the job's end is
 * taken. `cancel` is the job's own: once it is set, nobody wants the job any more. */
void runner_start(struct runner *r, void *job, atomic_bool *cancel);

/* What the thread handed out: a chunk of the running job, or its end. */
struct runner_item {
	void *job;
	void *data; /* chunk: free it; NULL: the job has ended with `error` */
	size_t size;
	uint64_t seq; /* of the chunk; at the end the number of chunks */
	enum err error;
};

/* False: nothing is there (more may come). */
bool runner_take(struct runner *r, struct runner_item *ret_item);

/* Called by the running job, on its thread: hands a copy of a chunk out. Blocks while the loop
 * is behind. ERR_CANCELLED: nobody wants it any more. */
enum err runner_put(struct runner *r, const void *data, size_t size,
		    struct err_msg *msg) WARN_UNUSED;

#endif
