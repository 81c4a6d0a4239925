/*
 * The worker thread: runs one job at a time. Rows and the end come back through a short
 * queue, which the loop empties when the file descriptor is readable.
 */
#ifndef FREEAL_SELECTOR_RUNNER_H
#define FREEAL_SELECTOR_RUNNER_H

#include "selector/job.h"

#include <stdbool.h>

struct runner;

enum err runner_new(struct runner **ret_runner, struct err_msg *msg) WARN_UNUSED;
/* Cancels the job and waits for the thread, at most `timeout_ms`. False: it still runs,
 * nothing was freed, and the process should end. */
bool runner_free(struct runner *r, uint32_t timeout_ms);

/* Readable when runner_take has something. */
int runner_fd(const struct runner *r);
bool runner_idle(const struct runner *r);
/* Only while it is idle. The job stays the caller's and must live until its end is taken. */
void runner_start(struct runner *r, struct job *j);

/* What the thread handed out: a chunk of rows, or the end of the job. */
struct runner_item {
	struct job *job;
	void *data; /* chunk: free it; NULL: the job has ended with `error` */
	size_t size;
	uint64_t seq; /* of the chunk; at the end the number of chunks */
	enum err error;
};

/* False: nothing is there (more may come). */
bool runner_take(struct runner *r, struct runner_item *ret_item);

#endif
