/*
 * The worker thread: runs one job at a time and wakes the loop through a file
 * descriptor when it is done.
 */
#ifndef FREEAL_TRAINER_RUNNER_H
#define FREEAL_TRAINER_RUNNER_H

#include "trainer/job.h"

struct runner;

/* Starts the thread; it takes the context. */
enum err runner_new(struct job_context *c, struct runner **ret_runner,
		    struct err_msg *msg) WARN_UNUSED;
/* Cancels the job and waits for the thread, at most `timeout_ms`. False: it still runs,
 * nothing was freed, and the process should end. */
bool runner_free(struct runner *r, uint32_t timeout_ms);

/* Readable when a job is done. */
int runner_fd(const struct runner *r);
bool runner_idle(const struct runner *r);
/* Only while it is idle. The job stays the caller's and must live until it is taken. */
void runner_start(struct runner *r, struct job *j);
/* The job that is done, with what job_run returned; NULL: none. */
struct job *runner_take(struct runner *r, enum err *ret_error);

#endif
