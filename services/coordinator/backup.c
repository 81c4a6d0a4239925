#include "coordinator/backup.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct backup {
	struct store *store;
	atomic_bool *running;
	pthread_t thread;
	bool started, joined;
	int read_fd, write_fd; /* -1: closed; the second is the thread's while that runs */
	enum err result;       /* the thread's, once it is joined */
};

static void *copy_run(void *context)
{
	struct backup *b = context;
	b->result = store_copy(b->store, b->write_fd);
	/* The reader's end of file. */
	(void)close(b->write_fd);
	b->write_fd = -1;
	return NULL;
}

static void copy_join(struct backup *b)
{
	if (b->started && !b->joined)
		(void)pthread_join(b->thread, NULL);
	b->joined = true;
}

enum err backup_new(struct store *store, atomic_bool *running, struct backup **ret_backup)
{
	int ends[2] = {-1, -1};
	if (atomic_exchange(running, true))
		return ERR_AGAIN;
	struct backup *b = calloc(1, sizeof *b);
	if (!b) {
		atomic_store(running, false);
		return ERR_NO_MEMORY;
	}
	b->store = store;
	b->running = running;
	bool piped = pipe2(ends, O_CLOEXEC) == 0;
	b->read_fd = ends[0];
	b->write_fd = ends[1];
	b->started = piped && pthread_create(&b->thread, NULL, copy_run, b) == 0;
	if (!b->started) {
		backup_free(b);
		return ERR_IO;
	}
	*ret_backup = b;
	return ERR_OK;
}

ssize_t backup_read(struct backup *b, char *to, size_t size)
{
	ssize_t n;
	do {
		n = read(b->read_fd, to, size);
	} while (n < 0 && errno == EINTR);
	if (n != 0)
		return n;
	copy_join(b);
	if (b->result)
		log_error("backup_failed", "reason=\"%s\"", err_str(b->result));
	return b->result ? -1 : 0;
}

void backup_free(struct backup *b)
{
	if (!b)
		return;
	/* A writer that nobody reads from any more fails and ends. */
	if (b->read_fd >= 0)
		(void)close(b->read_fd);
	copy_join(b);
	if (b->write_fd >= 0)
		(void)close(b->write_fd);
	atomic_store(b->running, false);
	free(b);
}
