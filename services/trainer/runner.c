#include "trainer/runner.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct runner {
	struct job_context *context;
	pthread_t thread;
	int fd;		     /* eventfd: a job is done */
	bool idle;	     /* the loop's view */
	struct job *current; /* the loop's view: to be cancelled at the end */

	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t wake;
	struct job *next; /* to be run */
	struct job *done; /* to be taken */
	enum err error;	  /* of `done` */
	bool stop;
};

static void done_signal(struct runner *r)
{
	uint64_t one = 1;
	ssize_t n;
	do
		n = write(r->fd, &one, sizeof one);
	while (n < 0 && errno == EINTR);
}

static void *runner_main(void *context)
{
	struct runner *r = context;
	(void)pthread_mutex_lock(&r->mutex);
	while (!r->stop) {
		if (!r->next) {
			(void)pthread_cond_wait(&r->wake, &r->mutex);
			continue;
		}
		struct job *j = r->next;
		r->next = NULL;
		(void)pthread_mutex_unlock(&r->mutex);
		enum err e = job_run(j, r->context);
		(void)pthread_mutex_lock(&r->mutex);
		r->done = j;
		r->error = e;
		done_signal(r);
	}
	(void)pthread_mutex_unlock(&r->mutex);
	return NULL;
}

static void runner_release(struct runner *r)
{
	if (r->fd >= 0)
		(void)close(r->fd);
	(void)pthread_cond_destroy(&r->wake);
	(void)pthread_mutex_destroy(&r->mutex);
	job_context_free(r->context);
	free(r);
}

enum err runner_new(struct job_context *c, struct runner **ret_runner, struct err_msg *msg)
{
	struct runner *r = calloc(1, sizeof *r);
	if (!r) {
		job_context_free(c);
		return err_set(msg, ERR_NO_MEMORY, "no memory for the worker thread");
	}
	r->context = c;
	r->idle = true;
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->wake, NULL);
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int code = r->fd < 0 ? errno : pthread_create(&r->thread, NULL, runner_main, r);
	if (code) {
		runner_release(r);
		return err_set(msg, ERR_IO, "cannot start the worker thread: %s", strerror(code));
	}
	*ret_runner = r;
	return ERR_OK;
}

bool runner_free(struct runner *r, uint32_t timeout_ms)
{
	if (!r)
		return true;
	if (r->current)
		atomic_store(&r->current->cancel, true);
	(void)pthread_mutex_lock(&r->mutex);
	r->stop = true;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->mutex);
	struct timespec until;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)timeout_ms * 1000000u;
	until.tv_sec += (time_t)(ns / 1000000000u);
	until.tv_nsec = (long)(ns % 1000000000u);
	if (pthread_timedjoin_np(r->thread, NULL, &until) != 0)
		return false;
	runner_release(r);
	return true;
}

int runner_fd(const struct runner *r)
{
	return r->fd;
}

bool runner_idle(const struct runner *r)
{
	return r->idle;
}

void runner_start(struct runner *r, struct job *j)
{
	assert(r->idle);
	r->idle = false;
	r->current = j;
	(void)pthread_mutex_lock(&r->mutex);
	r->next = j;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->mutex);
}

struct job *runner_take(struct runner *r, enum err *ret_error)
{
	uint64_t count;
	ssize_t ignored = read(r->fd, &count, sizeof count);
	(void)ignored;
	(void)pthread_mutex_lock(&r->mutex);
	struct job *j = r->done;
	*ret_error = r->error;
	r->done = NULL;
	(void)pthread_mutex_unlock(&r->mutex);
	if (j) {
		r->idle = true;
		r->current = NULL;
	}
	return j;
}
