#include "coordinator/inbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct inbox {
	pthread_mutex_t mutex;
	pthread_cond_t served;
	struct inbox_request *first, **last;
	bool closed;
	int fd;
};

struct inbox *inbox_new(void)
{
	struct inbox *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd < 0) {
		free(b);
		return NULL;
	}
	b->last = &b->first;
	(void)pthread_mutex_init(&b->mutex, NULL);
	(void)pthread_cond_init(&b->served, NULL);
	return b;
}

void inbox_free(struct inbox *b)
{
	if (!b)
		return;
	(void)pthread_cond_destroy(&b->served);
	(void)pthread_mutex_destroy(&b->mutex);
	(void)close(b->fd);
	free(b);
}

int inbox_fd(const struct inbox *b)
{
	return b->fd;
}

enum err inbox_call(struct inbox *b, struct inbox_request *r)
{
	r->next = NULL;
	r->served = false;
	(void)pthread_mutex_lock(&b->mutex);
	if (b->closed) {
		(void)pthread_mutex_unlock(&b->mutex);
		return ERR_CANCELLED;
	}
	*b->last = r;
	b->last = &r->next;
	(void)eventfd_write(b->fd, 1);
	while (!r->served)
		(void)pthread_cond_wait(&b->served, &b->mutex);
	(void)pthread_mutex_unlock(&b->mutex);
	return r->result;
}

struct inbox_request *inbox_take(struct inbox *b)
{
	eventfd_t ignored;
	(void)pthread_mutex_lock(&b->mutex);
	struct inbox_request *r = b->first;
	if (r) {
		b->first = r->next;
		if (!b->first)
			b->last = &b->first;
	} else {
		(void)eventfd_read(b->fd, &ignored);
	}
	(void)pthread_mutex_unlock(&b->mutex);
	return r;
}

void inbox_done(struct inbox *b, struct inbox_request *r)
{
	(void)pthread_mutex_lock(&b->mutex);
	r->served = true;
	(void)pthread_cond_broadcast(&b->served);
	(void)pthread_mutex_unlock(&b->mutex);
}

void inbox_close(struct inbox *b)
{
	(void)pthread_mutex_lock(&b->mutex);
	b->closed = true;
	for (struct inbox_request *r = b->first; r; r = r->next) {
		r->result = ERR_CANCELLED;
		r->served = true;
	}
	b->first = NULL;
	b->last = &b->first;
	(void)pthread_cond_broadcast(&b->served);
	(void)pthread_mutex_unlock(&b->mutex);
}
