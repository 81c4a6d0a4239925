#include "coordinator/allowance.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void allowance_init(struct allowance *a, size_t bytes_max)
{
	pthread_condattr_t monotonic;
	*a = (struct allowance){.bytes_max = bytes_max};
	(void)pthread_mutex_init(&a->mutex, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&a->returned, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

void allowance_done(struct allowance *a)
{
	(void)pthread_cond_destroy(&a->returned);
	(void)pthread_mutex_destroy(&a->mutex);
}

static struct timespec time_after(uint32_t ms)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

enum err allowance_take(struct allowance *a, size_t bytes, uint32_t timeout_ms)
{
	const struct timespec until = time_after(timeout_ms);
	if (bytes > a->bytes_max)
		return ERR_LIMIT;
	int code = 0;
	(void)pthread_mutex_lock(&a->mutex);
	while (bytes > a->bytes_max - a->bytes && !a->closed && code != ETIMEDOUT)
		code = pthread_cond_timedwait(&a->returned, &a->mutex, &until);
	bool taken = bytes <= a->bytes_max - a->bytes;
	if (taken)
		a->bytes += bytes;
	(void)pthread_mutex_unlock(&a->mutex);
	return taken ? ERR_OK : ERR_AGAIN;
}

void allowance_return(struct allowance *a, size_t bytes)
{
	if (bytes == 0)
		return;
	(void)pthread_mutex_lock(&a->mutex);
	assert(bytes <= a->bytes);
	a->bytes -= bytes;
	(void)pthread_cond_broadcast(&a->returned);
	(void)pthread_mutex_unlock(&a->mutex);
}

void allowance_close(struct allowance *a)
{
	(void)pthread_mutex_lock(&a->mutex);
	a->closed = true;
	(void)pthread_cond_broadcast(&a->returned);
	(void)pthread_mutex_unlock(&a->mutex);
}
