/*
 * How many bytes all request bodies together may take. A request waits for its share
 * before it is read, so that who sends too much is slowed down and memory stays flat.
 * On any thread.
 */
#ifndef FREEAL_COORDINATOR_ALLOWANCE_H
#define FREEAL_COORDINATOR_ALLOWANCE_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct allowance {
	pthread_mutex_t mutex;
	pthread_cond_t returned;
	size_t bytes_max, bytes; /* at most, and taken */
	bool closed;
};

void allowance_init(struct allowance *a, size_t bytes_max);
void allowance_done(struct allowance *a);

/* Waits for so many bytes. ERR_AGAIN: they are not free in time; ERR_LIMIT: they never are. */
enum err allowance_take(struct allowance *a, size_t bytes, uint32_t timeout_ms) WARN_UNUSED;
void allowance_return(struct allowance *a, size_t bytes);
/* Nobody waits from now on. */
void allowance_close(struct allowance *a);

#endif
