#include "base/runner.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_MAX 8 /* chunks of about 1 MiB */

struct runner {
	runner_job_run run;
	void *context;
	pthread_t thread;
	int fd;		     /* eventfd: the queue has something */
	bool idle;	     /* the loop's view */
	atomic_bool *cancel; /* of the running job; set by runner_start, while the thread waits */

	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t wake;   /* a job came, or the queue has room */
	pthread_cond_t ended;  /* the thread is over; by the monotonic clock */
	void *next;	       /* job to be run */
	void *job;	       /* that runs */
	struct runner_item queue[QUEUE_MAX];
	size_t first, count;
	uint64_t seq; /* of the running job's next chunk */
	bool stop, over;
};

static void signal_loop(struct runner *r)
{
	uint64_t one = 1;
	ssize_t n;
	do
		n = write(r->fd, &one, sizeof one);
	while (n < 0 && errno == EINTR);
}

/* Waits for room; takes `item.data`. */
static enum err queue_put(struct runner *r, struct runner_item item)
{
	(void)pthread_mutex_lock(&r->mutex);
	while (r->count == QUEUE_MAX && !r->stop && !(item.data && atomic_load(r->cancel)))
		(void)pthread_cond_wait(&r->wake, &r->mutex);
	bool room = r->count < QUEUE_MAX;
	if (room) {
		item.job = r->job;
		item.seq = r->seq++;
		r->queue[(r->first + r->count++) % QUEUE_MAX] = item;
	}
	(void)pthread_mutex_unlock(&r->mutex);
	if (!room) {
		free(item.data);
		return ERR_CANCELLED;
	}
	signal_loop(r);
	return ERR_OK;
}

enum err runner_put(struct runner *r, const void *data, size_t size, struct err_msg *msg)
{
	void *copy = malloc(size + 1);
	if (!copy)
		return err_set(msg, ERR_NO_MEMORY, "no memory for a chunk");
	memcpy(copy, data, size);
	enum err e = queue_put(r, (struct runner_item){.data = copy, .size = size});
	return e ? err_set(msg, e, "cancelled") : ERR_OK;
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
		void *job = r->job = r->next;
		r->next = NULL;
		r->seq = 0;
		(void)pthread_mutex_unlock(&r->mutex);
		enum err e = r->run(job, r->context);
		/* Not put only when the process ends. */
		err_ignore(queue_put(r, (struct runner_item){.error = e}));
		(void)pthread_mutex_lock(&r->mutex);
	}
	r->over = true;
	(void)pthread_cond_signal(&r->ended);
	(void)pthread_mutex_unlock(&r->mutex);
	return NULL;
}

static void runner_release(struct runner *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->queue[(r->first + i) % QUEUE_MAX].data);
	if (r->fd >= 0)
		(void)close(r->fd);
	(void)pthread_cond_destroy(&r->wake);
	(void)pthread_cond_destroy(&r->ended);
	(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}

enum err runner_new(runner_job_run run, void *context, struct runner **ret_runner,
		    struct err_msg *msg)
{
	struct runner *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the job thread");
	r->run = run;
	r->context = context;
	r->idle = true;
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->wake, NULL);
	clock_cond_init(&r->ended);
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int code = r->fd < 0 ? errno : pthread_create(&r->thread, NULL, runner_main, r);
	if (code) {
		runner_release(r);
		return err_set(msg, ERR_IO, "cannot start the job thread: %s", strerror(code));
	}
	*ret_runner = r;
	return ERR_OK;
}

bool runner_free(struct runner *r, uint32_t timeout_ms)
{
	if (!r)
		return true;
	if (!r->idle)
		atomic_store(r->cancel, true);
	(void)pthread_mutex_lock(&r->mutex);
	r->stop = true;
	(void)pthread_cond_signal(&r->wake);
	struct timespec until = clock_deadline(timeout_ms);
	int code = 0;
	while (!r->over && code == 0)
		code = pthread_cond_timedwait(&r->ended, &r->mutex, &until);
	bool over = r->over;
	(void)pthread_mutex_unlock(&r->mutex);
	if (!over)
		return false;
	(void)pthread_join(r->thread, NULL);
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

void runner_start(struct runner *r, void *job, atomic_bool *cancel)
{
	assert(r->idle);
	r->idle = false;
	(void)pthread_mutex_lock(&r->mutex);
	r->cancel = cancel;
	r->next = job;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->mutex);
}

bool runner_take(struct runner *r, struct runner_item *ret_item)
{
	(void)pthread_mutex_lock(&r->mutex);
	bool any = r->count > 0;
	if (any) {
		*ret_item = r->queue[r->first];
		r->first = (r->first + 1) % QUEUE_MAX;
		r->count--;
		(void)pthread_cond_signal(&r->wake);
	} else {
		uint64_t count;
		ssize_t ignored = read(r->fd, &count, sizeof count);
		(void)ignored;
	}
	(void)pthread_mutex_unlock(&r->mutex);
	if (any && !ret_item->data)
		r->idle = true;
	return any;
}
