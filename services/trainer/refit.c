#include "trainer/refit.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define CANCEL_CHECK_MS 100

struct refit {
	int wake_fd;
	pthread_mutex_t mutex; /* over what follows */
	pthread_cond_t answered;
	bool asking; /* the job's thread waits */
	struct outbox_stream *losses;
	uint32_t epoch;
	bool done;
	struct selection *selection;
	enum err error;
	struct err_msg msg;
};

enum err refit_new(int wake_fd, struct refit **ret_refit)
{
	struct refit *r = calloc(1, sizeof *r);
	if (!r)
		return ERR_NO_MEMORY;
	r->wake_fd = wake_fd;
	(void)pthread_mutex_init(&r->mutex, NULL);
	clock_cond_init(&r->answered);
	*ret_refit = r;
	return ERR_OK;
}

void refit_free(struct refit *r)
{
	if (!r)
		return;
	outbox_stream_free(r->losses);
	selection_free(r->selection);
	(void)pthread_cond_destroy(&r->answered);
	(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}

static void loop_wake(struct refit *r)
{
	uint64_t one = 1;
	ssize_t n;
	do
		n = write(r->wake_fd, &one, sizeof one);
	while (n < 0 && errno == EINTR);
}

static void answer_wait(struct refit *r)
{
	struct timespec until = clock_deadline(CANCEL_CHECK_MS);
	(void)pthread_cond_timedwait(&r->answered, &r->mutex, &until);
}

enum err refit_ask(struct refit *r, struct outbox_stream *losses, uint32_t epoch,
		   const atomic_bool *cancel, struct selection **ret_selection, struct err_msg *msg)
{
	(void)pthread_mutex_lock(&r->mutex);
	outbox_stream_free(r->losses);
	r->losses = losses;
	r->epoch = epoch;
	r->done = false;
	r->asking = true;
	loop_wake(r);
	while (!r->done && !atomic_load(cancel))
		answer_wait(r);
	enum err e = r->done ? r->error : ERR_CANCELLED;
	if (!e)
		*ret_selection = r->selection;
	else
		(void)err_set(msg, e, "%s", r->done ? r->msg.text : "cancelled");
	r->selection = NULL;
	r->asking = false;
	(void)pthread_mutex_unlock(&r->mutex);
	return e;
}

struct outbox_stream *refit_take(struct refit *r, uint32_t *ret_epoch)
{
	(void)pthread_mutex_lock(&r->mutex);
	struct outbox_stream *losses = r->losses;
	r->losses = NULL;
	*ret_epoch = r->epoch;
	(void)pthread_mutex_unlock(&r->mutex);
	return losses;
}

void refit_answer(struct refit *r, struct selection *selection, enum err error, const char *reason)
{
	(void)pthread_mutex_lock(&r->mutex);
	if (r->asking && !r->done) {
		r->selection = selection;
		r->error = error;
		(void)err_set(&r->msg, error, "%s", reason ? reason : "");
		r->done = true;
		(void)pthread_cond_signal(&r->answered);
	} else {
		/* It was cancelled while the answer was on its way. */
		selection_free(selection);
	}
	(void)pthread_mutex_unlock(&r->mutex);
}
