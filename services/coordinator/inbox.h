/*
 * What HTTP threads ask of the loop. A request waits in a bounded queue until the loop
 * has served it and its transaction is on disk; then its thread goes on.
 */
#ifndef FREEAL_COORDINATOR_INBOX_H
#define FREEAL_COORDINATOR_INBOX_H

#include "base/err.h"
#include "coordinator/ingest.h"

#include <stdbool.h>
#include <stdint.h>

enum inbox_kind {
	INBOX_INGEST, /* `batch` */
	INBOX_START,  /* `requests_more` */
	INBOX_STOP,
	INBOX_CACHE_CLEAR, /* forget the kept replies */
};

struct inbox_request {
	enum inbox_kind kind;
	struct ingest_batch *batch;
	uint64_t requests_more; /* 0: no limit */
	/* Filled by the loop. */
	enum err result;
	/* The inbox's own. */
	struct inbox_request *next;
	bool served;
};

struct inbox;

struct inbox *inbox_new(void);
void inbox_free(struct inbox *b);
/* Readable when there are requests. */
int inbox_fd(const struct inbox *b);

/* HTTP thread: blocks until served; ERR_CANCELLED once the inbox is closed. */
enum err inbox_call(struct inbox *b, struct inbox_request *r) WARN_UNUSED;

/* Loop: takes the oldest request, or NULL. */
struct inbox_request *inbox_take(struct inbox *b);
/* Loop: wakes its thread; the request is not ours any more. */
void inbox_done(struct inbox *b, struct inbox_request *r);
/* Loop: refuses what waits and what comes. */
void inbox_close(struct inbox *b);

#endif
